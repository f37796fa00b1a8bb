"""Where the files of a sweep are: in a folder, or at a URL that fsspec knows, such as ``s3://bucket/sweep``.

In either place a file is whole or absent, and a cell is there only with all of its files. A folder has renaming for
that. An object store has none, but shows an object once all of it has arrived: there a cell counts as finished when
the record of its cost is there, which is put last.
"""

from __future__ import annotations

import re
import secrets
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager as Context
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from zoo._utils.files import atomic_file
from zoo._utils.locks import locked
from zoo._utils.writing.workspaces import remove_abandoned
from zoo.errors import OptionError, OutputError, ZooError, message_of, one_line

# Stores that show an object once it is complete; elsewhere a file is written under another name first.
_WHOLE_OBJECTS = {"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "oss", "hf", "memory"}
# Objects that are asked for at a time.
_TOGETHER = 500
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://.*", flags=re.DOTALL)


class Place(Protocol):
    """The files of a sweep, by names with slashes."""

    @property
    def cells_by(self) -> str:
        """The folder that has a name for each finished cell."""

    @property
    def log(self) -> Path:
        """A file of this machine for what processes print."""

    def resolved(self) -> Place:
        """Return the same place, whatever the working folder is."""

    def names(self, folder: str) -> set[str]:
        """List what is in a folder, without what is being written."""

    def exists(self, name: str) -> bool:
        """Say whether there is a file, or a folder."""

    def read(self, names: Iterable[str]) -> Iterator[bytes | None]:
        """Yield the content of some files; None for one that is not there. Raises `OutputError`."""

    def write(self, name: str, content: bytes) -> None:
        """Write a file. Raises `OutputError`."""

    def writing(self, name: str) -> Context[Path]:
        """Yield a path of this machine; what is written there becomes the file. Raises `OutputError`."""

    def delete(self, name: str) -> None:
        """Delete a file, if it is there."""

    def claim_cell(self, name: str) -> Context[None]:
        """Keep the name of a cell for this process, where that can be done. Raises `ClaimedError`."""

    def writing_cell(self, name: str) -> Context[Path]:
        """Yield an empty folder of this machine that becomes the cell. Raises `OutputError`."""

    def locked(self, name: str) -> Context[None]:
        """Let other commands that write the same file wait, where that can be done."""

    def tidy(self) -> None:
        """Delete what killed processes began to write."""


def place_at(out: str | Path) -> Place:
    """Find the place that a text names.

    Args:
        out: The path of a folder, or a URL.

    Returns:
        The place.

    Raises:
        OptionError: If nothing can be written at such a URL.
    """
    match = _URL.fullmatch(str(out))
    if match is None:
        return _Folder(Path(out))
    if match[1] in {"file", "local"}:
        return _Folder(Path(str(out).partition("://")[2]))
    store = _Store(str(out).rstrip("/"))
    store.open()
    return store


@dataclass(frozen=True)
class _Folder:
    """A folder.

    Attributes:
        path: Its path.
    """

    path: Path
    cells_by = "cells"

    def __str__(self) -> str:
        return str(self.path)

    @property
    def log(self) -> Path:
        return self.path.resolve() / "log.txt"

    def resolved(self) -> _Folder:
        return _Folder(self.path.resolve())

    def names(self, folder: str) -> set[str]:
        try:
            return {path.name for path in (self.path / folder).iterdir() if not path.name.startswith(".")}
        except FileNotFoundError:
            return set()
        except NotADirectoryError:
            return {self.path.name}

    def exists(self, name: str) -> bool:
        return (self.path / name).exists()

    def read(self, names: Iterable[str]) -> Iterator[bytes | None]:
        for name in names:
            try:
                yield (self.path / name).read_bytes()
            except (FileNotFoundError, NotADirectoryError):
                yield None
            except OSError as error:
                raise OutputError(f"cannot read {self.path / name}: {error.strerror or error}") from error

    def write(self, name: str, content: bytes) -> None:
        with self.writing(name) as partial:
            partial.write_bytes(content)

    def writing(self, name: str) -> Context[Path]:
        return atomic_file(self.path / name)

    def delete(self, name: str) -> None:
        (self.path / name).unlink(missing_ok=True)

    def claim_cell(self, name: str) -> Context[None]:
        from zoo.editing.run_folder import claimed_run_folder

        return claimed_run_folder(self.path / "cells" / name, force=False)

    def writing_cell(self, name: str) -> Context[Path]:
        from zoo.editing.run_folder import new_run_folder

        return new_run_folder(self.path / "cells" / name)

    def locked(self, name: str) -> Context[None]:
        return locked(self.path / name)

    def tidy(self) -> None:
        for folder in ("cells", "costs", "failed", "running"):
            with suppress(OSError):
                remove_abandoned(self.path / folder)


@dataclass(frozen=True)
class _Store:
    """What fsspec finds at a URL.

    Attributes:
        url: The URL, without a slash at its end.
    """

    url: str
    cells_by = "costs"

    def __str__(self) -> str:
        return self.url

    def open(self) -> tuple[Any, str]:
        """Return the file system of fsspec, and the path in it.

        Raises:
            OptionError: If fsspec knows no such URL, or needs a package for it.
        """
        import fsspec

        try:
            system, path = fsspec.core.url_to_fs(self.url)
        except (ImportError, ValueError, TypeError) as error:
            raise OptionError(f"--out {self.url}: {one_line(message_of(error))}") from None
        return system, path.rstrip("/")

    @property
    def log(self) -> Path:
        return Path(tempfile.gettempdir()) / "zoo-sweep.log"

    def resolved(self) -> _Store:
        return self

    def names(self, folder: str) -> set[str]:
        with self._system() as (system, path):
            system.invalidate_cache()
            try:
                found = system.ls(f"{path}/{folder}".rstrip("/"), detail=False)
            except FileNotFoundError:
                return set()
            return {name for one in found if (name := one.rstrip("/").rpartition("/")[2]) and name[0] != "."}

    def exists(self, name: str) -> bool:
        with self._system() as (system, path):
            system.invalidate_cache()
            return bool(system.exists(f"{path}/{name}"))

    def read(self, names: Iterable[str]) -> Iterator[bytes | None]:
        waiting = list(names)
        for start in range(0, len(waiting), _TOGETHER):
            with self._system() as (system, path):
                paths = [f"{path}/{name}" for name in waiting[start : start + _TOGETHER]]
                found = system.cat(paths, on_error="return")
                for content in found.values():
                    if isinstance(content, Exception) and not isinstance(content, FileNotFoundError):
                        raise content  # a cell that cannot be read is not one that is missing
            for one in paths:
                content = found.get(one)
                yield content if isinstance(content, bytes) else None

    def write(self, name: str, content: bytes) -> None:
        with self._system(name) as (system, path):
            target = f"{path}/{name}"
            if _WHOLE_OBJECTS & set(_protocols(system)):
                system.pipe_file(target, content)
                return
            folder, _, last = target.rpartition("/")
            system.makedirs(folder, exist_ok=True)
            partial = f"{folder}/.{last}.{secrets.token_hex(4)}.partial"
            system.pipe_file(partial, content)
            system.mv(partial, target)

    @contextmanager
    def writing(self, name: str) -> Iterator[Path]:
        with tempfile.TemporaryDirectory() as folder:
            partial = Path(folder) / "new"
            yield partial
            self.write(name, partial.read_bytes())

    def delete(self, name: str) -> None:
        with self._system(name) as (system, path), suppress(FileNotFoundError):
            system.rm_file(f"{path}/{name}")

    def claim_cell(self, name: str) -> Context[None]:
        return nullcontext()

    @contextmanager
    def writing_cell(self, name: str) -> Iterator[Path]:
        from zoo.editing.run_folder import new_run_folder

        with tempfile.TemporaryDirectory() as folder:
            made = Path(folder) / name
            with new_run_folder(made) as partial:
                yield partial
            for file in sorted(made.iterdir()):
                self.write(f"cells/{name}/{file.name}", file.read_bytes())

    def locked(self, name: str) -> Context[None]:
        return nullcontext()

    def tidy(self) -> None:
        return

    @contextmanager
    def _system(self, name: str = "") -> Iterator[tuple[Any, str]]:
        """Yield what `open` returns; errors of its libraries become one line."""
        try:
            yield self.open()
        except (ZooError, GeneratorExit):
            raise
        except Exception as error:
            doing = f"cannot write {self.url}/{name}" if name else f"cannot read {self.url}"
            raise OutputError(f"{doing}: {one_line(message_of(error) or type(error).__name__)}") from error


def _protocols(system: Any) -> Iterable[str]:
    return (system.protocol,) if isinstance(system.protocol, str) else system.protocol
