"""The import of torch without a search for garbage among the objects that it makes.

They are half a million, and they stay until the process ends. Python's collector looks through all of them again and
again while they are made, later, and once more at the end. That takes a fifth of the time of a short command.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType


def import_torch_quickly() -> None:
    """Let the next import of torch take place with the garbage collector off; it never looks at what is there then."""
    if "torch" not in sys.modules and gc.isenabled():
        sys.meta_path.insert(0, _Finder())


class _Finder:
    """Finds torch as it is found otherwise, once, and turns the collector off while its code is run."""

    def find_spec(self, name: str, _path: Sequence[str] | None, _target: ModuleType | None = None) -> ModuleSpec | None:
        """Return where torch is; None for any other module, and for torch where it is not installed."""
        if name != "torch":
            return None
        sys.meta_path.remove(self)
        spec = find_spec(name)
        if spec is not None and spec.loader is not None:
            run = spec.loader.exec_module

            def run_without_collector(module: ModuleType) -> None:
                gc.disable()
                try:
                    run(module)
                finally:
                    gc.freeze()
                    gc.enable()

            spec.loader.exec_module = run_without_collector  # type: ignore[method-assign]
        return spec
