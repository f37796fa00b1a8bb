"""Reading weights files without trusting them: tensors and plain values come out, nothing in the file is executed.

The kind of a file is told by its content, never by its name. Nested dictionaries are flattened with points: a file
``{"netG": {"main.0.weight": …}, "epoch": 5}`` gives the state ``netG.main.0.weight`` and the meta value ``epoch``.
"""

from __future__ import annotations

import mmap
import os
import re
import struct
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from zoo._utils.tensorfile import UnreadableError, open_tensors
from zoo._utils.untrusted.opening import open_regular, read_head
from zoo._utils.untrusted.pipelines import is_pipeline
from zoo._utils.untrusted.unpacking import open_zip
from zoo.checkpoints.archives import (
    ARCHIVE_HEAD_BYTES,
    HEAD_BYTES,
    SPLIT,
    SPLIT_WEIGHTS,
    is_archive,
    is_safetensors,
    is_weights_file,
    unpacked_weights,
)
from zoo.checkpoints.unpickle.interpreter import parse
from zoo.checkpoints.unpickle.limits import MAX_TENSORS, BrokenError, Limits, RefusedError
from zoo.checkpoints.unpickle.state_dict import StateDictBuilder
from zoo.checkpoints.unpickle.tensors import TensorReader
from zoo.checkpoints.unpickle.torch_formats import (
    StorageLookup,
    is_legacy,
    nested_storage,
    no_storage,
    parse_archive,
    parse_legacy,
)
from zoo.core.adapter import State
from zoo.errors import CheckpointError

# Bytes of the largest weights file; what is fetched has the same limit.
_MAX_BYTES = 32 * 2**30

# What other files begin with, and what to call them in an error message.
_MAGIC_OF_OTHER_FILES = {
    b"<!DOCTYPE": "an HTML page",
    b"<!doctype": "an HTML page",
    b"<html": "an HTML page",
    b"version https://git-lfs": "a Git LFS pointer, not the file itself",
    b"\x89PNG": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"\x89HDF": "an HDF5 file",
    b"{": "JSON text",
}


class _OtherZipError(Exception):
    """A zip archive is none of torch's."""


@dataclass(frozen=True)
class Checkpoint:
    """What a weights file holds.

    Attributes:
        state: Its tensors, by flattened key.
        meta: The plain values beside them, by flattened key.
        container: "safetensors", "torch zip", "torch legacy", "pickle" or "TensorFlow pickle", and in which archive.
        unread: Why a value beside the weights was left out, by its key.
    """

    state: State
    meta: dict[str, Any]
    container: str
    unread: Mapping[str, str] = field(default_factory=dict)


def read_checkpoint(path: Path, *, bare: bool = False) -> Checkpoint:
    """Read a safetensors file, a torch file (zip or legacy) or a pickle of networks; nothing in it is executed.

    Of a tar or zip archive, or a compressed file, the only weights file in it is read.

    Networks that were pickled whole become their state dict; their class and plain attributes are beside it in `meta`.

    Args:
        path: The file.
        bare: Whether the file may hold a tensor alone, or a list, as files of codes do.

    Returns:
        Its tensors, each a dense copy on the CPU, and its plain values.

    Raises:
        CheckpointError: If the file is missing, truncated or of another kind, if it asks for code to be executed, or if
            its tensors claim more than it holds; the message says what was found.
    """
    try:
        head = _checked_head(path)
        if is_weights_file(head):
            with suppress(_OtherZipError):
                return _read_file(path, head, bare=bare)
        with unpacked_weights(path) as unpacked:
            if unpacked:
                return _read_unpacked(path, *unpacked, bare=bare)
    except OSError as error:
        raise CheckpointError(f"cannot read {path}: {error.strerror}") from None
    raise _other_file(path, head)


def require_weights(path: Path) -> None:
    """Refuse what is no weights file by its head, before anything that takes as long as the file is.

    Args:
        path: The file.

    Raises:
        CheckpointError: If it is missing, no regular file, larger than any weights, or begins as nothing does that
            `read_checkpoint` or `read_pipeline` reads.
    """
    try:
        head = _checked_head(path)
        if not (is_pipeline(path) or is_weights_file(head) or is_archive(read_head(path, ARCHIVE_HEAD_BYTES))):
            raise _other_file(path, head)
    except OSError as error:
        raise CheckpointError(f"cannot read {path}: {error.strerror}") from None


def _checked_head(path: Path) -> bytes:
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > _MAX_BYTES:
            raise CheckpointError(f"{path} was refused: it has {size:,} bytes, more than any weights")
        return file.read(HEAD_BYTES)


def _read_unpacked(path: Path, file: Path, name: str, kind: str, *, bare: bool) -> Checkpoint:
    """Read the weights file of an archive."""
    try:
        head = read_head(file, HEAD_BYTES)
        if not is_weights_file(head):
            raise _other_file(file, head)
        checkpoint = _read_file(file, head, bare=bare)
    except _OtherZipError:
        raise CheckpointError(f"{path} holds an archive, {name}: unpack it, and name a weights file") from None
    except CheckpointError as error:
        raise CheckpointError(str(error).replace(str(file), f"{name} in {path}")) from None
    return replace(checkpoint, container=f"{checkpoint.container} in a {kind}")


def _read_file(path: Path, head: bytes, *, bare: bool) -> Checkpoint:
    """Read a file that begins as weights files do."""
    if is_safetensors(head):
        return Checkpoint(*_read_safetensors(path), "safetensors")
    with open_regular(path) as file:
        return _read_pickled(path, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), bare=bare)


def _other_file(path: Path, head: bytes) -> CheckpointError:
    if re.fullmatch(SPLIT, path.name):
        return CheckpointError(f"{path} lists {SPLIT_WEIGHTS}")
    description = "an empty file" if not head else f"bytes {head[:8].hex(' ')}"
    description = next((name for magic, name in _MAGIC_OF_OTHER_FILES.items() if head.startswith(magic)), description)
    return CheckpointError(f"{path} is neither a safetensors nor a torch file nor a pickle: it holds {description}")


def _read_safetensors(path: Path) -> tuple[State, dict[str, Any]]:
    try:
        with open_tensors(path) as file:
            keys = list(file.keys())
            if len(keys) > MAX_TENSORS:
                raise CheckpointError(
                    f"{path} was refused: it holds {len(keys):,} tensors, more than any network's file"
                )
            state = {key: file.get_tensor(key).clone() for key in keys}
            if not state:
                raise CheckpointError(f"{path} holds no tensor")
            return state, dict(file.metadata() or {})
    except UnreadableError as error:
        raise CheckpointError(f"{path} was refused: {_one_line(error)}") from None
    except (SafetensorError, OSError, ValueError, RuntimeError) as error:
        raise CheckpointError(f"{path} is a broken safetensors file: {_one_line(error)}") from None


def _read_pickled(path: Path, data: mmap.mmap, *, bare: bool) -> Checkpoint:
    """Read a torch file or a pickle."""
    limits = Limits(len(data))
    read = _read_archive if data[:2] == b"PK" else _read_pickle
    try:
        builder, container = read(path, data, limits, bare)
    except RefusedError as error:
        raise CheckpointError(f"{path} was refused: {_one_line(error)}") from None
    except BrokenError as error:
        raise CheckpointError(f"{path} is broken: {_one_line(error)}") from None
    if not builder.state:
        unread = next(iter(builder.unread.values()), None)
        raise CheckpointError(f"{path} was refused: {_one_line(unread)}" if unread else f"{path} holds no tensor")
    return Checkpoint(builder.state, builder.meta, container, builder.unread)


def _read_archive(path: Path, data: mmap.mmap, limits: Limits, bare: bool) -> tuple[StateDictBuilder, str]:
    try:
        with open_zip(path) as archive:
            _check_archive(path, archive, len(data))
            content, find_storage = parse_archive(archive, limits)
            builder = _builder(limits, find_storage)
            builder.add_file(content, snapshot=False, bare=bare)
            return builder, "torch zip"
    except (zipfile.BadZipFile, OSError, EOFError, ValueError, struct.error, RuntimeError) as error:
        raise CheckpointError(f"{path} is a truncated or broken zip archive: {_one_line(error)}") from None


def _read_pickle(path: Path, mapped: mmap.mmap, limits: Limits, bare: bool) -> tuple[StateDictBuilder, str]:
    data = memoryview(mapped)
    if is_legacy(mapped[:HEAD_BYTES]):
        content, find_storage = parse_legacy(data, limits)
        builder = _builder(limits, find_storage)
        builder.add_file(content, snapshot=False, bare=bare)
        return builder, "torch legacy"
    builder = _builder(limits, no_storage)
    return builder, builder.add_file(parse(data, limits).content, snapshot=True, bare=bare)


def _builder(limits: Limits, find_storage: StorageLookup) -> StateDictBuilder:
    tensors = TensorReader(limits, find_storage, lambda data: nested_storage(data, limits))
    return StateDictBuilder(tensors, limits)


def _check_archive(path: Path, archive: zipfile.ZipFile, size: int) -> None:
    """Refuse archives that torch never writes: compressed members (perhaps bombs), or none that torch would read."""
    members = archive.infolist()
    if not any(member.filename.endswith("/data.pkl") for member in members):
        raise _OtherZipError
    if any(member.filename.endswith("/constants.pkl") for member in members):
        raise CheckpointError(f"{path} is a TorchScript archive, which holds code; zoo reads files of weights only")
    if any(member.compress_type != zipfile.ZIP_STORED for member in members):
        raise CheckpointError(
            f"{path} was refused: its members are compressed, as torch compresses none: unpack it, and pack the folder "
            f"of data.pkl again with 'zip -0 -r NEW.pt FOLDER'"
        )
    if sum(member.file_size for member in members) > size:
        raise CheckpointError(f"{path} is a zip archive whose members claim to be larger than the file; refused")


def _one_line(error: object) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
