"""Reading weights files without trusting them: tensors and plain values come out, nothing in the file is executed.

A file is recognised by its content, never by its name. Nested dictionaries are flattened with points, so that a file
``{"netG": {"main.0.weight": …}, "epoch": 5}`` gives the state ``netG.main.0.weight`` and the meta value ``epoch``.
"""

from __future__ import annotations

import mmap
import struct
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from zoo.checkpoints.unpickle.interpreter import parse
from zoo.checkpoints.unpickle.limits import MOST_TENSORS, BrokenError, Limits, RefusedError
from zoo.checkpoints.unpickle.state_dict import Contents
from zoo.checkpoints.unpickle.tensors import Arrays
from zoo.checkpoints.unpickle.torch_formats import (
    Outside,
    is_legacy,
    nested_storage,
    no_outside,
    parse_archive,
    parse_legacy,
)
from zoo.core.adapter import State
from zoo.errors import CheckpointError

_MOST_MEMBERS = 20_000
_STRANGERS = {
    b"<!DOCTYPE": "an HTML page",
    b"<!doctype": "an HTML page",
    b"<html": "an HTML page",
    b"version https://git-lfs": "a Git LFS pointer, not the file itself",
    b"\x89PNG": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"\x89HDF": "an HDF5 file",
    b"\x1f\x8b": "a gzip archive",
    b"{": "JSON text",
}


@dataclass(frozen=True)
class Checkpoint:
    """What a file holds: tensors by flattened key, plain values beside them, and the container's name."""

    state: State
    meta: dict[str, Any]
    container: str


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a safetensors file, a torch file (zip or legacy) or a pickle of networks, on the CPU; nothing in it is run.

    Every tensor is a dense copy of its own. Networks that were pickled whole become their state dict, and beside it
    their class and plain attributes in `meta`. The containers are "safetensors", "torch zip", "torch legacy", "pickle"
    and "TensorFlow pickle". Raises `CheckpointError` saying what was found for files that are missing, truncated, of
    another kind, that ask for code to be run, or whose tensors claim more than the file holds.
    """
    try:
        with path.open("rb") as file:
            head = file.read(64)
            size = path.stat().st_size
            if len(head) > 9 and head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= size:
                return Checkpoint(*_read_safetensors(path), "safetensors")
            if head.startswith((b"PK\x03\x04", b"\x80")):
                return _read_records(path, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except OSError as error:
        raise CheckpointError(f"cannot read {path}: {error.strerror}") from None
    kind = next((kind for start, kind in _STRANGERS.items() if head.startswith(start)), None)
    found = "an empty file" if not head else kind or f"bytes {head[:8].hex(' ')}"
    raise CheckpointError(f"{path} is neither a safetensors nor a torch file nor a pickle: it holds {found}")


def _read_safetensors(path: Path) -> tuple[State, dict[str, Any]]:
    try:
        with safe_open(path, framework="pt") as file:
            keys = list(file.keys())
            if len(keys) > MOST_TENSORS:
                raise CheckpointError(
                    f"{path} was refused: it holds {len(keys):,} tensors, more than any network's file"
                )
            state = {key: file.get_tensor(key).clone() for key in keys}
            if not state:
                raise CheckpointError(f"{path} holds no tensor")
            return state, dict(file.metadata() or {})
    except (SafetensorError, OSError, ValueError, RuntimeError) as error:
        raise CheckpointError(f"{path} is a broken safetensors file: {_one_line(error)}") from None


def _read_records(path: Path, data: mmap.mmap) -> Checkpoint:
    """Read a torch file or a pickle; what its networks are is told by records, and nothing is made of the rest."""
    bounds = Limits(len(data))
    read = _read_archive if data[:2] == b"PK" else _read_pickle
    try:
        contents, container = read(path, data, bounds)
    except RefusedError as error:
        raise CheckpointError(f"{path} was refused: {_one_line(error)}") from None
    except BrokenError as error:
        raise CheckpointError(f"{path} is broken: {_one_line(error)}") from None
    if not contents.state:
        raise CheckpointError(f"{path} holds no tensor")
    return Checkpoint(contents.state, contents.meta, container)


def _read_archive(path: Path, data: mmap.mmap, bounds: Limits) -> tuple[Contents, str]:
    members, position = 0, -1
    while (position := data.find(b"PK\x01\x02", position + 1)) >= 0:  # every member is listed behind this mark
        members += 1
        if members > _MOST_MEMBERS:
            raise RefusedError("it is a zip archive of more members than any network needs")
    try:
        with zipfile.ZipFile(path) as archive:
            _check_archive(path, archive, len(data))
            content, outside = parse_archive(archive, bounds)
            contents = _contents(bounds, outside)
            contents.add_file(content, snapshot=False)
            return contents, "torch zip"
    except (zipfile.BadZipFile, OSError, EOFError, ValueError, struct.error, RuntimeError) as error:
        raise CheckpointError(f"{path} is a truncated or broken zip archive: {_one_line(error)}") from None


def _read_pickle(path: Path, mapped: mmap.mmap, bounds: Limits) -> tuple[Contents, str]:
    data = memoryview(mapped)
    if is_legacy(mapped[:64]):
        content, outside = parse_legacy(data, bounds)
        contents = _contents(bounds, outside)
        contents.add_file(content, snapshot=False)
        return contents, "torch legacy"
    contents = _contents(bounds, no_outside)
    return contents, contents.add_file(parse(data, bounds).content, snapshot=True)


def _contents(bounds: Limits, outside: Outside) -> Contents:
    return Contents(Arrays(bounds, outside, lambda data: nested_storage(data, bounds)), bounds)


def _check_archive(path: Path, archive: zipfile.ZipFile, size: int) -> None:
    """Refuse archives that torch never writes: compressed members (bombs), or none that torch would read."""
    members = archive.infolist()
    if not any(member.filename.endswith("/data.pkl") for member in members):
        some = ", ".join(member.filename for member in members[:3])
        raise CheckpointError(f"{path} is a zip archive, but not one of torch: it holds {some or 'nothing'}")
    if any(member.filename.endswith("/constants.pkl") for member in members):
        raise CheckpointError(f"{path} is a TorchScript archive, which holds code; zoo reads files of weights only")
    if sum(member.file_size for member in members) > size:
        raise CheckpointError(f"{path} is a zip archive whose members claim to be larger than the file; refused")
    if any(member.compress_type != zipfile.ZIP_STORED for member in members):
        raise CheckpointError(f"{path} was refused: it is a zip archive with compressed members, as torch writes none")


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text[:200] or type(error).__name__
