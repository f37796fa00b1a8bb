"""Plugins that fail, in every way that Python has."""

from __future__ import annotations

import importlib
import json
import random
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stderr, suppress
from dataclasses import asdict
from io import StringIO
from pathlib import Path
from types import ModuleType
from typing import Any

import zoo
from tests.attack.attack import READ, Attack, Fuzzed
from tests.attack.child import is_one_line, is_plain
from tests.attack.mutations import mutated_text, mutated_value
from tests.support.hostile_plugins import CALLED, IMPORTED, write_plugin
from zoo.cli import listings
from zoo.cli.words import in_words
from zoo.errors import PluginError, UnknownNameError
from zoo.plugins import hookimpl
from zoo.registry.registry import Installation, load_installation

_MODULE = "evil_plugin"


def _writer(code: str) -> Callable[[Path], object]:
    return lambda folder: write_plugin(folder / "site", _MODULE, code)


def _runner(command: str) -> Callable[[Path], object]:
    """Run a command, and ``zoo plugins``, beside the plugin: each goes on after at most one warning that names it."""

    def run_beside(folder: Path) -> None:
        from zoo.cli import run

        sys.path.insert(0, str(folder / "site"))
        importlib.invalidate_caches()
        for words in (command.split(), ["plugins"]):
            sys.modules.pop(_MODULE, None)
            printed = StringIO()
            with redirect_stderr(printed):
                code = run(words)
            lines = printed.getvalue().splitlines()
            assert code == 0, f"{words}: exit code {code}, {lines}"
            assert len(lines) == 1 or (not lines and words != command.split()), f"{words}: {lines}"
            assert all(line.startswith("zoo: warning: ") and "evil-plugin 1.2" in line for line in lines), lines

    return run_beside


ATTACKS = [
    *(
        Attack("plugins", name, _writer(code), _runner("plugins"), kind="fails on import", may=(READ,))
        for name, code in IMPORTED.items()
    ),
    *(
        Attack("plugins", name, _writer(code), _runner(command), kind="fails in a hook", may=(READ,))
        for name, (code, command) in CALLED.items()
    ),
]

# --- metadata and results of hooks that are damaged at random --------------------------------------------------------

_BETWEEN = b"\n=====\n"
_METADATA = b"Metadata-Version: 2.1\nName: evil-plugin\nVersion: 1.2\n"
_POINTS = b"[zoo]\nevil_plugin = evil_plugin\n"
# The fields of honest entries, by the hook that returns them.
_ENTRIES: dict[str, dict[str, Any]] = {
    "zoo_adapters": {
        **{"name": "evil", "summary": "s", "load": "builtins:print", "provides": ["region"], "layers": None},
        **{"spaces": {"w": ["region", "labels"]}, "options": "zoo.core.options:Options"},
    },
    "zoo_analyzers": {
        **{"name": "evil", "summary": "s", "load": "builtins:print", "requires": ["region"], "local": True},
        **{"options": None},
    },
    "zoo_scorers": {"name": "evil", "summary": "s", "load": "builtins:print", "attributes": ["a", "b=1", "b=2"]},
    "zoo_projectors": {"name": "evil", "summary": "s", "load": "builtins:print", "options": None},
}
_KINDS: dict[str, Any] = {
    "zoo_adapters": zoo.AdapterPlugin,
    "zoo_analyzers": zoo.AnalyzerPlugin,
    "zoo_scorers": zoo.ScorerPlugin,
    "zoo_projectors": zoo.ProjectorPlugin,
}
_LISTED = (listings.adapters, listings.analyzers, listings.scorers, listings.projectors, listings.matrix)


def _set(value: Any) -> Any:
    return frozenset(value) if isinstance(value, list) else value


def _sets(value: Any) -> Any:
    return {name: _set(one) for name, one in value.items()} if isinstance(value, dict) else value


_NESTED: dict[str, Callable[[Any], Any]] = {"provides": _set, "requires": _set, "spaces": _sets}


def mutated_plugin(_: Sequence[bytes], chance: random.Random) -> bytes:
    """The files and the results of one plugin, of which one part is damaged."""
    results: dict[str, Any] = {hook: [fields] for hook, fields in _ENTRIES.items()}
    results |= {"zoo_registries": ["none.yaml"], "zoo_contract": [1, 0]}
    parts = [_METADATA, _POINTS, json.dumps(results).encode()]
    place = chance.choice([0, 1, 2, 2, 2, 2])
    if place < 2:
        parts[place] = mutated_text([parts[place]], chance)
    else:
        hook = chance.choice([*results])
        parts[place] = json.dumps({**results, hook: mutated_value(results[hook], chance)}).encode()
    return _BETWEEN.join(parts)


def _module(results: dict[str, Any]) -> ModuleType:
    """A module whose hooks return what a plugin of such results would; each list of fields is an entry."""
    module = ModuleType("evil_plugin")

    def hook(name: str, result: Any) -> Callable[[], Any]:
        def entry(fields: Any) -> Any:
            return _KINDS[name](**{key: _NESTED.get(key, lambda given: given)(one) for key, one in fields.items()})

        entries = name in _KINDS and isinstance(result, list)
        return lambda: [entry(one) if isinstance(one, dict) else one for one in result] if entries else result

    for name, result in results.items():
        if name.startswith("zoo_") and name != "zoo_contract":
            function = hook(name, result)
            function.__name__ = name
            setattr(module, name, hookimpl(function))
    contract = results.get("zoo_contract")
    module.zoo_contract = tuple(contract) if isinstance(contract, list) else contract  # type: ignore[attr-defined]
    return module


def _facts(installation: Installation) -> Iterator[dict[str, Any]]:
    """Everything that is said of the plugins and their entries; a name that is claimed twice is refused."""
    plugins = installation.plugins
    yield from (asdict(info) for info in plugins.infos)
    for listed in _LISTED:
        with suppress(PluginError):
            yield from listed(installation)
    for kind in ("adapter", "analyzer", "scorer"):
        with suppress(PluginError, UnknownNameError):
            facts = listings.describe(installation, f"{kind}:evil")
            assert all(is_plain(f"{name} {value}") for name, value in in_words(facts).items()), "control signs"
            yield facts
    assert installation.registry.cards


def use_plugin(path: Path) -> None:
    """Load a plugin, and ask for everything that it adds, as `zoo plugins`, `zoo list` and `zoo info` do."""
    metadata, points, results = [*path.read_bytes().split(_BETWEEN), b"", b"", b"{}"][:3]
    site = path.parent.parent / "site"
    folder = site / "evil_plugin-1.2.dist-info"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "METADATA").write_bytes(metadata)
    (folder / "entry_points.txt").write_bytes(points)
    if str(site) not in sys.path:
        sys.path.insert(0, str(site))
    importlib.invalidate_caches()
    sys.modules["evil_plugin"] = _module(json.loads(results))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        shown = [json.dumps(facts) for facts in _facts(load_installation())]
    assert len(shown) > len(_ENTRIES), "nothing is listed"
    lines = [str(one.message) for one in caught]
    assert all(is_one_line(line) for line in lines), lines


FUZZED = [
    Fuzzed("plugins", "damaged metadata and results", lambda: [], use_plugin, mutate=mutated_plugin, share=0.5),
]
