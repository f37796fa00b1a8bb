"""Claims on the name of a file or folder that is to be written: nothing is lost that has that name when it is ready.

A name is claimed from the start of a command to its end. What had the name at the start is replaced only where that was
asked for and zoo wrote it; what takes the name later stays. A result that cannot have its name then gets one beside it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

from zoo._utils.writing import workspaces
from zoo._utils.writing.system_calls import rename_new
from zoo._utils.writing.workspaces import Workspace, cause_of, parents_of, prefix_of, write_errors
from zoo.errors import OutputError

# Names beside the target that are tried for a result that cannot have it.
_MOST_NAMES = 1000

_held: ContextVar[tuple[Claim, ...]] = ContextVar("_held", default=())


class ClaimedError(OutputError):
    """Another process has claimed the name."""


class TakenError(OutputError):
    """Something has the name already, which was not to be replaced."""


@dataclass(frozen=True)
class Replaceable:
    """Which files or folders `force` may replace.

    Attributes:
        check: Called with the path to look at and the path to name; raises `OutputError` where zoo did not write it.
        delete: Deletes it; what else is in a folder stays.
    """

    check: Callable[[Path, Path], None]
    delete: Callable[[Path], None]


@dataclass(frozen=True, eq=False)
class Claim:
    """The right to give one name to a result.

    Attributes:
        target: The path.
        work: The workspace that is locked as long as the claim is held.
        found: What had the name at the start: the device and number of a file or folder; None if nothing had it.
        replaceable: How to recognise and delete what may be replaced.
    """

    target: Path
    work: Workspace
    found: tuple[int, int] | None
    replaceable: Replaceable | None

    def place(self) -> None:
        """Give the name to `Workspace.new`.

        Raises:
            OutputError: If the name is not to be had; the result is then beside it, and the message says where.
        """
        try:
            if self.found is not None:
                self._set_aside()
            rename_new(self.work.new, self.target)
        except FileExistsError:
            self._leave_beside("something of that name appeared while zoo was at work, and stays")
        except OSError as error:
            self._leave_beside(cause_of(error))
        except OutputError as error:
            self._leave_beside(str(error))
        self.settle()

    def settle(self) -> None:
        """Finish with what was set aside: delete it if its successor has the name, else give the name back.

        Raises:
            OutputError: If it cannot be deleted; it is then beside its successor, and the message says where.
        """
        old = self.work.old
        if not os.path.lexists(old):
            return
        if os.path.lexists(self.work.new):
            with suppress(OSError):
                rename_new(old, self.target)
        elif self.replaceable is not None:
            with suppress(OSError):
                self.replaceable.delete(old)
        if os.path.lexists(old):
            beside = _place_beside(old, self.target)
            raise OutputError(f"{self.target}: what had this name before could not be deleted and is in {beside}")

    def _set_aside(self) -> None:
        """Rename what had the name at the start, and look once more at what that is."""
        try:
            rename_new(self.target, self.work.old)
        except FileNotFoundError:  # somebody has moved it away meanwhile
            return
        if identity(self.work.old) != self.found:
            raise FileExistsError
        if self.replaceable is not None:
            self.replaceable.check(self.work.old, self.target)

    def _leave_beside(self, reason: str) -> None:
        self.settle()
        beside = _place_beside(self.work.new, self.target)
        if beside == self.work.new:
            self.work.disown()
        raise OutputError(
            f"cannot write {self.target}: {reason}; nothing there was replaced, and what zoo wrote is in {beside}"
        )


@contextmanager
def claim(path: Path, *, force: bool = False, replaceable: Replaceable | None = None) -> Iterator[Claim]:
    """Claim a name for as long as a command works on what will have it.

    In the body of the ``with`` statement, other claims of this thread on the same path are this one.

    Args:
        path: The file or folder to write; its parents are created.
        force: Replace what is there, as far as `replaceable` allows.
        replaceable: What may be replaced; None is nothing.

    Yields:
        The claim.

    Raises:
        OutputError: If there is something that may not be replaced, if another process has claimed the name, or if the
            operating system refuses.
    """
    path = _with_name(path)
    held = next((one for one in _held.get() if one.target == path), None)
    if held is not None:
        yield held
        return
    refuse_existing(path, force=force, replaceable=replaceable)
    with parents_of(path):
        with write_errors(path):
            work = _lock(path)
        try:
            Claim(path, work, None, replaceable).settle()  # of a process that was killed
            claimed = Claim(path, work, refuse_existing(path, force=force, replaceable=replaceable), replaceable)
            token = _held.set((*_held.get(), claimed))
            try:
                yield claimed
            finally:
                _held.reset(token)
                claimed.settle()
        finally:
            work.remove()


def refuse_existing(path: Path, *, force: bool, replaceable: Replaceable | None) -> tuple[int, int] | None:
    """Refuse a path at which there is something that may not be replaced.

    Args:
        path: The file or folder that is to be written.
        force: Whether to replace what is there.
        replaceable: What may be replaced; None is nothing.

    Returns:
        What identifies the file or folder that may be replaced; None if there is none.

    Raises:
        OutputError: If something is there that may not be replaced.
    """
    with write_errors(path):
        found = identity(path)
    if found is None:
        return None
    if replaceable is None:
        raise TakenError(f"{path} exists: choose another name")
    if not force:
        raise TakenError(f"{path} exists: pass --force (from Python, force=True) to replace it, or another --out")
    with write_errors(path):
        replaceable.check(path, path)
    return found


def identity(path: Path) -> tuple[int, int] | None:
    """Identify a file or folder, whatever name it has.

    Args:
        path: Its path.

    Returns:
        Its device and number; None if there is nothing.

    Raises:
        OSError: If the path cannot be looked up.
    """
    try:
        status = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return status.st_dev, status.st_ino


def _lock(path: Path) -> Workspace:
    """Lock the one workspace that all claims on a path share, and finish what a killed process began there."""
    token = hashlib.sha256(os.fsencode(path.name)).hexdigest()[:8]
    folder = path.parent / f"{prefix_of(path)}{token}.partial"
    for _ in range(100):
        work = workspaces.make(folder)
        if work is not None:
            return work
        abandoned = workspaces.take_over(folder)
        if abandoned is not None:
            if os.path.lexists(abandoned.old):
                return abandoned
            abandoned.remove()
        elif not _remove_empty(folder):
            break
    raise ClaimedError(
        f"{path} is being written by another zoo at this moment: wait for its end, or pass another --out "
        f"(if no other is at work, delete {folder})"
    )


def _remove_empty(folder: Path) -> bool:
    """Remove what a process left that was killed at once; say whether to try again."""
    try:
        folder.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _place_beside(result: Path, target: Path) -> Path:
    """Give a result the first free name like the target's, such as ``NAME-2``; return where it is."""
    for number in range(2, _MOST_NAMES):
        beside = target.with_name(f"{target.stem}-{number}{target.suffix}")
        try:
            rename_new(result, beside)
        except FileExistsError:
            continue
        except OSError:
            break
        return beside
    return result


def _with_name(path: Path) -> Path:
    """Return a path whose last part is a name, which that of ``.`` and ``..`` is not."""
    return path.resolve() if path.name in {"", ".."} else path
