"""Files that were dropped onto the page: photographs, codes and directions, told apart by what is in them."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from zoo._utils.lookups import exists
from zoo._utils.pictures import PictureError, open_picture
from zoo._utils.tensorfile import UnreadableError
from zoo.core.directions import Directions
from zoo.core.files.reading import read_arrays
from zoo.editing.fit import check_home
from zoo.errors import CodesError, OptionError, UnknownNameError, ZooError, printable
from zoo.models.model import Model
from zoo.studio.bodies import Opened
from zoo.studio.kept.results import Results, record_of
from zoo.studio.kept.sessions import Session, plain_name, read_json, short_hash, write_json

AnyOpened = TypeVar("AnyOpened", bound=Opened)

_KIND = "uploads"
_FORMATS: dict[str, str] = {"zoo-codes/1": "codes", "zoo-directions/1": "directions"}
# The first bytes of files of arrays: safetensors (after its length), numpy, zip, pickle.
_ARRAYS = (b"\x93NUMPY", b"PK", b"\x80")


class AmbiguousError(OptionError):
    """A file may hold codes or directions, and a person has to say which."""

    choices = ("codes", "directions")


@dataclass(frozen=True)
class Uploads:
    """The uploads of a session, and the codes that were found for them.

    Attributes:
        session: The session.
    """

    session: Session

    def receive(
        self,
        content: bytes,
        name: str,
        model: Model | None,
        asked: Opened | None,
        *,
        as_kind: str | None = None,
        label: str | None = None,
    ) -> dict[str, Any]:
        """Keep a file.

        Args:
            content: The file.
            name: What it was called; only its letters are kept, for pictures and commands.
            model: The model that codes and directions must fit; None where none is open.
            asked: How it was opened.
            as_kind: What an array holds, where a person has said so.
            label: The class of codes that come without one.

        Returns:
            What it is, and what it is called from now on.

        Raises:
            ZooError: If it is nothing that the studio reads.
        """
        upload = short_hash(content)
        path = self._write(upload, name, content)
        if content[:2] != b"PK" and not content.startswith(_ARRAYS) and content[8:9] != b"{":
            return self._picture(upload, path)
        kind = as_kind or _kind_of(path)
        if kind not in _FORMATS.values():
            raise OptionError(f"as={kind}: there are {' and '.join(_FORMATS.values())}")
        if model is None or asked is None:
            raise OptionError(f"{path.name} holds {kind}, which belong to a model: open that first")
        with warnings.catch_warnings(record=True) as remarks:
            warnings.simplefilter("always")
            try:
                if kind == "codes":
                    read = self._codes(upload, path, model, label)
                else:
                    read = self._directions(upload, path, model, asked)
            except ZooError as error:
                told = str(error).replace(str(path), path.name)
                raise OptionError(told.replace("pass --label", "choose a class, and open it again")) from None
        return {**read, "notes": [printable(str(one.message).replace(str(path), path.name)) for one in remarks]}

    def add_codes(self, name: str, folder: Path, *, photograph: Path, command: str) -> None:
        """Take the folder of a projection in as an upload of codes.

        Args:
            name: What it is called, as the folder is.
            folder: Where it is.
            photograph: The picture that was projected.
            command: The command that does so.
        """
        self._keep(name, "codes", folder, photograph=self._inside(photograph), command=command)

    def path(self, name: str, kind: str) -> Path:
        """Find the file of an upload.

        Args:
            name: What it is called.
            kind: What it must be: ``picture`` or ``codes``.

        Returns:
            Its path.

        Raises:
            UnknownNameError: If there is none.
        """
        record = self.record(name)
        if record["kind"] != kind:
            raise UnknownNameError(f"{name} is no file of {kind}")
        return self.session.folder / str(record["path"])

    def read_tuned(self, asked: AnyOpened) -> AnyOpened:
        """Read where the tuned weights of a model are.

        Args:
            asked: The model; `tuned` is the name of an upload.

        Returns:
            The same, with the path of its folder.

        Raises:
            UnknownNameError: If there is no such upload.
        """
        if asked.tuned is None:
            return asked
        return asked.model_copy(update={"tuned": str(self.path(asked.tuned, "codes"))})

    def compared(self, name: str) -> Path:
        """Return the path of the picture that shows a photograph beside what was found for it.

        Args:
            name: What the codes are called.

        Returns:
            The path.
        """
        return self.session.place(_KIND, f"{plain_name(name)}.png")

    def record(self, name: str) -> dict[str, Any]:
        """Read what is known of an upload.

        Args:
            name: What it is called.

        Returns:
            Its kind and path; of a projection, also the photograph and the command.

        Raises:
            UnknownNameError: If there is none.
        """
        record = read_json(self._record(name))
        if not isinstance(record, dict):
            raise UnknownNameError(f"there is no upload {name} in this session: upload the file again")
        return record

    def photograph(self, codes: Path) -> Path | None:
        """Find the photograph that codes were found for.

        Args:
            codes: The path of an upload of codes.

        Returns:
            The photograph; None for codes of a file.
        """
        record = read_json(self._record(codes.name))
        found = record.get("photograph") if isinstance(record, dict) else None
        return None if found is None else self.session.folder / str(found)

    def _record(self, name: str) -> Path:
        return self.session.place(_KIND, f"{plain_name(name)}.json")

    def _write(self, upload: str, name: str, content: bytes) -> Path:
        plain = re.sub(r"[^A-Za-z0-9._-]+", "_", name.replace("\\", "/").rpartition("/")[2]).lstrip(".-")[-60:]
        path = self.session.place(_KIND, upload) / (plain or "file")
        path.parent.mkdir(parents=True, exist_ok=True)
        if not exists(path):
            path.write_bytes(content)
        return path

    def _keep(self, upload: str, kind: str, path: Path, **more: str) -> None:
        write_json(self._record(upload), {"kind": kind, "path": self._inside(path), **more})

    def _inside(self, path: Path) -> str:
        return str(path.relative_to(self.session.folder))

    def _picture(self, upload: str, path: Path) -> dict[str, Any]:
        try:
            picture = open_picture(path)
        except PictureError as error:
            raise OptionError(f"{path.name}: {error}; nor is it a file of codes or directions") from None
        self._keep(upload, "picture", path)
        return {"kind": "picture", "id": upload, "name": path.name, "size": [picture.height, picture.width]}

    def _codes(self, upload: str, path: Path, model: Model, label: str | None) -> dict[str, Any]:
        try:
            codes, used = model.read_codes(path), None
        except CodesError:
            if label is None or not model.adapter.needs_labels:
                raise
            codes, used = model.read_codes(path, label=label), label
        self._keep(upload, "codes", path)
        return {"kind": "codes", "id": upload, "name": path.name, "count": len(codes), "label": used}

    def _directions(self, upload: str, path: Path, model: Model, asked: Opened) -> dict[str, Any]:
        directions = Directions.load(path, space=model.adapter.space)
        check_home(model, directions)
        results = Results(self.session)
        name = results.new_id(path.stem)
        results.folder(name).mkdir(parents=True)
        directions.save(results.folder(name) / "directions.safetensors")
        record = record_of(asked, directions, title=path.name)
        return {"kind": "directions", "result": results.add(name, record)}


def _kind_of(path: Path) -> str:
    """Tell codes from directions by what zoo wrote into the file; arrays of other projects do not say."""
    try:
        _, metadata = read_arrays(path)
    except UnreadableError as error:
        raise OptionError(f"{path.name}: {error}") from None
    kind = _FORMATS.get(str(metadata.get("format")))
    if kind is None:
        raise AmbiguousError(
            f"{path.name} is an array of another project, which may hold codes or directions: say which it is"
        )
    return kind
