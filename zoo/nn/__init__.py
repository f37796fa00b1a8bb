"""What adapters are built from, in the tree or out of it: windowed layers, style and residual networks."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
