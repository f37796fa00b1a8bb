"""The conformance suite as functions, for any test runner; `zoo.conformance` lists it without importing torch."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
