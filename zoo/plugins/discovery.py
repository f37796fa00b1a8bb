"""Finding and loading plugins: the built-ins, then every distribution with an entry point in the group ``zoo``."""

from __future__ import annotations

import importlib
import time
from importlib.metadata import EntryPoint, distributions, entry_points
from types import ModuleType

import pluggy

from zoo.errors import one_line
from zoo.plugins import hookspecs
from zoo.plugins.containment import contained
from zoo.plugins.manager import HOOKS, PluginInfo, Plugins
from zoo.plugins.selection import SELECTION_VARIABLE, declared_contract, read_selection, require_contract
from zoo.plugins.skipped import describe_error, warn_skipped

BUILT_IN = (
    "zoo_adapters.dcgan",
    "zoo_adapters.pggan",
    "zoo_adapters.stylegan",
    "zoo_adapters.stylegan2",
    "zoo_adapters.biggan",
    "zoo_adapters.biggan_deep",
    "zoo_adapters.studiogan",
    "zoo_adapters.r3gan",
    "zoo_adapters.stylegan3",
    "zoo_adapters.fastgan",
    "zoo_adapters.styleswin",
    "zoo_adapters.diffusers",
    "zoo_analyzers.sefa",
    "zoo_analyzers.lowrank",
    "zoo_analyzers.nullspace",
    "zoo_analyzers.resefa",
    "zoo_analyzers.ganalyze",
    "zoo_analyzers.interfacegan",
    "zoo_scorers.avatars",
    "zoo_scorers.text",
)


def load_plugins() -> Plugins:
    """Import the built-ins and every installed plugin that ``ZOO_PLUGINS`` selects.

    A plugin that cannot be imported is skipped with a warning.

    Returns:
        What the plugins contribute.

    Raises:
        PluginError: ``ZOO_PLUGINS`` cannot be read, or a plugin would be skipped and ``ZOO_STRICT_PLUGINS`` is set.

    """
    manager = pluggy.PluginManager("zoo")
    manager.add_hookspecs(hookspecs)
    owners = dict.fromkeys(BUILT_IN, "zoo itself")
    infos = [_load_built_in(name, manager) for name in BUILT_IN]
    points = _entry_points()
    selection = read_selection(name for point in points for name in _names_of(point))
    for point in points:
        if selection.includes(*_names_of(point)):
            infos.append(_load_entry_point(point, manager, owners))
        else:
            infos.append(
                PluginInfo(one_line(point.value), *_distribution(point), error=f"left out by {SELECTION_VARIABLE}")
            )
    return Plugins(manager, tuple(infos), owners)


def _load_built_in(name: str, manager: pluggy.PluginManager) -> PluginInfo:
    started = time.perf_counter()
    module = importlib.import_module(name)
    manager.register(module, name)
    hooks = _hooks_of(manager, module)
    seconds = time.perf_counter() - started
    return PluginInfo(name, "latent-zoo", "built in", hooks, contract=declared_contract(module), seconds=seconds)


def _load_entry_point(point: EntryPoint, manager: pluggy.PluginManager, owners: dict[str, str]) -> PluginInfo:
    distribution, version = _distribution(point)
    value = one_line(point.value)
    name = f"{distribution}:{point.value}"
    contract = None
    started = time.perf_counter()
    try:
        with contained():
            module = point.load()
            contract = declared_contract(module)
            require_contract(contract, distribution)
            owners[name] = f"{distribution} {version}"
            manager.register(module, name)
            manager.check_pending()  # raises for a hook that zoo does not have
            hooks = _hooks_of(manager, module)
    except Exception as error:
        if manager.has_plugin(name):
            manager.unregister(name=name)
        cause = describe_error(error)
        warn_skipped(f"plugin {value} of {distribution} {version} was skipped: {cause}", error)
        return PluginInfo(value, distribution, version, error=cause, contract=contract)
    seconds = time.perf_counter() - started
    return PluginInfo(value, distribution, version, hooks, contract=contract, seconds=seconds)


def _entry_points() -> list[EntryPoint]:
    """List the entry points of all distributions; one whose list cannot be read is skipped with a warning."""
    try:
        points = list(entry_points(group="zoo"))
    except Exception:
        points = []
        for distribution in distributions():
            try:
                points += distribution.entry_points.select(group="zoo")
            except Exception as error:
                where = getattr(distribution, "_path", "an unknown distribution")
                warn_skipped(f"the plugins of {where} were skipped: {describe_error(error)}", error)
    return sorted(points, key=lambda point: (point.name, point.value))


def _names_of(point: EntryPoint) -> tuple[str, ...]:
    """Return the names by which ``ZOO_PLUGINS`` can select a plugin."""
    return point.name, point.value, _distribution(point)[0]


def _distribution(point: EntryPoint) -> tuple[str, str]:
    """Return the distribution of an entry point, and its version; an interrupted installation may lack both."""
    try:
        metadata = point.dist.metadata if point.dist else None
        name, version = (metadata["Name"], metadata["Version"]) if metadata else (None, None)
    except (OSError, ValueError, KeyError, TypeError):
        name, version = None, None
    return one_line(str(name or "an unknown distribution")), one_line(str(version or "?"))


def _hooks_of(manager: pluggy.PluginManager, module: ModuleType) -> tuple[str, ...]:
    implemented = {caller.name for caller in manager.get_hookcallers(module) or ()}
    return tuple(hook for hook in HOOKS if hook in implemented)
