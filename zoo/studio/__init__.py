"""The studio: models and their directions in a browser. ``zoo.studio()`` calls the package itself."""

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any


class _CallablePackage(ModuleType):
    """A package that is called as the public function of its name, `zoo.studio.start.studio`."""

    @property
    def __wrapped__(self) -> Callable[..., None]:
        from zoo.studio.start import studio

        return studio

    def __call__(self, *args: Any, **kwargs: Any) -> None:
        self.__wrapped__(*args, **kwargs)


sys.modules[__name__].__class__ = _CallablePackage
