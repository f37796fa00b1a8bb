"""Which plugins are loaded: those that ``ZOO_PLUGINS`` selects and whose contract this zoo supports."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass

from zoo._version import CONTRACT, __version__
from zoo.errors import PluginError, unknown_name

# Environment variable: names of distributions or entry points, with commas. Only those plugins are loaded; or, if each
# name has a ``-`` before it, all others. If the variable is set and empty, only the built-ins are loaded.
SELECTION_VARIABLE = "ZOO_PLUGINS"

# The attribute of a plugin's module that says which contract it was written for; without it, that is 1.
CONTRACT_ATTRIBUTE = "zoo_contract"


@dataclass(frozen=True)
class PluginSelection:
    """Which plugins to load, by normalised name.

    Attributes:
        only: the plugins to load; None for all but those in `without`.
        without: the plugins to leave out.

    """

    only: frozenset[str] | None
    without: frozenset[str]

    def includes(self, *names: str) -> bool:
        """Tell whether to load a plugin.

        Args:
            names: every name that the plugin has: of its entry point, module and distribution.

        Returns:
            Whether it is selected.

        """
        normalized = {_normalize(name) for name in names}
        return not normalized & self.without and (self.only is None or bool(normalized & self.only))


def read_selection(installed: Iterable[str]) -> PluginSelection:
    """Read ``ZOO_PLUGINS``.

    Args:
        installed: every name of every installed plugin (entry point, module, distribution), without the built-ins.

    Returns:
        The selection; all plugins if the variable is not set.

    Raises:
        PluginError: no installed plugin has one of the names, or only some of the names have a ``-``.

    """
    text = os.environ.get(SELECTION_VARIABLE)
    words = [word.strip() for word in (text or "").split(",") if word.strip()]
    without = frozenset(_normalize(word[1:]) for word in words if word.startswith("-"))
    only = frozenset(_normalize(word) for word in words if not word.startswith("-"))
    if only and without:
        raise PluginError(
            f"{SELECTION_VARIABLE}={text}: name either the plugins to load, or with '-' those to leave out, not both"
        )
    known = {_normalize(name) for name in installed}
    unknown = sorted((only | without) - known)
    if unknown:
        raise PluginError(f"{SELECTION_VARIABLE}={text}: {unknown_name('installed plugin', unknown[0], known)}")
    return PluginSelection(None if text is None or without else only, without)


def declared_contract(module: object) -> tuple[int, int]:
    """Read which contract a plugin was written for.

    Args:
        module: the plugin's module.

    Returns:
        (major, minor) of the contract.

    Raises:
        PluginError: the module declares anything other than a number or a pair of numbers.

    """
    declared = getattr(module, CONTRACT_ATTRIBUTE, 1)
    pair = (declared, 0) if type(declared) is int else declared
    if isinstance(pair, tuple) and len(pair) == 2 and all(type(part) is int and abs(part) < 10**6 for part in pair):
        return pair
    shown = "a number" if type(declared) is int else repr(declared)  # Python writes no number of 5,000 digits
    raise PluginError(f"{CONTRACT_ATTRIBUTE} = {shown} is neither a number nor (major, minor)")


def require_contract(contract: tuple[int, int], distribution: str) -> None:
    """Require that this zoo has the contract that a plugin was written for.

    Args:
        contract: (major, minor) of the plugin's contract.
        distribution: the plugin's distribution, for the message.

    Raises:
        PluginError: it does not; the message says what to upgrade.

    """
    if contract[0] == CONTRACT[0] and contract[1] <= CONTRACT[1]:
        return
    outdated = "latent-zoo" if contract > CONTRACT else distribution
    raise PluginError(
        f"it needs contract {_format(contract)}, but zoo {__version__} has contract {_format(CONTRACT)}: "
        f"upgrade {outdated}"
    )


def _format(contract: tuple[int, int]) -> str:
    return ".".join(map(str, contract))


def _normalize(name: str) -> str:
    """Spell a name as package indexes do, so that ``Zoo_X`` is ``zoo-x``."""
    return re.sub(r"[-_.]+", "-", name).lower()
