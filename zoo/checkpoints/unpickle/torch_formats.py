"""The two kinds of file that torch writes: a zip archive, and the legacy kind, pickles one after the other."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from typing import Any

import torch

from zoo.checkpoints.unpickle.interpreter import parse
from zoo.checkpoints.unpickle.limits import BrokenError, Limits, RefusedError
from zoo.checkpoints.unpickle.records import PersistentId, Record
from zoo.checkpoints.unpickle.tensors import Storage, storage_dtype

# torch.serialization.MAGIC_NUMBER, the first object of a legacy file.
_MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
_NOT_A_STORAGE = "it refers to something outside of the pickle that is not a storage"

# Finds the storage that a persistent id means. Raises `BrokenError` or `RefusedError`.
StorageLookup = Callable[[Any], Storage]


def is_legacy(head: bytes) -> bool:
    """Say whether a file begins as a legacy file of torch.

    Args:
        head: The first bytes of the file.
    """
    return _MAGIC_NUMBER.to_bytes(10, "little") in head


def parse_archive(archive: zipfile.ZipFile, limits: Limits) -> tuple[Any, StorageLookup]:
    """Read a zip archive of torch.

    The member ``data.pkl`` is a pickle, whose persistent ids name the members ``data/0``, ``data/1`` and so on.

    Args:
        archive: The archive.
        limits: What the file may still cost.

    Returns:
        What the pickle holds, and how its storages are found.

    Raises:
        BrokenError: If the pickle is damaged.
        RefusedError: If it asks for what zoo does not do, or the numbers are big-endian.
    """
    pickled = next(name for name in archive.namelist() if name.endswith("/data.pkl"))
    root = pickled.removesuffix("data.pkl")
    content = parse(memoryview(archive.read(pickled)), limits).content
    if f"{root}byteorder" in archive.namelist() and archive.read(f"{root}byteorder") != b"little":
        raise RefusedError("its numbers are big-endian")
    storages: dict[str, Storage] = {}

    def find_storage(pid: Any) -> Storage:
        dtype, key, count = _storage_reference(pid)
        if key not in storages:
            member = f"{root}data/{key}"
            try:
                numbers = memoryview(archive.read(member))
            except KeyError:
                raise BrokenError(f"there is no member {member}") from None
            if len(numbers) != count * dtype.itemsize:
                raise RefusedError(
                    f"it claims {count:,} numbers of {dtype} in {member}, which has {len(numbers):,} bytes"
                )
            storages[key] = Storage(numbers, dtype)
        return storages[key]

    return content, find_storage


def parse_legacy(data: memoryview, limits: Limits) -> tuple[Any, StorageLookup]:
    """Read a legacy file of torch.

    It is five pickles (a magic number, a version, the system's properties, the content, and the keys of its storages)
    and then, for each key, the number of elements and the bytes of the storage.

    Args:
        data: The file.
        limits: What the file may still cost.

    Returns:
        What the content holds, and how its storages are found.

    Raises:
        BrokenError: If the file is damaged.
        RefusedError: If it asks for what zoo does not do, or the numbers are big-endian.
    """
    magic, position, _ = parse(data, limits)
    _, position, _ = parse(data, limits, position)
    system, position, _ = parse(data, limits, position)
    content, position, persistent_ids = parse(data, limits, position)
    keys, position, _ = parse(data, limits, position)
    if magic != _MAGIC_NUMBER or not isinstance(keys, list) or not isinstance(system, Record):
        raise BrokenError("it does not begin as torch's files do")
    if ("little_endian", False) in system.pairs:
        raise RefusedError("its numbers are big-endian")
    dtypes = {key: dtype for dtype, key, _ in map(_storage_reference, (one.pid for one in persistent_ids))}
    storages = _legacy_storages(data, position, keys, dtypes)

    def find_storage(pid: Any) -> Storage:
        dtype, key, count = _storage_reference(pid)
        view = pid[5] if len(pid) > 5 else None
        if key not in storages:
            raise BrokenError(f"storage {key} is not there")
        if view is None and len(storages[key].content) != count * dtype.itemsize:
            raise RefusedError(f"it claims {count:,} numbers of {dtype} in {len(storages[key].content):,} bytes")
        return _view_of(storages[key], view)

    return content, find_storage


def nested_storage(data: memoryview, limits: Limits) -> Storage:
    """Read a storage that was pickled on its own, as a legacy file inside a file.

    Args:
        data: The inner file.
        limits: What the outer file may still cost.

    Returns:
        The storage.

    Raises:
        BrokenError: See `parse_legacy`.
        RefusedError: See `parse_legacy`; also if the inner file holds more than a storage.
    """
    content, find_storage = parse_legacy(data, limits)
    if not isinstance(content, PersistentId):
        raise RefusedError("it has a file within the file that holds more than a storage")
    return find_storage(content.pid)


def no_storage(pid: Any) -> Storage:
    """Refuse a persistent id in a file that has no storages.

    Args:
        pid: The persistent id.

    Raises:
        RefusedError: Always.
    """
    raise RefusedError(_NOT_A_STORAGE)


def _legacy_storages(
    data: memoryview, position: int, keys: list[Any], dtypes: dict[str, torch.dtype]
) -> dict[str, Storage]:
    """Find the storages after the pickles: an int64 count, then the bytes, for each key."""
    storages = {}
    for key in keys:
        if not isinstance(key, str) or key not in dtypes:
            raise BrokenError("it lists a storage that no tensor lies on")
        begin = position + 8
        position = begin + int.from_bytes(data[position:begin], "little") * dtypes[key].itemsize
        if position > len(data):
            raise BrokenError(f"storage {key} claims more bytes than the file holds")
        storages[key] = Storage(data[begin:position], dtypes[key])
    return storages


def _storage_reference(pid: Any) -> tuple[torch.dtype, str, int]:
    """Read the persistent id ("storage", class, key, device, count): the dtype, the key, the number of elements."""
    if not isinstance(pid, tuple) or len(pid) < 5 or pid[0] != "storage":
        raise RefusedError(_NOT_A_STORAGE)
    _, storage_class, key, _, count = pid[:5]
    if not isinstance(key, str) or type(count) is not int or count < 0:
        raise RefusedError(_NOT_A_STORAGE)
    return storage_dtype(storage_class), key, count


def _view_of(storage: Storage, view: Any) -> Storage:
    """Cut out the part (key, offset, count) of a storage that a persistent id of the oldest files is a view of."""
    if view is None:
        return storage
    if not isinstance(view, tuple) or len(view) != 3 or not all(type(one) is int and one >= 0 for one in view[1:]):
        raise RefusedError(_NOT_A_STORAGE)
    begin, count = (one * storage.dtype.itemsize for one in view[1:])
    return Storage(storage.content[begin : begin + count], storage.dtype)
