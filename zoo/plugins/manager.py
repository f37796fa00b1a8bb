"""Finding plugins: the built-ins, then every installed distribution with an entry point in the group ``zoo``."""

from __future__ import annotations

import importlib
import os
import time
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import pluggy

from zoo.errors import PluginError, unknown_name
from zoo.plugins import hookspecs
from zoo.plugins.entries import AdapterPlugin, AnalyzerPlugin, ScorerPlugin
from zoo.plugins.selection import CHOICE, contract_of, read_selection, require_contract

if TYPE_CHECKING:
    import typer
    from typer.models import CommandInfo

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
    "zoo_analyzers.sefa",
    "zoo_analyzers.lowrank",
    "zoo_analyzers.nullspace",
    "zoo_analyzers.resefa",
    "zoo_scorers.avatars",
)
STRICT = "ZOO_STRICT_PLUGINS"
"""Environment variable: when it is set and not empty, a plugin that would be skipped is an error, not a warning."""

HOOKS = ("zoo_adapters", "zoo_analyzers", "zoo_scorers", "zoo_registries", "zoo_commands")


class PluginWarning(UserWarning):
    """An installed plugin, or a part of it, was skipped because it could not be imported or failed."""


class Named(Protocol):
    """Anything with a name."""

    @property
    def name(self) -> str:
        """The name."""


Entry = TypeVar("Entry", bound=Named)


@dataclass(frozen=True)
class PluginInfo:
    """One plugin: who ships it, in which version, which hooks it implements; or the error that kept it out.

    `contract` is the one that it was written for, None where it was not loaded; `seconds` is how long its import took.
    """

    module: str
    distribution: str
    version: str
    hooks: tuple[str, ...] = ()
    error: str | None = None
    contract: tuple[int, int] | None = None
    seconds: float = 0.0


@dataclass(frozen=True)
class Plugins:
    """Everything that plugins contributed, by kind and name. Build it with `load_plugins`."""

    manager: pluggy.PluginManager
    infos: tuple[PluginInfo, ...]
    _owners: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def adapters(self) -> dict[str, AdapterPlugin]:
        """The architectures by name. Raises `PluginError` when a name is claimed twice."""
        return self._collect("adapter", "zoo_adapters", AdapterPlugin)

    @cached_property
    def analyzers(self) -> dict[str, AnalyzerPlugin]:
        """The analyses by name. Raises `PluginError` when a name is claimed twice."""
        return self._collect("analyzer", "zoo_analyzers", AnalyzerPlugin)

    @cached_property
    def scorers(self) -> dict[str, ScorerPlugin]:
        """The attribute predictors by name. Raises `PluginError` when a name is claimed twice."""
        return self._collect("scorer", "zoo_scorers", ScorerPlugin)

    @cached_property
    def registries(self) -> tuple[tuple[str, Path], ...]:
        """Registry files that plugins ship, each with its plugin's owner."""
        found = self._results("zoo_registries", (str, Path))
        return tuple((owner, Path(path)) for owner, paths in found for path in paths)

    def adapter(self, name: str) -> AdapterPlugin:
        """Look up an architecture. Raises `UnknownNameError`."""
        return _pick("adapter", name, self.adapters)

    def analyzer(self, name: str) -> AnalyzerPlugin:
        """Look up an analysis. Raises `UnknownNameError`."""
        return _pick("analyzer", name, self.analyzers)

    def scorer(self, name: str) -> ScorerPlugin:
        """Look up an attribute predictor. Raises `UnknownNameError`."""
        return _pick("scorer", name, self.scorers)

    def provider(self, hook: str, name: str) -> str:
        """Name the distribution whose plugin gives the entry `name` of a hook, as `owner` does."""
        found = [owner for owner, entries in self._results(hook, object) for entry in entries if entry.name == name]
        return found[0] if found else "nobody"

    def add_commands(self, app: typer.Typer) -> None:
        """Let plugins add their commands to the command line; one that fails is skipped with a warning.

        Raises `PluginError` when a command's name is claimed twice.
        """
        commands = app.registered_commands
        claims = [("zoo itself", _Command(command.name or "")) for command in commands]
        for call in self.manager.hook.zoo_commands.get_hookimpls():
            owner, before = self.owner(call.plugin_name), len(commands)
            try:
                call.function(app=app)
            except Exception as error:
                del commands[before:]
                skip(f"zoo_commands of {owner} was skipped: {reason(error)}", error)
            claims += [(owner, _Command(_name_of(command))) for command in commands[before:]]
        unique("command", claims)

    def owner(self, module: str) -> str:
        """Name the distribution that ships a plugin module."""
        return self._owners.get(module, module)

    def _collect(self, kind: str, hook: str, entry_type: type[Entry]) -> dict[str, Entry]:
        claims = [(owner, entry) for owner, entries in self._results(hook, entry_type) for entry in entries]
        return unique(kind, claims)

    def _results(self, hook: str, kinds: type | tuple[type, ...]) -> list[tuple[str, list[Any]]]:
        """Call one hook plugin by plugin, in the order of registration, so that every result has its owner.

        A plugin whose hook fails, or returns anything but `kinds`, is skipped with a warning.
        """
        results = []
        for call in getattr(self.manager.hook, hook).get_hookimpls():
            owner = self.owner(call.plugin_name)
            try:
                found = list(call.function())
                odd = [item for item in found if not isinstance(item, kinds)]
                if odd:
                    raise TypeError(f"it returned {odd[0]!r}")
                results.append((owner, found))
            except Exception as error:
                skip(f"{hook} of {owner} was skipped: {reason(error)}", error)
        return results


def unique(kind: str, claims: Iterable[tuple[str, Entry]]) -> dict[str, Entry]:
    """Index entries by name. Raises `PluginError` naming both owners when a name is claimed twice."""
    found: dict[str, tuple[str, Entry]] = {}
    for owner, entry in claims:
        if entry.name in found:
            raise PluginError(
                f"the {kind} name {entry.name!r} is claimed by both {found[entry.name][0]} and {owner}: "
                "uninstall or rename one"
            )
        found[entry.name] = (owner, entry)
    return {name: entry for name, (_, entry) in found.items()}


def load_plugins() -> Plugins:
    """Import the built-ins and every installed plugin; warn once for each that cannot be imported and skip it.

    ``ZOO_PLUGINS`` chooses which (see `zoo.plugins.selection`). Raises `PluginError` where it cannot be read, and for a
    plugin that would be skipped when ``ZOO_STRICT_PLUGINS`` is set.
    """
    manager = pluggy.PluginManager("zoo")
    manager.add_hookspecs(hookspecs)
    infos: list[PluginInfo] = []
    owners: dict[str, str] = {}
    for name in BUILT_IN:
        started = time.perf_counter()
        module = importlib.import_module(name)
        manager.register(module, name)
        owners[name] = "zoo itself"
        hooks, seconds = _hooks_of(manager, module), time.perf_counter() - started
        infos.append(PluginInfo(name, "latent-zoo", "built in", hooks, contract=contract_of(module), seconds=seconds))
    points = sorted(entry_points(group="zoo"), key=lambda point: (point.name, point.value))
    choice = read_selection(name for point in points for name in _names_of(point))
    for point in points:
        found = PluginInfo(point.value, *_shipped_by(point), error=f"left out by {CHOICE}")
        infos.append(_load_entry_point(point, manager, owners) if choice.takes(*_names_of(point)) else found)
    return Plugins(manager, tuple(infos), owners)


def _names_of(point: EntryPoint) -> tuple[str, ...]:
    """List the names by which a plugin can be chosen."""
    return point.name, point.value, _shipped_by(point)[0]


def _shipped_by(point: EntryPoint) -> tuple[str, str]:
    """Name the distribution of an entry point, and its version."""
    return (point.dist.name, point.dist.version) if point.dist else ("an unknown distribution", "?")


def _load_entry_point(point: EntryPoint, manager: pluggy.PluginManager, owners: dict[str, str]) -> PluginInfo:
    distribution, version = _shipped_by(point)
    name, contract, started = f"{distribution}:{point.value}", None, time.perf_counter()
    try:
        module = point.load()
        contract = contract_of(module)
        require_contract(contract, distribution)
        owners[name] = f"{distribution} {version}"
        manager.register(module, name)
        manager.check_pending()
    except (Exception, SystemExit) as error:
        if manager.has_plugin(name):
            manager.unregister(name=name)
        skip(f"plugin {point.value} of {distribution} {version} was skipped: {reason(error)}", error)
        return PluginInfo(point.value, distribution, version, error=reason(error), contract=contract)
    hooks, seconds = _hooks_of(manager, module), time.perf_counter() - started
    return PluginInfo(point.value, distribution, version, hooks, contract=contract, seconds=seconds)


def skip(message: str, error: BaseException) -> None:
    """Warn that something of a plugin was left out, or fail where the environment asks for strictness."""
    if os.environ.get(STRICT):
        raise PluginError(message) from error
    warnings.warn(message, PluginWarning, stacklevel=3)


def reason(error: BaseException) -> str:
    """Put an exception's type and message on one line; zoo's own say enough without the type."""
    text = str(error) if isinstance(error, PluginError) else f"{type(error).__name__}: {error}"
    return " ".join(text.split())


def _hooks_of(manager: pluggy.PluginManager, module: ModuleType) -> tuple[str, ...]:
    found = {caller.name for caller in manager.get_hookcallers(module) or ()}
    return tuple(hook for hook in HOOKS if hook in found)


@dataclass(frozen=True)
class _Command:
    name: str


def _name_of(command: CommandInfo) -> str:
    """Name a command as typer will: by its own name, or after its function."""
    return command.name or (command.callback.__name__.replace("_", "-") if command.callback else "")


def _pick(kind: str, name: str, entries: dict[str, Entry]) -> Entry:
    if name not in entries:
        raise unknown_name(kind, name, entries)
    return entries[name]
