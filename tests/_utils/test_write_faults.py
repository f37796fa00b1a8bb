"""What is written through `zoo._utils.files` is whole or absent, whichever write fails, and however it fails."""

from __future__ import annotations

import errno
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.support.hostile import Refusal
from zoo._utils.files import atomic_file, atomic_folder, new_file
from zoo._utils.writing.claims import Replaceable
from zoo.errors import OutputError

FAULTS: dict[str, tuple[int | type[BaseException], type[BaseException]]] = {
    "read-only": (errno.EROFS, OutputError),
    "full": (errno.ENOSPC, OutputError),
    "quota": (errno.EDQUOT, OutputError),
    "Ctrl-C": (KeyboardInterrupt, KeyboardInterrupt),
}
ANYTHING = Replaceable(lambda _path, _shown: None, shutil.rmtree)
NEW = {"report.html": b"a new page", "sheet.png": b"a new picture" * 1000}


def write_file(path: Path) -> None:
    with atomic_file(path) as partial, partial.open("wb") as file:
        file.write(NEW["report.html"])


def write_file_slowly(path: Path) -> None:
    """As a download does: open it twice."""
    with atomic_file(path) as partial:
        partial.write_bytes(NEW["report.html"][:3])
        with partial.open("ab") as file:
            file.write(NEW["report.html"][3:])


def write_new_file(path: Path) -> None:
    with new_file(path, force=True, replaceable=Replaceable(lambda _path, _shown: None, Path.unlink)) as partial:
        partial.write_bytes(NEW["report.html"])


def write_folder(path: Path) -> None:
    with atomic_folder(path, force=True, replaceable=ANYTHING) as work:
        for name, content in NEW.items():
            (work / name).write_bytes(content)


def write_deep_folder(path: Path) -> None:
    with atomic_folder(path, force=True, replaceable=ANYTHING) as work:
        (work / "parts").mkdir()
        for name, content in NEW.items():
            (work / "parts" / name).write_bytes(content)


def contents(folder: Path) -> dict[str, bytes | None]:
    """Everything below a folder: the content of each file, and None for each folder."""
    paths = sorted(folder.rglob("*"))
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in paths}


def take_away(path: Path, written: Mapping[str, bytes | None]) -> None:
    """Delete a complete result."""
    if path.is_file():
        assert path.read_bytes() == written["report.html"]
        path.unlink()
    else:
        assert contents(path) == written
        shutil.rmtree(path)


def furnish(folder: Path, earlier: str) -> Path:
    """Make what there is before the write, and return where to write to."""
    folder.mkdir()
    (folder / "neighbour.txt").write_text("precious")
    if earlier == "a file":
        (folder / "target").write_bytes(b"an earlier page")
    elif earlier == "a folder":
        (folder / "target").mkdir()
        (folder / "target" / "sheet.png").write_bytes(b"an earlier picture")
    return folder / "new" / "folders" / "target" if earlier == "no parents" else folder / "target"


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize(
    ("write", "earlier"),
    [
        (write, earlier)
        for write in (write_file, write_file_slowly, write_new_file, write_folder, write_deep_folder)
        for earlier in (
            "nothing",
            "no parents",
            "a file" if write in {write_file, write_file_slowly, write_new_file} else "a folder",
        )
    ],
)
def test_a_fault_at_every_operation(write: Callable[[Path], None], earlier: str, fault: str, tmp_path: Path) -> None:
    """After a fault all is as it was before; without one, only what was written is there, and nothing beside it.

    What is complete but was refused its name has one beside it.
    """
    error, raised = FAULTS[fault]
    whole = furnish(tmp_path / "whole", earlier)
    operations = attempt(Refusal(tmp_path, error), sys.maxsize, write, whole)
    written = contents(whole) if whole.is_dir() else {"report.html": whole.read_bytes()}
    assert {Path(name).name: content for name, content in written.items() if content is not None} == {
        name: NEW[name] for name in (NEW if whole.is_dir() else ["report.html"])
    }
    assert {path.name for path in whole.parent.iterdir()} <= {"target", "neighbour.txt"}
    assert operations >= 4  # a folder to work in, the file, its flush, and its name
    for number in range(1, operations + 1):
        path = furnish(tmp_path / str(number), earlier)
        before = contents(tmp_path / str(number))
        with pytest.raises(raised) as refused:
            attempt(Refusal(tmp_path, error), number, write, path)
        beside = path.with_name("target-2")
        if beside.exists():  # then its new parents are there too
            assert str(beside) in str(refused.value)
            take_away(beside, written)
            if earlier == "no parents":
                os.removedirs(beside.parent)
        assert contents(tmp_path / str(number)) == before, f"operation {number} of {operations}"


def attempt(refusal: Refusal, number: int, write: Callable[[Path], None], path: Path) -> int:
    """Write while the operation with a given number fails; return how many operations there were."""
    with pytest.MonkeyPatch.context() as patch:
        refusal.install(patch)
        refusal.start(number)
        write(path)
    return len(refusal.done)


@pytest.mark.parametrize("write", [write_file, write_folder])
def test_a_failed_write_closes_what_it_opened(write: Callable[[Path], None], tmp_path: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    for number in range(1, attempt(Refusal(tmp_path, errno.EROFS), sys.maxsize, write, tmp_path / "whole") + 1):
        with pytest.raises(OutputError):
            attempt(Refusal(tmp_path, errno.EROFS), number, write, tmp_path / str(number))
    assert len(list(Path("/proc/self/fd").iterdir())) == before
