"""Derivatives of image regions: exact Jacobians, their products, their Gram matrices, and the cache of them."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
