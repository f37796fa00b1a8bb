"""Builders of small toys, and of broken and hostile files; none of them needs a download.

A builder takes the path to write. Payloads, were they ever executed, would make a file `PWNED` in the working folder.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import json
import os
import pickle
import re
import struct
import subprocess
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save as to_safetensors
from torch import Tensor
from zoo_adapters.dcgan.adapter import DCGAN

from tests.support.golden import Golden
from zoo._utils.writing import system_calls
from zoo._utils.writing.manifest import write_manifest
from zoo.registry.plain_yaml import dump_plain_yaml

State = dict[str, Any]
Builder = Callable[[Path], object]

PWNED = "PWNED"
ZEROS = "0" * 64


class Payload:
    """Runs a command when a pickle of it is loaded by anything that trusts it."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.system, (f"touch {PWNED}",))


# --- toys ----------------------------------------------------------------------------------------------------------


def toy_state() -> dict[str, Tensor]:
    """A tiny DCGAN in the layout `named`: 16x16 pixels, a code of 12 numbers."""
    state = {}
    for key, tensor in DCGAN.tiny(0).network.state_dict().items():
        kind, number, rest = key.split(".")
        name = "convTr" if kind == "convs" else "batchNorm"
        state[f"{name}{int(number) + 1}.{rest}"] = tensor.clone()
    return state


def halved(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A state as `module.half()` makes it: counters stay integers."""
    return {key: value.half() if value.is_floating_point() else value for key, value in state.items()}


def eyes_state() -> dict[str, Tensor]:
    """A tiny conditional DCGAN in the layout `omniart-eyes`: 8x8 pixels, a code of 100 numbers, eight classes."""
    generator = torch.Generator().manual_seed(1)
    return {
        "main.0.weight": torch.randn(108, 8, 4, 4, generator=generator) * 0.1,
        "main.1.weight": torch.ones(8),
        "main.1.bias": torch.zeros(8),
        "main.1.running_mean": torch.zeros(8),
        "main.1.running_var": torch.ones(8),
        "main.1.num_batches_tracked": torch.tensor(1),
        "main.4.weight": torch.randn(8, 3, 4, 4, generator=generator) * 0.1,
    }


def card(name: Any, url: str, /, **changes: Any) -> dict[str, Any]:
    """The fields of a model card for the toy; a change to None takes a field out."""
    fields: dict[str, Any] = {
        "name": name,
        "adapter": "dcgan",
        "summary": "a toy",
        "resolution": 16,
        "space": "z",
        "dim": 12,
        "weights": {"sources": [{"url": url}]},
        "licence": {"weights": "CC0"},
        **changes,
    }
    return {key: value for key, value in fields.items() if value is not None}


def write_cards(path: Path, *cards: Mapping[str, Any]) -> None:
    path.write_text(dump_plain_yaml({"models": [dict(fields) for fields in cards]}), encoding="utf-8")


def cards(**changes: Any) -> Builder:
    """A registry file with one card, some of its fields changed."""
    return lambda path: write_cards(path, card("new.one", "toy.pt", **changes))


def directions_card(**changes: Any) -> dict[str, Any]:
    return {
        "format": "zoo-directions/1",
        "space": {"name": "z", "dim": 12, "layers": 1},
        "layers": None,
        "kept": None,
        **changes,
    }


def write_directions(path: Path, vectors: Tensor, text: str | None) -> None:
    metadata = None if text is None else {"card": text}
    path.write_bytes(to_safetensors({"vectors": vectors, "scores": torch.ones(len(vectors))}, metadata=metadata))


def write_codes(path: Path, tensors: Mapping[str, Tensor], text: str | None = None) -> None:
    path.write_bytes(to_safetensors(dict(tensors), metadata=None if text is None else {"card": text}))


def furnish(folder: Path) -> None:
    """Write what every call may use: two toy models, a registry of them, directions, codes, an earlier run."""
    torch.save(toy_state(), folder / "toy.pt")
    torch.save(eyes_state(), folder / "eyes.pt")
    sha256 = hashlib.sha256((folder / "toy.pt").read_bytes()).hexdigest()
    source = {"url": "pypi://toy-gan==1.0/toy_gan/toy.pt"}
    pinned = {"sources": [source], "sha256": sha256, "size": (folder / "toy.pt").stat().st_size}
    boxes = {
        "mouth": "box:8,4,4,8",
        "loop": "left+spiral",
        "spiral": "not:loop",
        "outside": "box:0,0,99,1",
        "dangling": "mouth+nothing",
    }
    write_cards(
        folder / "zoo.yaml",
        card("toy.plain", "toy.pt", default=True, regions=boxes),
        card("toy.eyes", "eyes.pt", resolution=8, dim=100),
        card("toy.avatars", "toy.pt"),  # the name that zoo's own scorer knows
        card("toy.lost", "lost.pt"),
        card("toy.swapped", "toy.pt", weights={"sources": [{"url": "toy.pt"}], "sha256": ZEROS}),
        card("toy.alien", "toy.pt", adapter="dcgam"),
        card("toy.config", "toy.pt", config={"depth": 4}),
        card("toy.far", "", weights=pinned),
        card("toy.wheel", "", weights={**pinned, "sources": [{**source, "archive_sha256": ZEROS}]}),
    )
    write_directions(folder / "dirs.safetensors", torch.eye(12)[:3], json.dumps(directions_card()))
    write_codes(folder / "codes.safetensors", {"latents": torch.randn(2, 12)})
    earlier = folder / "earlier"
    earlier.mkdir()
    (earlier / "samples.png").write_bytes(b"an earlier run")
    (earlier / "codes.safetensors").write_bytes(b"precious")
    write_manifest(earlier)


# A name that would have 10**9 letters if it were printed.
YAML_BOMB = "\n".join(
    ["l0: &l0 [x, x]"]
    + [f"l{level}: &l{level} [{', '.join([f'*l{level - 1}'] * 10)}]" for level in range(1, 10)]
    + ["models: [{name: *l9}]"]
)


# --- plain bytes ---------------------------------------------------------------------------------------------------


def raw(content: bytes) -> Builder:
    return lambda path: path.write_bytes(content)


def text(content: str) -> Builder:
    return raw(content.encode())


PNG_START = b"\x89PNG\r\n\x1a\n"


# --- torch files ---------------------------------------------------------------------------------------------------


def torch_file(content: Any, *, legacy: bool = False) -> Builder:
    return lambda path: torch.save(content, path, _use_new_zipfile_serialization=not legacy)


def golden(name: str) -> Builder:
    """A good file of another family, as its original implementation keeps it."""
    return lambda path: torch.save(Golden.read(name).state, path)


def toy_but(**changes: Any) -> Builder:
    """The toy's weights, some of them replaced (`__` stands for a point); None takes one out."""

    def build(path: Path) -> None:
        state: State = {**toy_state(), **{key.replace("__", "."): value for key, value in changes.items()}}
        torch.save({key: value for key, value in state.items() if value is not None}, path)

    return build


def pickled(content: Any, protocol: int = 2) -> Builder:
    return raw(pickle.dumps(content, protocol))


def members_of(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write_zip(path: Path, members: Mapping[str, bytes], method: int = zipfile.ZIP_STORED) -> None:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def rezipped(change: Callable[[str, bytes], tuple[str, bytes] | None], method: int = zipfile.ZIP_STORED) -> Builder:
    """The toy's torch file, zipped again with every member passed through `change`; None leaves one out."""

    def build(path: Path) -> None:
        torch.save(toy_state(), path)
        changed = [change(name, content) for name, content in members_of(path).items()]
        write_zip(path, dict(pair for pair in changed if pair is not None), method)

    return build


def truncated_torch(path: Path) -> None:
    torch.save(toy_state(), path)
    path.write_bytes(path.read_bytes()[:-300])


def torchscript(path: Path) -> None:
    """A zip that torch takes for a TorchScript archive: it has a member `constants.pkl`."""
    torch.save(toy_state(), path)
    members = members_of(path)
    root = next(iter(members)).partition("/")[0]
    code = {f"{root}/constants.pkl": b"\x80\x02).", f"{root}/code/__torch__.py": b"import os; os.system('touch PWNED')"}
    write_zip(path, {**members, **code})


def bomb(path: Path) -> None:
    """Thirty megabytes of zeros in thirty kilobytes."""
    members = {"archive/data.pkl": b"\x80\x02}.", "archive/data/0": bytes(30 * 2**20)}
    write_zip(path, members, zipfile.ZIP_DEFLATED)


def lying_storage(path: Path) -> None:
    """A storage of 16 bytes that its pickle says holds 4,000."""
    torch.save({"convTr1.weight": torch.zeros(4)}, path)
    lie = b"J" + struct.pack("<i", 1000)
    write_zip(path, {name: content.replace(b"K\x04", lie) for name, content in members_of(path).items()})


def shared_storage(path: Path) -> None:
    """Two hundred tensors of a megabyte each, all views of the same megabyte, one number apart."""
    base = torch.zeros(2**18 + 200)
    torch.save({f"w{index}": base[index : index + 2**18] for index in range(200)}, path)


def nested(depth: int) -> Any:
    content: Any = torch.zeros(1)
    for _ in range(depth):
        content = [content]
    return {"w": content}


def deeply_pickled(path: Path) -> None:
    """A list in a list in a list, a hundred thousand deep, written by hand: pickle itself would give up."""
    depth = 100_000
    torch.save({}, path)
    pickle_text = b"\x80\x02}X\x01\x00\x00\x00a" + b"]" * depth + b"a" * (depth - 1) + b"s."
    members = {name: pickle_text if name.endswith("data.pkl") else body for name, body in members_of(path).items()}
    write_zip(path, members)


def recursive() -> Any:
    content: list[Any] = [torch.zeros(1)]
    content.append(content)
    return {"w": content}


def lattice() -> Any:
    """Lists of one and the same list, twelve levels of thirty: a small file, 30 ** 12 empty leaves when walked."""
    content: list[Any] = []
    for _ in range(12):
        content = [content] * 30
    return {"w": content, "tensor": torch.zeros(1)}


def many_plain_values() -> Any:
    return {"w": torch.zeros(1), "values": ["text"] * 300_000}


# --- safetensors files ---------------------------------------------------------------------------------------------


def safetensors(header: Mapping[str, Any] | bytes, data: bytes = b"", *, length: int | None = None) -> Builder:
    """A safetensors file made by hand, with a header that may be false, also about its own length."""
    body = header if isinstance(header, bytes) else json.dumps(header).encode()
    return raw(struct.pack("<Q", len(body) if length is None else length) + body + data)


def one_tensor(dtype: str, shape: Sequence[int], start: int, end: int) -> dict[str, Any]:
    return {"convTr1.weight": {"dtype": dtype, "shape": list(shape), "data_offsets": [start, end]}}


def truncated_safetensors(path: Path) -> None:
    path.write_bytes(to_safetensors(toy_state())[:-100])


def safetensors_but(**changes: Tensor) -> Builder:
    state = {**toy_state(), **{key.replace("__", "."): value for key, value in changes.items()}}
    return raw(to_safetensors({key: value.contiguous() for key, value in state.items()}))


# --- codes and directions ------------------------------------------------------------------------------------------


def codes(latents: Tensor, labels: Tensor | None = None, *, text: str | None = None, name: str = "latents") -> Builder:
    tensors = {name: latents} | ({} if labels is None else {"labels": labels})
    return lambda path: write_codes(path, tensors, text)


def array(values: Any, *, allow_pickle: bool = False) -> Builder:
    return lambda path: np.save(path, values, allow_pickle=allow_pickle)


def array_archive(path: Path) -> None:
    """An .npz archive under the name of an .npy file."""
    with path.open("wb") as file:
        np.savez(file, a=np.zeros((1, 12)), b=np.zeros((1, 12)))


def object_array() -> Any:
    values = np.empty(1, dtype=object)
    values[0] = Payload()
    return values


def array_header(header: str, data: bytes = b"") -> Builder:
    body = header.encode().ljust(118) + b"\n"
    return raw(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(body)) + body + data)


def directions(vectors: Tensor | None = None, **changes: Any) -> Builder:
    """A directions file whose card is changed, or whose vectors are."""
    rows = torch.eye(12)[:2] if vectors is None else vectors
    return lambda path: write_directions(path, rows, json.dumps(directions_card(**changes)))


def directions_text(text: str | None) -> Builder:
    return lambda path: write_directions(path, torch.eye(12)[:2], text)


def truncated(build: Builder, keep: int = 150) -> Builder:
    def build_and_cut(path: Path) -> None:
        build(path)
        path.write_bytes(path.read_bytes()[:keep])

    return build_and_cut


DEEP_JSON = '{"a":' + "[" * 50_000 + "]" * 50_000 + "}"


# --- pictures ------------------------------------------------------------------------------------------------------


def picture(width: int, height: int, value: int = 255) -> Builder:
    return lambda path: Image.new("L", (width, height), value).save(path, "PNG")


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, *chunks: bytes) -> bytes:
    return PNG_START + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)) + b"".join(chunks)


def bad_crc_png(path: Path) -> None:
    data = chunk(b"IDAT", zlib.compress(bytes(17 * 16)))
    path.write_bytes(png(16, 16, data[:-6], b"\x00\x00" * 3, chunk(b"IEND", b"")))


TEXT_BOMB = chunk(b"zTXt", b"a\x00\x00" + zlib.compress(bytes(64 * 2**20)))


# --- wheels --------------------------------------------------------------------------------------------------------


def wheel_with(content: bytes, name: str = "toy_gan/toy.pt", method: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        archive.writestr(name, content)
    return buffer.getvalue()


def encrypted_wheel() -> bytes:
    """A wheel whose member says that it is encrypted."""
    wheel = bytearray(wheel_with(b"secret"))
    wheel[6] |= 1
    wheel[wheel.index(b"PK\x01\x02") + 8] |= 1
    return bytes(wheel)


def strange_method_wheel() -> bytes:
    """A wheel whose member is compressed by a method that does not exist."""
    wheel = bytearray(wheel_with(b"weights"))
    wheel[8] = 77
    wheel[wheel.index(b"PK\x01\x02") + 10] = 77
    return bytes(wheel)


def damaged_wheel() -> bytes:
    """A wheel whose compressed member was overwritten in the middle."""
    wheel = bytearray(wheel_with(os.urandom(4000) + bytes(4000), method=zipfile.ZIP_DEFLATED))
    wheel[1000:1400] = bytes(400)
    wheel[44:60] = b"\xff" * 16
    return bytes(wheel)


class FakePip:
    """Stands in for `subprocess.Popen`: a pip that leaves a wheel where it was told to, or fails; the rest is run."""

    def __init__(self, wheel: bytes | None, stderr: str = "") -> None:
        self.wheel = wheel
        self.stderr = stderr
        self.real = subprocess.Popen
        self.calls: list[list[str]] = []

    def __call__(self, command: list[str], **options: Any) -> Any:
        if "pip" not in command:
            return self.real(command, **options)
        self.calls.append(command)
        if self.wheel is not None:
            Path(command[command.index("--dest") + 1], "toy_gan-1.0-py3-none-any.whl").write_bytes(self.wheel)
        return _Ended(int(self.wheel is None), self.stderr)


class _Ended(contextlib.AbstractContextManager["_Ended"]):
    """A process that has ended."""

    def __init__(self, returncode: int, stderr: str) -> None:
        self.returncode = returncode
        self.stderr = stderr

    def communicate(self, timeout: float | None = None) -> tuple[None, str]:
        return None, self.stderr

    def kill(self) -> None:
        """Do nothing: it has ended."""

    def __exit__(self, *_: object) -> None:
        """Leave everything as it is."""


# --- an operating system that refuses ------------------------------------------------------------------------------


_NAMELESS = getattr(os, "O_TMPFILE", 0)


class Refusal:
    """Lets everything that writes below `folder` go through but the operation with a given number, which fails.

    Operations are: to make a folder, to open a file for writing, to flush one to the disk, to rename one. With
    `errno.ENOSPC` a file gets five bytes and is refused the rest, as by a disk that is full; all else fails at once.
    """

    def __init__(self, folder: Path, fault: int | type[BaseException]) -> None:
        self.folder, self.fault = folder, fault
        self.number = 0
        self.done: list[str] = []

    def install(self, patch: pytest.MonkeyPatch) -> None:
        self._open: Callable[..., IO[Any]] = io.open
        patch.setattr(io, "open", self._opened)
        patch.setattr("builtins.open", self._opened)
        for name in ("mkdir", "rename", "replace", "fsync"):
            patch.setattr(os, name, self._wrapped(name, getattr(os, name)))
        rename = system_calls._exclusive_rename
        patch.setattr(system_calls, "_exclusive_rename", self._wrapped("rename", rename))
        patch.setattr(os, "open", self._low_open(os.open))

    def start(self, number: int) -> None:
        self.number, self.done = number, []

    def _counts(self, what: str, path_or_handle: Any) -> bool:
        """Count an operation below the folder; say whether it is the one to fail."""
        if isinstance(path_or_handle, int):
            path_or_handle = Path(f"/proc/self/fd/{path_or_handle}").readlink()
            if not path_or_handle.is_absolute():  # a pipe, to a program that is being run
                return False
        path = Path(os.fsdecode(path_or_handle)).absolute()
        pointless = what == "mkdir" and (path.exists() or not path.parent.exists())
        if pointless or not path.is_relative_to(self.folder):
            return False
        self.done.append(f"{what} {re.sub(r'[.][0-9a-f]{8}(?=[.])', '', path.name)}")
        return len(self.done) == self.number

    def _raise(self) -> None:
        if isinstance(self.fault, int):
            raise OSError(self.fault, os.strerror(self.fault))
        raise self.fault

    def _wrapped(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(path_or_handle: Any, *arguments: Any, **options: Any) -> Any:
            if self._counts(name, path_or_handle):
                self._raise()
            return real(path_or_handle, *arguments, **options)

        return call

    def _low_open(self, real: Callable[..., int]) -> Callable[..., int]:
        def call(path_or_handle: Any, flags: int, *arguments: Any, **options: Any) -> int:
            writes = flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            nameless = flags & _NAMELESS == _NAMELESS != 0  # leaves no file: libraries probe a folder so
            if writes and not nameless and self._counts("open", path_or_handle):
                self._raise()
            return real(path_or_handle, flags, *arguments, **options)

        return call

    def _opened(self, path_or_handle: Any, mode: str = "r", *arguments: Any, **options: Any) -> IO[Any]:
        if set(mode) & set("wax+") and self._counts("write", path_or_handle):
            if self.fault != errno.ENOSPC:
                self._raise()
            with self._open(path_or_handle, "wb") as half:
                half.write(b"half-")
            return self._open("/dev/full", mode, *arguments, **options)
        return self._open(path_or_handle, mode, *arguments, **options)
