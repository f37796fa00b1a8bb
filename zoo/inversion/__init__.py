"""From pictures to codes: reading photographs, searching for their codes, and saying how good these are."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
