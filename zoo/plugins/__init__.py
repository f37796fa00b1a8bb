"""Plugins: what they register, how they are found, and how a new one begins."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
