"""Names that two plugins give."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.plugins import ADAPTER, MODEL, Zoo, refused, require_warning, write_plugin


@pytest.mark.parametrize(
    "command",
    [
        ("list", "--adapters"),
        ("list", "--matrix"),
        ("info", "adapter:dcgan"),
        ("info", "dcgan"),
        ("analyze", "dcgan", "--out", "run"),
    ],
    ids=" ".join,
)
def test_an_adapter_name_that_is_taken(run_zoo: Zoo, tmp_path: Path, command: tuple[str, ...]) -> None:
    code = f"{ADAPTER}\n@hookimpl\ndef zoo_adapters():\n    return [entry('dcgan')]\n"
    done = run_zoo(*command, site=(write_plugin(tmp_path / "site", "a-greedy-plugin", code),))
    refused(done, "'dcgan'", "zoo itself", "a-greedy-plugin 1.2")
    assert not (tmp_path / "run").exists()


def test_an_analyzer_name_that_is_taken(run_zoo: Zoo, tmp_path: Path) -> None:
    code = f"{ADAPTER}\n@hookimpl\ndef zoo_analyzers():\n    return [AnalyzerPlugin(name='sefa', summary='', "
    code += "load=load, requires=frozenset())]\n"
    done = run_zoo("list", "--analyzers", site=(write_plugin(tmp_path / "site", "a-greedy-plugin", code),))
    refused(done, "'sefa'", "zoo itself", "a-greedy-plugin 1.2")


@pytest.mark.parametrize("name", ["dcgan.digiface64", MODEL])
def test_a_model_name_that_is_taken(run_zoo: Zoo, installed: Path, tmp_path: Path, name: str) -> None:
    done = run_zoo("list", site=(installed, model_plugin(tmp_path / "site", name)))
    refused(done, repr(name), "a-greedy-plugin 1.2", "zoo itself" if "dcgan" in name else "zoo-sample-adapter 0.3.1")


def test_a_second_default_is_skipped_naming_both_models(run_zoo: Zoo, tmp_path: Path) -> None:
    done = run_zoo("list", site=(model_plugin(tmp_path / "site", "dcgan.mine", default=True),))
    require_warning(done, "a-greedy-plugin 1.2", "dcgan.mine", "dcgan.digiface64")
    assert "dcgan.mine" not in done.stdout


def test_a_command_name_that_is_taken(run_zoo: Zoo, tmp_path: Path) -> None:
    """A plugin cannot replace one of zoo's commands."""
    code = "from zoo import hookimpl\n@hookimpl\ndef zoo_commands(app):\n    @app.command('list')\n"
    code += "    def other() -> None:\n        print('taken over')\n"
    done = run_zoo("list", site=(write_plugin(tmp_path / "site", "a-greedy-plugin", code),))
    refused(done, "'list'", "zoo itself", "a-greedy-plugin 1.2")


def test_the_plugins_can_be_listed_while_a_name_is_taken_twice(run_zoo: Zoo, tmp_path: Path) -> None:
    """`zoo plugins` must work, as it shows what to uninstall."""
    code = f"{ADAPTER}\n@hookimpl\ndef zoo_adapters():\n    return [entry('dcgan')]\n"
    done = run_zoo("plugins", site=(write_plugin(tmp_path / "site", "a-greedy-plugin", code),))
    assert done.returncode == 0
    assert "a-greedy-plugin" in done.stdout


def test_a_registry_file_of_a_plugin_that_is_wrong(run_zoo: Zoo, installed: Path, tmp_path: Path) -> None:
    """There is one warning that names the owner of the file, and other models are listed."""
    site = model_plugin(tmp_path / "site", "no point")
    done = run_zoo("list", site=(installed, site))
    require_warning(done, "a-greedy-plugin 1.2", "no point")
    assert done.stdout == run_zoo("list", site=(installed,)).stdout


def model_plugin(site: Path, name: str, *, default: bool = False) -> Path:
    """Write a plugin that ships one card, of the architecture dcgan."""
    code = "from pathlib import Path\nfrom zoo import hookimpl\n@hookimpl\ndef zoo_registries():\n"
    code += "    return [Path(__file__).with_name('cards.yaml')]\n"
    write_plugin(site, "a-greedy-plugin", code)
    card = {
        "name": name,
        "adapter": "dcgan",
        "default": default,
        "summary": "somebody else's",
        "resolution": 64,
        "space": "z",
        "dim": 100,
        "weights": {"sources": [{"url": "weights.pt"}]},
        "licence": {"weights": "MIT"},
    }
    (site / "cards.yaml").write_text(json.dumps({"models": [card]}))
    return site
