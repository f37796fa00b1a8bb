"""The folder of cached Jacobians as a whole: its size, its limit, and what is deleted first."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from zoo import OptionError
from zoo.jacobian.cache_folder import DEFAULT_LIMIT, cache_usage, clear_cache, evict, jacobian_limit

SIZE = 1000


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of three entries, `b` used most recently, and the work folder of a running process."""
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path))
    for age, name in enumerate(["a", "c", "b", ".work.partial"]):
        entry = tmp_path / "jacobians" / name
        entry.mkdir(parents=True)
        (entry / "columns").write_bytes(b"\0" * SIZE)
        os.utime(entry, (age, age))
    return tmp_path / "jacobians"


def test_usage_counts_codes_and_all_bytes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_JACOBIANS", "2kB")
    usage = cache_usage()
    assert (usage.folder, usage.codes, usage.size, usage.limit) == (folder, 3, 4 * SIZE, 2000)


@pytest.mark.parametrize(("limit", "left"), [(3 * SIZE, "abc"), (3 * SIZE - 1, "bc"), (SIZE, "b"), (0, "")])
def test_the_least_recently_used_go_first(folder: Path, limit: int, left: str) -> None:
    evict(folder, limit)
    assert sorted(path.name for path in folder.iterdir()) == [".work.partial", *left]


def test_clearing_deletes_everything_and_says_what(folder: Path) -> None:
    assert clear_cache() == [folder]
    assert not folder.exists()
    assert clear_cache() == []


def test_limits_as_people_write_them(monkeypatch: pytest.MonkeyPatch) -> None:
    for text, wanted in {
        "": DEFAULT_LIMIT,
        " ": DEFAULT_LIMIT,
        "0": 0,
        "0 GB": 0,
        "0MiB": 0,
        "20GB": 20 * 10**9,
    }.items():
        monkeypatch.setenv("ZOO_JACOBIANS", text)
        assert jacobian_limit() == wanted
    monkeypatch.setenv("ZOO_JACOBIANS", "lots")
    with pytest.raises(OptionError, match=r"^ZOO_JACOBIANS lots"):
        jacobian_limit()


def test_the_command_that_lists_the_cache_imports_no_torch(folder: Path) -> None:
    script = "import sys; from zoo.cli import run; assert run(['cache']) == 0; assert 'torch' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Jacobians of 3 codes take" in done.stdout
