"""A card and its network together: opening, adding, converting. ``zoo.models()`` calls the package itself."""

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)


class _CallablePackage(ModuleType):
    """A package that is called as the public function of its name, `zoo.registry.listing.models`."""

    @property
    def __wrapped__(self) -> Callable[..., list[str]]:
        from zoo.registry.listing import models

        return models

    def __call__(self, *args: Any, **kwargs: Any) -> list[str]:
        return self.__wrapped__(*args, **kwargs)


sys.modules[__name__].__class__ = _CallablePackage
