"""A plugin that fails, in whatever way, costs one warning that names its distribution; the command goes on."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from tests.support.hostile_plugins import CALLED, IMPORTED, entry, write_plugin
from tests.support.marks import mostly_long
from zoo.cli import run
from zoo.plugins.containment import contained


def run_with(
    code: str, command: str, site: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[int, str, list[str]]:
    """Run a command with a plugin; return the exit code, standard output, and the lines of standard error."""
    write_plugin(site, "evil_plugin", code)
    monkeypatch.delitem(sys.modules, "evil_plugin", raising=False)
    with monkeypatch.context() as patch:
        patch.syspath_prepend(site)
        exit_code = run(command.split())
    printed = capsys.readouterr()
    return exit_code, printed.out, printed.err.splitlines()


@pytest.mark.parametrize(
    ("code", "command"),
    [*((code, "plugins") for code in IMPORTED.values()), *CALLED.values()],
    ids=[*IMPORTED, *CALLED],
)
def test_one_warning_and_the_command_goes_on(
    code: str, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    exit_code, out, lines = run_with(code, command, tmp_path / "site", monkeypatch, capsys)
    assert exit_code == 0, lines
    [line] = lines
    assert line.startswith("zoo: warning: ")
    assert "evil-plugin 1.2" in line
    assert "dcgan" in out
    assert "\x1b" not in line + out


@pytest.mark.parametrize("name", mostly_long(CALLED, list(CALLED)[::3]))
def test_zoo_plugins_always_works(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    exit_code, out, _ = run_with(CALLED[name][0], "plugins", tmp_path / "site", monkeypatch, capsys)
    assert exit_code == 0
    assert "evil-plugin" in out


@pytest.mark.parametrize("leaves", ["SystemExit(0)", "KeyboardInterrupt", "GeneratorExit"])
def test_a_class_that_cannot_be_imported_is_an_error_where_it_is_needed(
    leaves: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code = f"def load():\n    raise {leaves}\n{entry(options='load')}"
    exit_code, _, lines = run_with(code, "info adapter:evil", tmp_path / "site", monkeypatch, capsys)
    assert exit_code == 2
    assert len(lines) == 1
    assert "cannot be loaded" in lines[0]


def test_a_list_of_entry_points_that_is_no_text_costs_one_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    site = tmp_path / "site"
    write_plugin(site, "evil_plugin", "")
    (site / "evil_plugin-1.2.dist-info" / "entry_points.txt").write_bytes(b"[zoo]\nx = \xff\xfe\n")
    monkeypatch.syspath_prepend(site)
    assert run(["plugins"]) == 0
    printed = capsys.readouterr()
    [line] = printed.err.splitlines()
    assert "evil_plugin-1.2.dist-info were skipped" in line


def test_ctrl_c_while_a_plugin_is_imported_is_the_users() -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore the signal
    try:
        with pytest.raises(KeyboardInterrupt), contained():
            os.kill(os.getpid(), signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
