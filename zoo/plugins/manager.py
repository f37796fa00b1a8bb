"""What the installed plugins contribute: entries by kind and name, registry files, commands."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import pluggy

from zoo.errors import PluginError, unknown_name
from zoo.plugins.entries import AdapterPlugin, AnalyzerPlugin, ScorerPlugin
from zoo.plugins.skipped import describe_error, warn_skipped

if TYPE_CHECKING:
    import typer
    from typer.models import CommandInfo

HOOKS = ("zoo_adapters", "zoo_analyzers", "zoo_scorers", "zoo_registries", "zoo_commands")


class Named(Protocol):
    """Anything with a name."""

    @property
    def name(self) -> str:
        """The name."""


Entry = TypeVar("Entry", bound=Named)


@dataclass(frozen=True)
class PluginInfo:
    """Facts about one plugin, for `zoo plugins`.

    Attributes:
        module: the module of the plugin.
        distribution: the name of the distribution that it comes from.
        version: the version of the distribution, or ``built in``.
        hooks: the hooks that it implements.
        error: why it was not loaded; None where it was.
        contract: (major, minor) of the contract that it was written for; None where its module could not be imported.
        seconds: how long its import took.

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
    """Everything that the installed plugins contribute. `load_plugins` makes one.

    Attributes:
        manager: pluggy's manager, with the loaded plugins.
        infos: facts about every plugin, loaded or not.

    """

    manager: pluggy.PluginManager
    infos: tuple[PluginInfo, ...]
    _owners: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def adapters(self) -> dict[str, AdapterPlugin]:
        """The architectures by name. Raises `PluginError` if a name is claimed twice."""
        return self._index("adapter", "zoo_adapters", AdapterPlugin)

    @cached_property
    def analyzers(self) -> dict[str, AnalyzerPlugin]:
        """The analyzers by name. Raises `PluginError` if a name is claimed twice."""
        return self._index("analyzer", "zoo_analyzers", AnalyzerPlugin)

    @cached_property
    def scorers(self) -> dict[str, ScorerPlugin]:
        """The scorers by name. Raises `PluginError` if a name is claimed twice."""
        return self._index("scorer", "zoo_scorers", ScorerPlugin)

    @cached_property
    def registries(self) -> tuple[tuple[str, Path], ...]:
        """The registry files of plugins, as (distribution and version, path)."""
        results = self._call("zoo_registries", (str, Path))
        return tuple((owner, Path(path)) for owner, paths in results for path in paths)

    def adapter(self, name: str) -> AdapterPlugin:
        """Look up an architecture.

        Args:
            name: its name.

        Returns:
            Its entry.

        Raises:
            UnknownNameError: there is none of that name.

        """
        return _look_up("adapter", name, self.adapters)

    def analyzer(self, name: str) -> AnalyzerPlugin:
        """Look up an analyzer.

        Args:
            name: its name.

        Returns:
            Its entry.

        Raises:
            UnknownNameError: there is none of that name.

        """
        return _look_up("analyzer", name, self.analyzers)

    def scorer(self, name: str) -> ScorerPlugin:
        """Look up a scorer.

        Args:
            name: its name.

        Returns:
            Its entry.

        Raises:
            UnknownNameError: there is none of that name.

        """
        return _look_up("scorer", name, self.scorers)

    def provider(self, hook: str, name: str) -> str:
        """Find the distribution that an entry comes from.

        Args:
            hook: the hook that returns the entry, one of `HOOKS`.
            name: the name of the entry.

        Returns:
            The distribution and its version, or "nobody".

        """
        owners = [owner for owner, entries in self._call(hook, object) for entry in entries if entry.name == name]
        return owners[0] if owners else "nobody"

    def add_commands(self, app: typer.Typer, built_in: Iterable[str]) -> None:
        """Add the commands of plugins to the command line. A plugin whose hook fails is skipped with a warning.

        Args:
            app: the command line.
            built_in: the names of zoo's own commands.

        Raises:
            PluginError: a command's name is claimed twice.

        """
        commands = app.registered_commands
        claims = [("zoo itself", _Command(name)) for name in built_in]
        for implementation in self.manager.hook.zoo_commands.get_hookimpls():
            owner = self._owner(implementation.plugin_name)
            count = len(commands)
            try:
                with redirect_stdout(sys.stderr):
                    implementation.function(app=app)
            except Exception as error:
                del commands[count:]  # those that it added before it failed
                warn_skipped(f"zoo_commands of {owner} was skipped: {describe_error(error)}", error)
            claims += [(owner, _Command(_command_name(command))) for command in commands[count:]]
        index_by_name("command", claims)

    def _owner(self, module: str) -> str:
        """Return the distribution, with its version, that a plugin module comes from."""
        return self._owners.get(module, module)

    def _index(self, kind: str, hook: str, entry_type: type[Entry]) -> dict[str, Entry]:
        claims = [(owner, entry) for owner, entries in self._call(hook, entry_type) for entry in entries]
        return index_by_name(kind, claims)

    def _call(self, hook: str, types: type | tuple[type, ...]) -> list[tuple[str, list[Any]]]:
        """Call a hook of each plugin, in the order of registration; return each owner with its results.

        pluggy would call all of them at once, but then results would have no owners, and one failure would end the
        call. Here a plugin whose hook fails, or returns other types, is skipped with a warning.
        """
        results = []
        for implementation in getattr(self.manager.hook, hook).get_hookimpls():
            owner = self._owner(implementation.plugin_name)
            try:
                with redirect_stdout(sys.stderr):  # what a plugin prints must not end up in the output of --json
                    items = list(implementation.function())
                unexpected = [item for item in items if not isinstance(item, types)]
                if unexpected:
                    raise TypeError(f"it returned {unexpected[0]!r}")
                results.append((owner, items))
            except Exception as error:
                warn_skipped(f"{hook} of {owner} was skipped: {describe_error(error)}", error)
        return results


def index_by_name(kind: str, claims: Iterable[tuple[str, Entry]]) -> dict[str, Entry]:
    """Index entries by name, and refuse names that are claimed twice.

    Args:
        kind: what the entries are, for the message.
        claims: each entry, after the distribution that it comes from.

    Returns:
        The entries by name.

    Raises:
        PluginError: two entries have the same name; the message names both owners.

    """
    entries: dict[str, Entry] = {}
    owners: dict[str, str] = {}
    for owner, entry in claims:
        if entry.name in entries:
            raise PluginError(
                f"the {kind} name {entry.name!r} is claimed by both {owners[entry.name]} and {owner}: "
                "uninstall or rename one"
            )
        entries[entry.name] = entry
        owners[entry.name] = owner
    return entries


@dataclass(frozen=True)
class _Command:
    name: str


def _command_name(command: CommandInfo) -> str:
    """Return the name that typer will give a command: its own, or one made of its function's."""
    return command.name or (command.callback.__name__.replace("_", "-") if command.callback else "")


def _look_up(kind: str, name: str, entries: dict[str, Entry]) -> Entry:
    if name not in entries:
        raise unknown_name(kind, name, entries)
    return entries[name]
