"""How good each analysis is on one model: every installed one between a floor and a ceiling, with intervals."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
