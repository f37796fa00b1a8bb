"""zoo: find meaning in GANs.

``zoo.models`` lists the models, ``zoo.load`` opens one, ``zoo.analyze`` finds directions in its latent space,
``zoo.edit`` moves codes along them, ``zoo.compare`` holds two sets of them against each other, ``zoo.score`` says which
attributes they change, ``zoo.project`` finds the codes of pictures. Everything heavy, torch above all, is imported on
first use, so that ``import zoo`` is quick.
"""

import lazy_loader

# A package that is called as the function of its name. It is imported before names are looked up lazily, so that
# `zoo.models` is the package, and `zoo.models.model` can be reached.
import zoo.models  # noqa: F401

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
