"""Which plugins are loaded: by their contract and by the environment."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import zoo
from tests.support.plugins import ADAPTER, Zoo, require_warning, write_plugin
from zoo.plugins import load_plugins

PLAIN = "from zoo import hookimpl\n"


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        ("2", ("contract 2.0", "upgrade latent-zoo")),
        ("(1, 99)", ("contract 1.99", "upgrade latent-zoo")),
        ("0", ("contract 0.0", "upgrade a-dated-plugin")),
        ("'1'", ("zoo_contract = '1' is neither a number nor (major, minor)",)),
        ("True", ("zoo_contract = True is neither",)),
    ],
)
def test_a_plugin_for_another_contract(run_zoo: Zoo, tmp_path: Path, declared: str, words: tuple[str, ...]) -> None:
    """It is skipped with one warning that says what to upgrade, and `zoo plugins` shows the reason, too."""
    code = f"{ADAPTER}\nzoo_contract = {declared}\n@hookimpl\ndef zoo_adapters():\n    return [entry('dated')]\n"
    done = run_zoo("plugins", site=(write_plugin(tmp_path / "site", "a-dated-plugin", code),))
    require_warning(done, "a-dated-plugin 1.2 was skipped", *words)
    [line] = [line for line in done.stdout.splitlines() if "a-dated-plugin" in line]
    assert all(word in line for word in words)


@pytest.mark.parametrize("declared", ["", "zoo_contract = 1\n", "zoo_contract = (1, 0)\n"])
def test_a_plugin_for_this_contract(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, declared: str) -> None:
    monkeypatch.syspath_prepend(write_plugin(tmp_path, f"a-plugin-{len(declared)}", PLAIN + declared))
    [found] = [info for info in load_plugins().infos if info.distribution.startswith("a-plugin-")]
    assert (found.contract, found.error) == ((1, 0), None)


@pytest.mark.parametrize(
    ("chosen", "loaded"),
    [
        (None, {"one-plugin", "other-plugin"}),
        ("", set()),
        ("one-plugin", {"one-plugin"}),
        ("One_Plugin, other.plugin", {"one-plugin", "other-plugin"}),
        ("one_plugin", {"one-plugin"}),
        ("-one-plugin", {"other-plugin"}),
        ("-one-plugin,-other-plugin", set()),
    ],
)
def test_the_environment_selects_plugins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chosen: str | None, loaded: set[str]
) -> None:
    for name in ("one-plugin", "other-plugin"):
        write_plugin(tmp_path, name, PLAIN)
    monkeypatch.syspath_prepend(tmp_path)
    if chosen is not None:
        monkeypatch.setenv("ZOO_PLUGINS", chosen)
    infos = {info.distribution: info for info in load_plugins().infos}
    assert "latent-zoo" in infos
    for name in ("one-plugin", "other-plugin"):
        assert infos[name].error == (None if name in loaded else "left out by ZOO_PLUGINS")
    for name in [name for name in sys.modules if name in {"one_plugin", "other_plugin"}]:
        del sys.modules[name]


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        ("one-plugim", "no installed plugin is called 'one-plugim': did you mean one-plugin"),
        ("-one-plugim", "did you mean one-plugin"),
        ("one-plugin,-one-plugin", "not both"),
    ],
)
def test_a_selection_that_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chosen: str, words: str) -> None:
    monkeypatch.syspath_prepend(write_plugin(tmp_path, "one-plugin", PLAIN))
    monkeypatch.setenv("ZOO_PLUGINS", chosen)
    with pytest.raises(zoo.PluginError, match=words):
        load_plugins()
