"""The two kinds of file that torch writes, read as records: a zip archive, and pickles one behind the other."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from typing import Any

import torch

from zoo.checkpoints.unpickle.interpreter import parse
from zoo.checkpoints.unpickle.limits import BrokenError, Limits, RefusedError
from zoo.checkpoints.unpickle.records import Persistent, Record
from zoo.checkpoints.unpickle.tensors import Storage, storage_dtype

_MAGIC = 0x1950A86A20F9469CFC6C
_NO_STORAGE = "it refers to something outside of the pickle that is no storage"

Outside = Callable[[Any], Storage]
"""Finds the storage that a persistent reference means. Raises `BrokenError` or `RefusedError`."""


def is_legacy(head: bytes) -> bool:
    """Say whether a file begins as the older kind of torch file, with the number that stands for torch."""
    return _MAGIC.to_bytes(10, "little") in head


def parse_archive(archive: zipfile.ZipFile, bounds: Limits) -> tuple[Any, Outside]:
    """Read a zip archive of torch: (what it holds, how its storages are found)."""
    pickled = next(name for name in archive.namelist() if name.endswith("/data.pkl"))
    root = pickled.removesuffix("data.pkl")
    content = parse(memoryview(archive.read(pickled)), bounds).content
    if f"{root}byteorder" in archive.namelist() and archive.read(f"{root}byteorder") != b"little":
        raise RefusedError("its numbers are big-endian")
    found: dict[str, Storage] = {}

    def outside(pid: Any) -> Storage:
        dtype, key, count = _storage_reference(pid)
        if key not in found:
            member = f"{root}data/{key}"
            try:
                numbers = memoryview(archive.read(member))
            except KeyError:
                raise BrokenError(f"there is no member {member}") from None
            if len(numbers) != count * dtype.itemsize:
                raise RefusedError(
                    f"it claims {count:,} numbers of {dtype} in {member}, which has {len(numbers):,} bytes"
                )
            found[key] = Storage(numbers, dtype)
        return found[key]

    return content, outside


def parse_legacy(data: memoryview, bounds: Limits) -> tuple[Any, Outside]:
    """Read the older kind: five pickles, then the bytes of the storages that the last pickle lists."""
    magic, position, _ = parse(data, bounds)
    _, position, _ = parse(data, bounds, position)
    system, position, _ = parse(data, bounds, position)
    content, position, references = parse(data, bounds, position)
    keys, position, _ = parse(data, bounds, position)
    if magic != _MAGIC or not isinstance(keys, list) or not isinstance(system, Record):
        raise BrokenError("it does not begin as torch's files do")
    if ("little_endian", False) in system.pairs:
        raise RefusedError("its numbers are big-endian")
    dtypes = {key: dtype for dtype, key, _ in map(_storage_reference, (one.pid for one in references))}
    found = {}
    for key in keys:
        if not isinstance(key, str) or key not in dtypes:
            raise BrokenError("it lists a storage that no tensor lies on")
        begin = position + 8
        position = begin + int.from_bytes(data[position:begin], "little") * dtypes[key].itemsize
        if position > len(data):
            raise BrokenError(f"storage {key} claims more bytes than the file holds")
        found[key] = Storage(data[begin:position], dtypes[key])

    def outside(pid: Any) -> Storage:
        dtype, key, count = _storage_reference(pid)
        view = pid[5] if len(pid) > 5 else None
        if key not in found:
            raise BrokenError(f"storage {key} is not there")
        if view is None and len(found[key].content) != count * dtype.itemsize:
            raise RefusedError(f"it claims {count:,} numbers of {dtype} in {len(found[key].content):,} bytes")
        return _viewed(found[key], view)

    return content, outside


def nested_storage(data: memoryview, bounds: Limits) -> Storage:
    """Read a storage that was pickled on its own, as a file of the older kind; raises as `parse` does."""
    content, outside = parse_legacy(data, bounds)
    if not isinstance(content, Persistent):
        raise RefusedError("it has a file within the file that holds more than a storage")
    return outside(content.pid)


def no_outside(pid: Any) -> Storage:
    """Refuse a persistent reference, in a file that has nothing to refer to."""
    raise RefusedError(_NO_STORAGE)


def _storage_reference(pid: Any) -> tuple[torch.dtype, str, int]:
    """Read a reference ("storage", class, key, device, count): the type of its numbers, its key, their count."""
    if not isinstance(pid, tuple) or len(pid) < 5 or pid[0] != "storage":
        raise RefusedError(_NO_STORAGE)
    _, kind, key, _, count = pid[:5]
    if not isinstance(key, str) or type(count) is not int or count < 0:
        raise RefusedError(_NO_STORAGE)
    return storage_dtype(kind), key, count


def _viewed(storage: Storage, view: Any) -> Storage:
    """Cut out the part of a storage that a reference of the oldest files is a view of: (key, offset, count)."""
    if view is None:
        return storage
    if not isinstance(view, tuple) or len(view) != 3 or not all(type(one) is int and one >= 0 for one in view[1:]):
        raise RefusedError(_NO_STORAGE)
    begin, count = (one * storage.dtype.itemsize for one in view[1:])
    return Storage(storage.content[begin : begin + count], storage.dtype)
