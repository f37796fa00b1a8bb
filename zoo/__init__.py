"""zoo: find meaning in GANs.

``zoo.models`` lists the models, ``zoo.load`` opens one, ``zoo.analyze`` finds directions in its latent space,
``zoo.edit`` moves codes along them, ``zoo.compare`` holds two sets of them against each other, ``zoo.score`` says which
attributes they change, ``zoo.project`` finds the codes of pictures, ``zoo.studio`` shows all of it in a browser.
Everything heavy, torch above all, is imported on first use, so that ``import zoo`` is quick.
"""

import lazy_loader

# Packages that are called as the functions of their names. They are imported before names are looked up lazily, so that
# `zoo.models` is the package, and `zoo.models.model` can be reached.
import zoo.models
import zoo.studio  # noqa: F401

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
