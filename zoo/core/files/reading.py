"""Reading arrays from files of other projects, and taking them from callers."""

from __future__ import annotations

import pkgutil
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from zoo._utils.lookups import exists
from zoo._utils.tensorfile import UnreadableError, read_numpy, read_tensors
from zoo._utils.untrusted.opening import read_head
from zoo._utils.untrusted.unpacking import open_zip
from zoo.errors import CheckpointError, OptionError

_READ_KINDS = "zoo reads .npy, .npz, safetensors, torch files and pickles"

# Reads torch's files and pickles without running them. `zoo.checkpoints` stands above the core, so that its reader is
# named here, as the classes of plugins are, and imported for such a file only.
_PICKLES = "zoo.checkpoints.reader:read_checkpoint"


def read_arrays(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read the arrays of a file: ``.npy``, ``.npz``, safetensors, a torch file or a pickle, as its content tells.

    Nothing in the file is executed.

    Args:
        path: the file.

    Returns:
        The arrays by name (of an array alone: the empty name), and the JSON metadata of a file that zoo wrote.

    Raises:
        UnreadableError: the file is missing, broken, of another kind, or asks for code to be executed.

    """
    try:
        head = read_head(path, 9)
    except FileNotFoundError:
        raise UnreadableError("there is no such file") from None
    except OSError as error:
        raise UnreadableError(error.strerror or str(error)) from None
    # A safetensors file begins with the length of its JSON, whose lowest byte may be that of a pickle: 0x80.
    if head[8:] == b"{" and int.from_bytes(head[:8], "little") < path.stat().st_size:
        return read_tensors(path)
    if head.startswith(b"\x93NUMPY"):
        return read_numpy(path), {}
    if head.startswith(b"\x80") or (head.startswith(b"PK") and not _is_npz(path)):
        try:
            return pkgutil.resolve_name(_PICKLES)(path, bare=True).state, {}
        except CheckpointError as error:
            raise UnreadableError(str(error).replace(f"{path} ", "it ", 1)) from None
    if head.startswith(b"PK"):
        return read_numpy(path), {}
    if head[8:] != b"{":
        found = f"is no file of arrays: {_READ_KINDS}" if head else "is empty"
        raise UnreadableError(f"it {found}")
    return read_tensors(path)


def split_name(path: Path) -> tuple[Path, str | None]:
    """Split ``FILE#NAME``, which means one array of a file.

    Args:
        path: a file, with or without the name of an array.

    Returns:
        The file, and the name or None. A file whose own name holds the sign is recognised if it exists.

    """
    file, sign, name = str(path).rpartition("#")
    return (path, None) if not sign or not file or exists(path) else (Path(file), name)


def to_tensor(array: object, name: str) -> Tensor:
    """Take an array from a caller.

    Args:
        array: a tensor, an array of numpy, or lists of numbers.
        name: the argument that it was passed as.

    Returns:
        A tensor on the CPU, without a gradient.

    Raises:
        OptionError: it is nothing of numbers.

    """
    try:
        tensor = torch.as_tensor(array).detach().cpu()
    except (TypeError, ValueError, RuntimeError):
        tensor = None
    if tensor is None or tensor.is_complex() or tensor.dtype == torch.bool:
        raise OptionError(f"{name}: it is an array of numbers, a file or an object of zoo, not {type(array).__name__}")
    return tensor if tensor.is_floating_point() else tensor.to(torch.float64)


def _is_npz(path: Path) -> bool:
    try:
        with open_zip(path) as archive:
            return all(name.endswith(".npy") for name in archive.namelist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return False
