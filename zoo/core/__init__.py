"""The contract: what plugin authors subclass and pass around. Nothing here reads a model or fetches a file."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
