"""The folder of cached Jacobians as a whole: its size, its limit, and what is deleted first."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from zoo import OptionError
from zoo.jacobian.cache import CacheEntry
from zoo.jacobian.cache_folder import (
    DEFAULT_LIMIT,
    cache_usage,
    clear_cache,
    damaged_files,
    delete_damaged,
    evict,
    jacobian_limit,
)

SIZE = 1000


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of three entries, `b` used most recently, and a folder of the user's own."""
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path))
    for age, name in enumerate(["a" * 40, "c" * 40, "b" * 40, "my figures"]):
        entry = tmp_path / "jacobians" / name
        entry.mkdir(parents=True)
        (entry / "columns-00000-00001.safetensors").write_bytes(b"\0" * SIZE)
        os.utime(entry, (age, age))
    return tmp_path / "jacobians"


def test_usage_counts_codes_and_all_bytes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_JACOBIANS", "2kB")
    usage = cache_usage()
    assert (usage.folder, usage.codes, usage.size, usage.limit) == (folder, 3, 3 * SIZE, 2000)


@pytest.mark.parametrize(("limit", "left"), [(3 * SIZE, "abc"), (3 * SIZE - 1, "bc"), (SIZE, "b"), (0, "")])
def test_the_least_recently_used_go_first(folder: Path, limit: int, left: str) -> None:
    evict(folder, limit)
    assert sorted(path.name for path in folder.iterdir()) == [*(name * 40 for name in left), "my figures"]


def test_clearing_deletes_what_zoo_wrote_and_says_so(folder: Path) -> None:
    (folder / ("a" * 40) / "notes.txt").write_text("precious")
    assert clear_cache() == [folder]
    assert sorted(path.name for path in folder.rglob("*.*")) == ["columns-00000-00001.safetensors", "notes.txt"]
    for path in sorted(folder.rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    assert clear_cache() == []


@pytest.mark.parametrize("damage", ["bit", "cut", "dtype", "no checksum"])
def test_a_damaged_file_is_not_used(damage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path))
    entry = CacheEntry(tmp_path / "jacobians" / ("e" * 40))
    entry.add_columns(0, torch.arange(12.0).view(3, 4), 3)
    entry.write("gram-0", {"matrix": torch.eye(3).double(), "chunk": torch.tensor(3)})
    assert damaged_files() == []
    assert entry.columns() and entry.read("gram-0", "matrix") is not None
    files = sorted(entry.folder.iterdir())
    for file in files:
        content = bytearray(file.read_bytes())
        if damage == "bit":
            content[-5] ^= 1
        elif damage == "cut":
            del content[-4:]
        elif damage == "dtype":
            content = content.replace(b"I64", b"F64")
        else:
            content = content.replace(b"checksum", b"checksun")
        file.write_bytes(content)
    assert not entry.columns() and entry.read("gram-0", "matrix") is None
    assert damaged_files() == files
    entry.add_columns(0, torch.arange(8.0).view(2, 4), 2)
    assert [part.end for part in entry.columns()] == [2]  # beside the damaged one of three columns
    assert delete_damaged() == files


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
