"""Reading weights files without trusting them: tensors and plain values come out, nothing in the file is executed.

A file is recognised by its content, never by its name. Nested dictionaries are flattened with points, so that a file
``{"netG": {"main.0.weight": …}, "epoch": 5}`` gives the state ``netG.main.0.weight`` and the meta value ``epoch``.
"""

from __future__ import annotations

import pickle
import re
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from zoo.errors import CheckpointError
from zoo.tensorfile import FLOATS

State = dict[str, Tensor]
"""The tensors of a weights file, by key."""

_DEEPEST = 16
_MOST_VALUES = 200_000
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
    """Read a safetensors file or a torch file (zip or legacy) with weights-only loading, on the CPU.

    Every tensor is a dense copy of its own. Raises `CheckpointError` saying what was found for files that are missing,
    truncated, of another kind, that ask for code to be run, or whose tensors claim more than the file holds.
    """
    try:
        with path.open("rb") as file:
            head = file.read(64)
        size = path.stat().st_size
    except OSError as error:
        raise CheckpointError(f"cannot read {path}: {error.strerror}") from None
    if len(head) > 9 and head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= size:
        return Checkpoint(*_read_safetensors(path), "safetensors")
    if head.startswith(b"PK\x03\x04"):
        _check_archive(path, size)
        return Checkpoint(*_read_torch(path), "torch zip")
    if head.startswith(b"\x80"):
        return Checkpoint(*_read_torch(path), "torch legacy")
    kind = next((kind for start, kind in _STRANGERS.items() if head.startswith(start)), None)
    found = "an empty file" if not head else kind or f"bytes {head[:8].hex(' ')}"
    raise CheckpointError(f"{path} is neither a safetensors nor a torch file: it holds {found}")


def require_finite(state: Mapping[str, Tensor], origin: str) -> None:
    """Raise `CheckpointError` if a weight is NaN or infinite."""
    for key, tensor in state.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise CheckpointError(f"{origin}: {key} holds numbers that are not finite; the file is damaged")


def fill_module(module: nn.Module, state: Mapping[str, Tensor], origin: str) -> None:
    """Load a state into a network, every key and shape accounted for.

    Raises `CheckpointError` naming keys that are missing, left over, or of another shape.
    """
    wanted = module.state_dict()
    shared = sorted(wanted.keys() & state.keys())
    faults = {
        "missing": sorted(wanted.keys() - state.keys()),
        "left over": sorted(state.keys() - wanted.keys()),
        "of another shape": [
            f"{key} {tuple(state[key].shape)} instead of {tuple(wanted[key].shape)}"
            for key in shared
            if state[key].shape != wanted[key].shape
        ],
        "of another type": [
            f"{key} {str(state[key].dtype).removeprefix('torch.')}"
            for key in shared
            if (state[key].dtype in FLOATS) != wanted[key].is_floating_point() or state[key].is_complex()
        ],
    }
    told = [f"{what}: {', '.join(keys[:4])}{', …' if len(keys) > 4 else ''}" for what, keys in faults.items() if keys]
    if told:
        raise CheckpointError(f"{origin} does not fit the network; {'; '.join(told)}")
    require_finite({key: tensor.to(wanted[key].dtype) for key, tensor in state.items()}, origin)
    module.load_state_dict(dict(state))


def _read_safetensors(path: Path) -> tuple[State, dict[str, Any]]:
    try:
        with safe_open(path, framework="pt") as file:
            state = {key: file.get_tensor(key).clone() for key in file.keys()}  # noqa: SIM118 - no mapping
            if not state:
                raise CheckpointError(f"{path} holds no tensor")
            return state, dict(file.metadata() or {})
    except (SafetensorError, OSError, ValueError, RuntimeError) as error:
        raise CheckpointError(f"{path} is a broken safetensors file: {_one_line(error)}") from None


def _check_archive(path: Path, size: int) -> None:
    """Refuse archives that torch never writes: compressed members (bombs), or none that torch would read."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise CheckpointError(f"{path} is a truncated or broken zip archive: {_one_line(error)}") from None
    if not any(member.filename.endswith("/data.pkl") for member in members):
        some = ", ".join(member.filename for member in members[:3])
        raise CheckpointError(f"{path} is a zip archive, but not one of torch: it holds {some or 'nothing'}")
    if any(member.filename.endswith("/constants.pkl") for member in members):
        raise CheckpointError(f"{path} is a TorchScript archive, which holds code; zoo reads files of weights only")
    if sum(member.file_size for member in members) > size:
        raise CheckpointError(f"{path} is a zip archive whose members claim to be larger than the file; refused")


def _read_torch(path: Path) -> tuple[State, dict[str, Any]]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about pickle protocols and sparse tensors, whose fate is one line anyway
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(f"{path} was refused: {_what_it_asks(error)}") from None
    except Exception as error:
        raise CheckpointError(f"{path} is a broken torch file: {_one_line(error)}") from None
    if not isinstance(content, Mapping):
        raise CheckpointError(f"{path} holds a {type(content).__name__}, not a dictionary of weights")
    found = _Flattened(path)
    found.add("", content, 0)
    if not found.state:
        raise CheckpointError(f"{path} holds no tensor")
    return found.state, found.meta


class _Flattened:
    """Tensors and plain values of a nested dictionary, by point-joined key, in bounded time and memory."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.state: State = {}
        self.meta: dict[str, Any] = {}
        self._visits = 0
        self._allowance = 4 * path.stat().st_size + 2**20
        self._copies: dict[tuple[Any, ...], Tensor] = {}

    def add(self, key: str, value: Any, depth: int) -> None:
        self._visits += 1
        if depth > _DEEPEST or self._visits > _MOST_VALUES:
            self._refuse("it is nested too deeply or holds too many values")
        if isinstance(value, Tensor):
            if key in self.state:
                self._refuse(f"two tensors are called {key}")
            self.state[key] = self._copy(key, value)
        elif isinstance(value, Mapping):
            for name, item in value.items():
                self.add(f"{key}.{name}" if key else str(name), item, depth + 1)
        elif isinstance(value, list | tuple):
            for index, item in enumerate(value):
                self.add(f"{key}.{index}", item, depth + 1)
        elif isinstance(value, str | int | float | bool | None):
            self.meta[key] = value

    def _copy(self, key: str, tensor: Tensor) -> Tensor:
        """Copy a dense tensor; tied ones share a copy, overlapping ones may not add up to far more than the file."""
        if tensor.layout != torch.strided or tensor.is_quantized or tensor.device.type != "cpu":
            self._refuse(f"{key} is not a dense tensor")
        view = (tensor.data_ptr(), tensor.dtype, tensor.shape, tensor.stride())
        if view in self._copies and tensor.numel():
            return self._copies[view]
        size = tensor.numel() * tensor.element_size()
        self._allowance -= size
        if size > tensor.untyped_storage().nbytes() or self._allowance < 0:
            self._refuse(f"{key} claims more numbers than the file holds")
        self._copies[view] = tensor.detach().clone(memory_format=torch.contiguous_format)
        return self._copies[view]

    def _refuse(self, reason: str) -> NoReturn:
        raise CheckpointError(f"{self.path} was refused: {reason}")


def _what_it_asks(error: Exception) -> str:
    text = re.sub(r"\x1b\[\d*m", "", " ".join(str(error).split()))
    match = re.search(r"GLOBAL ([\w.]+)", text) or re.search(
        r"(?:Unsupported|unsupported) (?:class|global):? ([\w.]+)", text
    )
    if match:
        return f"it asks for {match[1]}, and zoo reads tensors and plain values only"
    text = text.rpartition("WeightsUnpickler error: ")[2]
    return f"it is not a plain file of weights ({text[:120]})"


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text[:160] or type(error).__name__
