"""Files that are whole or absent: everything that zoo writes goes through here."""

import errno
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from zoo.errors import OutputError

RUN_FILES = frozenset(
    {
        "directions.safetensors",
        "directions.npy",
        "codes.safetensors",
        *(f"{stem}.png" for stem in ("sheet", "comparison")),
        *(f"{stem}-{page}.png" for stem in ("sheet", "comparison") for page in range(2, 100)),
        "report.html",
        "edit.gif",
        "edit.mp4",
        "samples.png",
        "comparison.json",
    }
)
"""Every name that zoo writes into a run folder: ``--force`` replaces a folder only if it holds nothing else."""

_CAUSES = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.ENOTDIR: "a part of the path is a file, not a folder",
    errno.EEXIST: "a part of the path is a file, not a folder",
    errno.EISDIR: "it is a folder",
    errno.ENAMETOOLONG: "the name is too long",
}


def output_error(path: Path, error: OSError) -> OutputError:
    """Turn an operating system's error at a write into one line: where, why, what to do."""
    cause = _CAUSES.get(error.errno or 0, error.strerror or str(error))
    return OutputError(f"cannot write {path}: {cause}; nothing was left there, mend that or choose another place")


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a path beside `path` to write to; on success it replaces `path` in one step, on failure it is removed.

    Raises `OutputError` where the operating system refuses.
    """
    partial = _beside(path, "partial")
    with parents_of(path):
        try:
            yield partial
            _flush(partial)
            partial.replace(path)
        except OSError as error:
            raise output_error(path, error) from error
        finally:
            partial.unlink(missing_ok=True)


@contextmanager
def whole_folder(folder: Path, *, force: bool = False) -> Iterator[Path]:
    """Yield an empty folder beside `folder` to fill; on success it takes that name, on failure it vanishes.

    An existing `folder` is refused unless `force`, and is then replaced only once the new one is complete.
    Raises `OutputError`.
    """
    refuse_existing(folder, force=force)
    partial = _beside(folder, "partial")
    with parents_of(folder):
        try:
            partial.mkdir()
            yield partial
            for file in partial.iterdir():
                _flush(file)
            _take_name(partial, folder)
        except OSError as error:
            raise output_error(folder, error) from error
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def refuse_existing(folder: Path, *, force: bool) -> None:
    """Raise `OutputError` if `folder` exists and may not be replaced.

    Even `force` replaces only a folder whose every entry bears a name that zoo writes.
    """
    if not os.path.lexists(folder):
        return
    try:
        wanted = folder.is_dir() and not folder.is_symlink()
        entries = sorted(entry.name for entry in folder.iterdir()) if wanted else None
    except OSError as error:
        raise output_error(folder, error) from error
    if not force:
        raise OutputError(f"{folder} exists: pass --force to replace it, or another --out")
    if entries is None:
        raise OutputError(f"{folder} is not a folder: --force replaces only folders, pass another --out")
    strange = [name for name in entries if name not in RUN_FILES]
    if strange:
        raise OutputError(
            f"{folder} holds {strange[0]!r}, which zoo did not write: --force will not delete it, pass another --out"
        )


@contextmanager
def parents_of(path: Path) -> Iterator[None]:
    """Create the folders above `path`; on failure, those that were new and are empty are removed.

    Raises `OutputError` where the operating system refuses to create them.
    """
    missing: list[Path] = []
    try:
        try:
            missing += [parent for parent in path.parents if not parent.exists()]
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise output_error(path, error) from error
        yield
    except BaseException:
        _remove_empty(missing)
        raise


def is_kind(path: Path, question: Callable[[Path], bool]) -> bool:
    """Ask `Path.is_file` or `Path.is_dir`; no for a name that the system cannot even look up."""
    try:
        return question(path)
    except OSError:
        return False


def _beside(path: Path, ending: str) -> Path:
    return path.parent / f".{path.name[:80]}.{secrets.token_hex(4)}.{ending}"


def _remove_empty(folders: list[Path]) -> None:
    for folder in folders:
        try:
            folder.rmdir()
        except FileNotFoundError:
            continue
        except OSError:
            return


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDWR)  # Windows flushes only what is open for writing
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _take_name(partial: Path, folder: Path) -> None:
    """Rename `partial` to `folder`, putting an older folder of that name aside until it is done."""
    if not folder.exists():
        partial.rename(folder)
        return
    old = _beside(folder, "old")
    try:
        folder.rename(old)
        partial.rename(folder)
    except BaseException:  # Ctrl-C too
        if old.exists() and not folder.exists():
            old.rename(folder)
        raise
    shutil.rmtree(old, ignore_errors=True)
