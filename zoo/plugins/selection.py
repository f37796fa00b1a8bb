"""Which plugins are let in: those that the environment chooses, and that were written for this contract."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass

from zoo._version import CONTRACT, __version__
from zoo.errors import PluginError, unknown_name

CHOICE = "ZOO_PLUGINS"
"""Environment variable: names of distributions or entry points, with commas. Only those are loaded, or, where each has
a ``-`` before it, all others; when it is set and empty, none but the built-ins."""

DECLARATION = "zoo_contract"
"""The attribute by which a plugin's module says which contract it was written for; without it, 1."""


@dataclass(frozen=True)
class PluginSelection:
    """The plugins that are wanted by name (None: all), and those that are not."""

    only: frozenset[str] | None
    without: frozenset[str]

    def takes(self, *names: str) -> bool:
        """Say whether a plugin that bears these names is to be loaded."""
        found = {_plain(name) for name in names}
        return not found & self.without and (self.only is None or bool(found & self.only))


def read_selection(installed: Iterable[str]) -> PluginSelection:
    """Read ``ZOO_PLUGINS``. Raises `PluginError` for names that no plugin bears, and for both kinds at once."""
    text = os.environ.get(CHOICE)
    words = [word.strip() for word in (text or "").split(",") if word.strip()]
    without = frozenset(_plain(word[1:]) for word in words if word.startswith("-"))
    only = frozenset(_plain(word) for word in words if not word.startswith("-"))
    if only and without:
        raise PluginError(
            f"{CHOICE}={text}: name the plugins that are wanted, or with '-' those that are not, not both"
        )
    known = {_plain(name) for name in installed}
    for name in sorted((only | without) - known):
        raise PluginError(f"{CHOICE}={text}: {unknown_name('installed plugin', name, known)}")
    return PluginSelection(None if text is None or without else only, without)


def contract_of(module: object) -> tuple[int, int]:
    """Return the (major, minor) contract that a plugin's module declares. Raises `PluginError` for anything else."""
    told = getattr(module, DECLARATION, 1)
    parts = (told, 0) if type(told) is int else told
    if isinstance(parts, tuple) and len(parts) == 2 and all(type(part) is int for part in parts):
        return parts
    raise PluginError(f"{DECLARATION} = {told!r} is neither a number nor (major, minor)")


def require_contract(contract: tuple[int, int], distribution: str) -> None:
    """Raise `PluginError` saying what to upgrade, unless a plugin was written for this zoo's contract."""
    if contract[0] == CONTRACT[0] and contract[1] <= CONTRACT[1]:
        return
    outdated = "latent-zoo" if contract > CONTRACT else distribution
    raise PluginError(
        f"it was written for contract {_written(contract)}, and zoo {__version__} has {_written(CONTRACT)}: "
        f"upgrade {outdated}"
    )


def _written(contract: tuple[int, int]) -> str:
    return ".".join(map(str, contract))


def _plain(name: str) -> str:
    """Spell a name as package indexes do, so that ``Zoo_X`` is ``zoo-x``."""
    return re.sub(r"[-_.]+", "-", name).lower()
