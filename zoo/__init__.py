"""zoo: find meaning in GANs.

``zoo.load`` opens a model, ``zoo.analyze`` finds directions in its latent space, ``zoo.edit`` moves codes along them,
``zoo.compare`` holds two sets of them against each other, ``zoo.score`` says which attributes they change.
Everything heavy, torch above all, is imported on first use, so that ``import zoo`` is quick.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
