"""A plugin that is broken costs one warning, and is an error where plugins are strict."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.marks import mostly_long
from tests.support.plugins import ADAPTER, MODEL, Zoo, require_warning, write_plugin

RAISES = {
    "exception": "raise RuntimeError('out of order')",
    "lines": "raise ValueError('out\\nof order')",
    "import": "import no_such_module_out_of_order",
    "syntax": "this is out of order",
    "exit": "raise SystemExit('out of order')",
    "attribute": "from zoo import out_of_order",
}


@pytest.mark.parametrize("code", mostly_long(RAISES.values(), (RAISES["exception"], RAISES["syntax"])), ids=RAISES)
def test_a_plugin_that_cannot_be_imported(run_zoo: Zoo, installed: Path, tmp_path: Path, code: str) -> None:
    """There is one warning with the distribution and the error, and other plugins work."""
    broken = write_plugin(tmp_path / "site", "a-broken-plugin", code)
    done = run_zoo("list", site=(installed, broken))
    require_warning(done, "warning", "a-broken-plugin 1.2", "order" if "this is" not in code else "SyntaxError")
    assert MODEL in done.stdout
    assert "dcgan" in done.stdout


def test_a_plugin_whose_module_is_missing(run_zoo: Zoo, tmp_path: Path) -> None:
    require_warning(
        run_zoo("list", site=(write_plugin(tmp_path / "site", "gone", None),)), "gone 1.2", "ModuleNotFound"
    )


def test_zoo_plugins_shows_the_broken_plugin(run_zoo: Zoo, tmp_path: Path) -> None:
    broken = write_plugin(tmp_path / "site", "a-broken-plugin", RAISES["exception"])
    done = run_zoo("plugins", site=(broken,))
    require_warning(done, "a-broken-plugin")
    [line] = [line for line in done.stdout.splitlines() if "a-broken-plugin" in line]
    assert "RuntimeError: out of order" in line


def test_an_analysis_runs_beside_a_broken_plugin(run_zoo: Zoo, installed: Path, tmp_path: Path) -> None:
    broken = write_plugin(tmp_path / "site", "a-broken-plugin", RAISES["exception"])
    done = run_zoo("analyze", "mosaic", "--layers", "1-2", "--out", "run", site=(installed, broken))
    assert done.returncode == 0, done.stderr
    assert len([line for line in done.stderr.splitlines() if "warning" in line]) == 1
    assert (tmp_path / "run" / "report.html").exists()


@pytest.mark.parametrize("code", mostly_long(RAISES.values(), (RAISES["exception"],)), ids=RAISES)
def test_strict_mode_makes_a_broken_plugin_an_error(run_zoo: Zoo, tmp_path: Path, code: str) -> None:
    broken = write_plugin(tmp_path / "site", "a-broken-plugin", code)
    done = run_zoo("list", site=(broken,), ZOO_STRICT_PLUGINS="1")
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    assert "a-broken-plugin 1.2" in done.stderr
    assert done.stdout == ""


def test_strict_mode_accepts_good_plugins(sample_zoo: Zoo) -> None:
    assert sample_zoo("list", ZOO_STRICT_PLUGINS="1").stderr == ""


HOOKS = {
    "zoo_adapters": ("", ("list", "--adapters")),
    "zoo_analyzers": ("", ("list", "--analyzers")),
    "zoo_registries": ("", ("list",)),
    "zoo_commands": ("app", ("list",)),
}


@pytest.mark.parametrize("hook", mostly_long(HOOKS, ("zoo_adapters", "zoo_commands")))
def test_a_hook_that_raises(run_zoo: Zoo, installed: Path, tmp_path: Path, hook: str) -> None:
    """Only that hook is skipped, with one warning; the plugin's other hooks and other plugins work."""
    parameters, command = HOOKS[hook]
    code = f"{ADAPTER}\n@hookimpl\ndef {hook}({parameters}):\n    raise LookupError('nothing here')\n"
    broken = write_plugin(tmp_path / "site", "a-raising-plugin", code)
    done = run_zoo(*command, site=(installed, broken))
    require_warning(done, hook, "a-raising-plugin 1.2", "LookupError: nothing here")
    assert done.stdout == run_zoo(*command, site=(installed,)).stdout
    strict = run_zoo(*command, site=(installed, broken), ZOO_STRICT_PLUGINS="1")
    assert strict.returncode == 2
    assert strict.stderr.count("\n") == 1


@pytest.mark.parametrize("result", mostly_long(["['mosaic']", "'mosaic'", "[None]", "5", "[entry]"], ("'mosaic'", "5")))
def test_a_hook_that_returns_something_else(run_zoo: Zoo, installed: Path, tmp_path: Path, result: str) -> None:
    code = f"{ADAPTER}\n@hookimpl\ndef zoo_adapters():\n    return {result}\n"
    broken = write_plugin(tmp_path / "site", "an-odd-plugin", code)
    done = run_zoo("list", "--adapters", site=(installed, broken))
    require_warning(done, "zoo_adapters", "an-odd-plugin 1.2")
    assert done.stdout == run_zoo("list", "--adapters", site=(installed,)).stdout


@pytest.mark.parametrize(
    "code",
    [
        "from zoo import hookimpl\n@hookimpl\ndef zoo_telescopes():\n    return []\n",
        "from zoo import hookimpl\n@hookimpl\ndef zoo_adapters(telescope):\n    return []\n",
    ],
    ids=["unknown hook", "unknown argument"],
)
def test_a_plugin_for_another_zoo(run_zoo: Zoo, installed: Path, tmp_path: Path, code: str) -> None:
    """A plugin with a hook that zoo does not know is skipped; plugins that are loaded after it are not."""
    broken = write_plugin(tmp_path / "site", "a-strange-plugin", code)
    done = run_zoo("list", site=(installed, broken))
    require_warning(done, "a-strange-plugin 1.2", "telescope")
    assert MODEL in done.stdout
    assert done.stdout == run_zoo("list", site=(installed,)).stdout


def test_nothing_of_a_skipped_plugin_is_used(run_zoo: Zoo, tmp_path: Path) -> None:
    code = f"{ADAPTER}\n@hookimpl\ndef zoo_telescopes():\n    return []\n"
    code += "@hookimpl\ndef zoo_adapters():\n    return [entry('half')]\n"
    done = run_zoo("list", "--adapters", site=(write_plugin(tmp_path / "site", "a-strange-plugin", code),))
    require_warning(done, "a-strange-plugin 1.2", "skipped")
    assert "half" not in done.stdout


def test_an_adapter_whose_class_cannot_be_loaded(run_zoo: Zoo, installed: Path, tmp_path: Path) -> None:
    """Weights files of other families are still detected, and the warning names the plugin as the cause."""
    code = f"{ADAPTER}\n@hookimpl\ndef zoo_adapters():\n    return [entry('absent')]\n"
    broken = write_plugin(tmp_path / "site", "an-empty-plugin", code)
    file = installed / "zoo_sample_adapter" / "pebbles32.safetensors"
    done = run_zoo("sample", file, "--samples", "2", "--out", "pictures", site=(installed, broken))
    assert done.returncode == 0, done.stderr
    [line] = [line for line in done.stderr.splitlines() if "warning" in line]
    assert "the network was forgotten" in line


def test_a_hook_without_its_decorator(run_zoo: Zoo, tmp_path: Path) -> None:
    """A function without `hookimpl` is not a hook, and `zoo plugins` does not list it as one."""
    code = f"{ADAPTER}\ndef zoo_adapters():\n    return [entry('unmarked')]\n"
    done = run_zoo("plugins", site=(write_plugin(tmp_path / "site", "an-unmarked-plugin", code),))
    [line] = [line for line in done.stdout.splitlines() if "an-unmarked-plugin" in line]
    assert "zoo_adapters" not in line
