"""Plugins: what they register, how they are found and loaded, and the templates of new ones."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
