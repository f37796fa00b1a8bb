"""What the installed plugins contribute: entries by kind and name, registry files, commands."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import pluggy

from zoo.errors import PluginError, unknown_name
from zoo.plugins.containment import contained
from zoo.plugins.entries import AdapterPlugin, AnalyzerPlugin, ProjectorPlugin, ScorerPlugin
from zoo.plugins.skipped import describe_error, warn_skipped

if TYPE_CHECKING:
    import typer
    from typer.models import CommandInfo

# What the hooks return lists of; the last one returns nothing.
_RETURNED: dict[str, type | tuple[type, ...]] = {
    "zoo_adapters": AdapterPlugin,
    "zoo_analyzers": AnalyzerPlugin,
    "zoo_scorers": ScorerPlugin,
    "zoo_projectors": ProjectorPlugin,
    "zoo_registries": (str, Path),
}
HOOKS = (*_RETURNED, "zoo_commands")


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
    _results: dict[str, list[tuple[str, list[Any]]]] = field(default_factory=dict)

    @cached_property
    def adapters(self) -> dict[str, AdapterPlugin]:
        """The architectures by name. Raises `PluginError` if a name is claimed twice."""
        return self._index("adapter", "zoo_adapters")

    @cached_property
    def analyzers(self) -> dict[str, AnalyzerPlugin]:
        """The analyzers by name. Raises `PluginError` if a name is claimed twice."""
        return self._index("analyzer", "zoo_analyzers")

    @cached_property
    def scorers(self) -> dict[str, ScorerPlugin]:
        """The scorers by name. Raises `PluginError` if a name is claimed twice."""
        return self._index("scorer", "zoo_scorers")

    @cached_property
    def projectors(self) -> dict[str, ProjectorPlugin]:
        """The projectors by name. Raises `PluginError` if a name is claimed twice."""
        return self._index("projector", "zoo_projectors")

    @cached_property
    def registries(self) -> tuple[tuple[str, Path], ...]:
        """The registry files of plugins, as (distribution and version, path)."""
        results = self._call("zoo_registries")
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

    def projector(self, name: str) -> ProjectorPlugin:
        """Look up a projector.

        Args:
            name: its name.

        Returns:
            Its entry.

        Raises:
            UnknownNameError: there is none of that name.

        """
        return _look_up("projector", name, self.projectors)

    def provider(self, hook: str, name: str) -> str:
        """Find the distribution that an entry comes from.

        Args:
            hook: the hook that returns the entry, one of `HOOKS`.
            name: the name of the entry.

        Returns:
            The distribution and its version, or "nobody".

        """
        owners = [owner for owner, entries in self._call(hook) for entry in entries if entry.name == name]
        return owners[0] if owners else "nobody"

    def add_commands(self, app: typer.Typer, built_in: Iterable[str]) -> None:
        """Add the commands of plugins to the command line.

        A plugin whose hook fails or changes the commands of others is skipped with a warning.

        Args:
            app: the command line.
            built_in: the names of zoo's own commands.

        Raises:
            PluginError: a command's name is claimed twice; the commands of the plugin that did so are left out.

        """
        claims = [("zoo itself", _Command(name)) for name in built_in]
        for implementation in self.manager.hook.zoo_commands.get_hookimpls():
            owner = self._owner(implementation.plugin_name)
            before = list(app.registered_commands)
            try:
                with contained():
                    implementation.function(app=app)
                added = _added_commands(before, app.registered_commands)
            except Exception as error:
                app.registered_commands[:] = before
                warn_skipped(f"zoo_commands of {owner} was skipped: {describe_error(error)}", error)
                continue
            claims += [(owner, _Command(name)) for name in added]
            try:
                index_by_name("command", claims)
            except PluginError:
                app.registered_commands[:] = before
                raise

    def _owner(self, module: str) -> str:
        """Return the distribution, with its version, that a plugin module comes from."""
        return self._owners.get(module, module)

    def _index(self, kind: str, hook: str) -> dict[str, Any]:
        return index_by_name(kind, [(owner, entry) for owner, entries in self._call(hook) for entry in entries])

    def _call(self, hook: str) -> list[tuple[str, list[Any]]]:
        """Call a hook of each plugin once, in the order of registration; return each owner with its results.

        pluggy would call all of them at once, but then results would have no owners, and one failure would end the
        call. Here a plugin whose hook fails, or returns other types, is skipped with a warning.
        """
        if hook not in self._results:
            self._results[hook] = list(self._call_each(hook))
        return self._results[hook]

    def _call_each(self, hook: str) -> Iterator[tuple[str, list[Any]]]:
        for implementation in getattr(self.manager.hook, hook).get_hookimpls():
            owner = self._owner(implementation.plugin_name)
            try:
                with contained():
                    items = list(implementation.function())
                    unexpected = [item for item in items if not isinstance(item, _RETURNED[hook])]
                    if unexpected:
                        raise TypeError(f"it returned {unexpected[0]!r}")
            except Exception as error:
                warn_skipped(f"{hook} of {owner} was skipped: {describe_error(error)}", error)
            else:
                yield owner, items


def _added_commands(before: list[CommandInfo], after: list[CommandInfo]) -> list[str]:
    """Return the names of the commands that a plugin has added; raise `PluginError` if it has changed the others."""
    if after[: len(before)] != before:
        raise PluginError("it removes or replaces commands of others")
    return [_command_name(command) for command in after[len(before) :]]


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
