"""Masks, directions, codes, notes and archives: what they open, what they cost, and what they bring to the terminal."""

from __future__ import annotations

import functools
import gzip
import io
import json
import os
import random
import struct
import tarfile
import warnings
import zipfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save

from tests.attack.attack import READ, REFUSED, Attack, Fuzzed
from tests.attack.mutations import mutated_bytes, mutated_pickle, mutated_value
from tests.support.containers import network, nvidia_pickle
from zoo.checkpoints.metadata import read_metadata
from zoo.checkpoints.reader import read_checkpoint
from zoo.core import Directions
from zoo.core.files.arrays import ReadingWarning
from zoo.core.files.codes import load_codes
from zoo.core.region import parse_region
from zoo.errors import AnalysisWarning, WeightsError
from zoo.weights.sources.archive import copy_member

Write = Callable[[Path], object]
Read = Callable[[Path], object]

SIZE = (8, 8)
WILD = "a\x1b[31mb\u202ec\u2066\x07\x9b2J\u2028d\n"
CARD = {"format": "zoo-directions/1", "space": {"name": "z", "dim": 4, "layers": 1}, "layers": None, "kept": None}


def read_mask(path: Path) -> object:
    """Read a mask; what it says about its reading is not of interest."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ReadingWarning)
        return parse_region(f"mask:{path}", SIZE)


def read_directions(path: Path) -> str:
    """Read directions, and show them in every way."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AnalysisWarning | ReadingWarning)  # type: ignore[arg-type]
        directions = Directions.load(path)
    shown = repr(directions) + directions.label(0) + str(directions.move(0, 1.0)) + directions._repr_html_()
    assert shown.isprintable(), "control signs are shown"
    assert directions.by_row().shape[0] == len(directions)
    return shown


def read_codes(path: Path) -> object:
    """Read codes, without a model."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ReadingWarning)
        return repr(load_codes(path)[0])


def take_member(path: Path) -> None:
    """Take a member out of a fetched archive."""
    copy_member(path, "G.pth", path.with_name("out"), max_bytes=2**20)


# --- pictures --------------------------------------------------------------------------------------------------------


def _picture(kind: str, mode: str = "L", side: int = 8, **options: Any) -> bytes:
    shades = Image.fromarray(np.kron(np.eye(2), np.full((side // 2, side // 2), 255)).astype(np.uint8))
    file = io.BytesIO()
    shades.convert(mode).save(file, kind, **options)
    return file.getvalue()


def _eps() -> bytes:
    payload = b"(%pipe%touch PWNED) (w) file closefile\n"
    return _picture("EPS").replace(b"gsave", payload + b"gsave", 1)


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def _png(width: int, height: int, *chunks: bytes, bits: int = 8, colours: int = 0) -> bytes:
    header = _chunk(b"IHDR", struct.pack(">2I5B", width, height, bits, colours, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + _chunk(b"IEND", b"")


def _flat_png(side: int) -> bytes:
    return _png(side, side, _chunk(b"IDAT", zlib.compress(bytes(side * (3 * side + 1)))), colours=2)


def _tiff(*tags: tuple[int, int, int, int], data: bytes = b"") -> bytes:
    entries = b"".join(struct.pack("<2H2L", *tag) for tag in tags)
    return b"II*\0" + struct.pack("<L", 8 + len(data)) + data + struct.pack("<H", len(tags)) + entries + bytes(4)


def _webp(side: int) -> bytes:
    body = b"VP8X" + struct.pack("<L", 10) + bytes(4) + (side - 1).to_bytes(3, "little") * 2
    return b"RIFF" + struct.pack("<L", len(body) + 4) + b"WEBP" + body


def _rle(width: int) -> bytes:
    header = struct.pack("<3L2H6L", 40, width, 1, 1, 8, 1, 0, 0, 0, 1, 1)
    return b"BM" + struct.pack("<3L", 1000, 0, 14 + 40 + 4) + header + bytes([1, 2, 3, 0]) + b"\0\2\0\xff" * 99


def _scans() -> bytes:
    content = _picture("JPEG", side=2048, progressive=True)
    last = content.rindex(b"\xff\xda")
    return content[:-2] + content[last:-2] * 1000 + content[-2:]


def _shades_of_16_bits() -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.arange(64, dtype=np.uint16).reshape(8, 8) * 8).save(file, "PNG")
    return file.getvalue()


PICTURES: dict[str, tuple[str, Callable[[], bytes]]] = {
    "an EPS named .png": ("another format", _eps),
    **{
        f"a picture of {kind}": ("another format", functools.partial(_picture, kind, mode))
        for kind, mode in {"TGA": "RGB", "PCX": "L", "ICO": "RGB", "DDS": "RGB", "SPIDER": "F", "SGI": "L"}.items()
    },
    "an EMF named .png": ("another format", lambda: b"\1\0\0\0\x6c\0\0\0" + bytes(32) + b" EMF" + bytes(100)),
    "a PDF": ("another format", functools.partial(_picture, "PDF")),
    "PNG of 2**31 pixels a side": ("very many pixels", lambda: _png(2**31 - 1, 2**31 - 1, _chunk(b"IDAT", b"x"))),
    "flat PNG of 5,000 pixels a side": ("very many pixels", lambda: _flat_png(5000)),
    "flat PNG as large as may be": ("very many pixels", lambda: _flat_png(2896)),
    "PNG of one row": ("very many pixels", lambda: _png(2**22, 1, _chunk(b"IDAT", zlib.compress(bytes(2**22 + 1))))),
    "WebP of a large canvas": ("very many pixels", lambda: _webp(2**16)),
    "BMP of a long row": ("very many pixels", lambda: _rle(2**23)),
    "PPM of text": ("slow encodings", lambda: b"P2 2800 2800 255 " + b"0 " * 9),
    "PPM of comments": ("slow encodings", lambda: b"P2 8 8 255 " + b"#\n" * 2**20),
    "PPM of a long comment": ("slow encodings", lambda: b"P5 #" + b"x" * 2**24),
    "JPEG of 1,000 scans": ("slow encodings", _scans),
    "JPEG of junk": ("slow encodings", lambda: b"\xff\xd8\xff\xe0\0\2" + b"\1" * 2**24),
    "GIF of comments": ("slow encodings", lambda: b"GIF89a\x08\0\x08\0\0\0\0!\xfe" + (b"\xff" + b"c" * 255) * 2**16),
    "PNG of empty chunks": ("slow encodings", lambda: _png(8, 8, *[_chunk(b"IDAT", b"")] * 2**18)),
    "PNG of long texts": (
        "slow encodings",
        lambda: _png(8, 8, *[_chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(2**20 - 1)))] * 200),
    ),
    "TIFF whose tags share their data": (
        "slow encodings",
        lambda: _tiff(*((300 + tag, 1, 2**20, 8) for tag in range(9000)), data=bytes(2**20)),
    ),
    "TIFF of one large tile": (
        "slow encodings",
        lambda: _tiff(
            (256, 4, 1, 8), (257, 4, 1, 8), (258, 4, 1, 8), (259, 4, 1, 8), (262, 4, 1, 1),
            (322, 4, 1, 2**15), (323, 4, 1, 2**15), (324, 4, 1, 8), (325, 4, 1, 2**20),
            data=zlib.compress(bytes(2**28)),
        ),
    ),
    "16 bits, almost black": ("16 bits", _shades_of_16_bits),
}  # fmt: skip


# --- files of tensors ------------------------------------------------------------------------------------------------


def _safetensors(header: bytes, content: bytes = b"") -> bytes:
    return struct.pack("<Q", len(header)) + header + content


def _directions(**card: Any) -> bytes:
    return _directions_with(json.dumps({**CARD, **card}))


def _directions_with(card: str) -> bytes:
    return save({"vectors": torch.eye(4)[:2], "scores": torch.ones(2)}, metadata={"card": card})


def _lists(count: int) -> bytes:
    return _directions_with(json.dumps(CARD)[:-1] + ', "x": [' + "[]," * count + "[]]}")


def _many_tensors(count: int) -> bytes:
    entry = ",".join(f'"{i}":{{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}' for i in range(count))
    return _safetensors(f"{{{entry}}}".encode())


TENSORS: dict[str, tuple[str, Callable[[], bytes], str]] = {
    "a card of 20 MB of lists": ("metadata", lambda: _lists(7 * 10**6), REFUSED),
    "a card of 4 MB of lists": ("metadata", lambda: _lists(13 * 10**5), READ),
    "a header of 95 MB": ("metadata", lambda: _safetensors(b"{" + b" " * 95 * 10**6 + b"}"), REFUSED),
    "a header of 200,000 tensors": ("metadata", lambda: _many_tensors(200_000), REFUSED),
    "a length beyond the file": ("metadata", lambda: struct.pack("<Q", 2**62) + b"{}", REFUSED),
    "deep nesting": ("metadata", lambda: _directions_with("[" * 100_000), REFUSED),
    "a number of 4,000,000 digits": (
        "metadata", lambda: _directions_with('{"format":' + "9" * 4 * 10**6 + "}"), REFUSED
    ),
    **{
        f"{key} is {value!r}": ("values of other types", functools.partial(_directions, **{key: value}), REFUSED)
        for key, value in {
            "weights_sha256": {}, "model": ["x"], "region": {"a": 1}, "analyzer": 5, "space": [], "layers": [{}],
            "kept": ["x", {}], "attributes": 5,
        }.items()
    },
    "texts of control signs": (
        "control signs", lambda: _directions(attributes=[WILD, WILD], model=WILD, region=WILD), READ
    ),
}  # fmt: skip


# --- archives --------------------------------------------------------------------------------------------------------


def _tar_header(name: str = "G.pth", kind: bytes = tarfile.REGTYPE, size: int = 0) -> bytes:
    member = tarfile.TarInfo(name)
    member.type, member.size = kind, size
    return member.tobuf()


def _zip(count: int, content: bytes = b"", method: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for index in range(count):
            archive.writestr(f"{index}.npy", content)
    return file.getvalue()


@functools.cache
def _gzip_bomb() -> bytes:
    return gzip.compress(bytes(2**28))


ARCHIVES: dict[str, tuple[str, Callable[[], bytes]]] = {
    "tar of digits": ("numbers", lambda: _tar_header(kind=tarfile.XHDTYPE, size=2**20) + b"1" * 2**20),
    "tar of a million digits, packed": (
        "numbers",
        lambda: gzip.compress(_tar_header(kind=tarfile.XHDTYPE, size=10**6) + b"0" * 10**6 + bytes(448 + 1024)),
    ),
    "tar of 300,000 members": ("very many members", lambda: _tar_header() * 300_000),
    "tar of 300,000 folders": ("very many members", lambda: _tar_header(kind=tarfile.DIRTYPE) * 300_000),
    "tar of 1,500,000 members, packed": ("very many members", lambda: gzip.compress(_tar_header() * 1_500_000)),
    "zip of 60,000 members": ("very many members", lambda: _zip(60_000)),
    "gzip bomb": ("bombs", _gzip_bomb),
    "tar within a gzip bomb": ("bombs", lambda: gzip.compress(_tar_header(size=2**28) + bytes(2**28))),
    "zip bomb": ("bombs", lambda: _zip(1, bytes(2**28), zipfile.ZIP_DEFLATED)),
    "tar that claims 8 GB": ("false claims", lambda: _tar_header(size=2**33 - 1) + bytes(512)),
}


# --- the lists -------------------------------------------------------------------------------------------------------


def _written(make: Callable[[], bytes]) -> Write:
    return lambda folder: (folder / "file.png").write_bytes(make())


def _reading(read: Read, name: str = "file.png") -> Read:
    return lambda folder: read(folder / name)


def _sparse(folder: Path) -> None:
    (folder / "file.png").write_bytes(b"PK\3\4")
    os.truncate(folder / "file.png", 3 * 2**40)


def _card_of_eps(folder: Path) -> None:
    (folder / "mouth.png").write_bytes(_eps())
    (folder / "dirs").write_bytes(_directions(region="mask:mouth.png"))


def _region_of(folder: Path) -> object:
    region = Directions.load(folder / "dirs").provenance["region"]
    return parse_region(region, SIZE, opens_files=False)


_FILES: dict[str, Read] = {
    "masks": read_mask,
    "directions": read_directions,
    "codes": read_codes,
    "weights": read_checkpoint,
    "archives": take_member,
}
ATTACKS = [
    *(
        Attack("masks", name, _written(make), _reading(read_mask), kind)
        for name, (kind, make) in PICTURES.items()
    ),
    *(
        Attack("directions", name, _written(make), _reading(read_directions), kind, (may,))
        for name, (kind, make, may) in TENSORS.items()
    ),
    *(
        Attack("notes", name, _written(make), _reading(read_metadata), kind, (READ,))
        for name, (kind, make, _) in TENSORS.items()
        if kind == "metadata"
    ),
    *(
        Attack(
            *(reader, f"{name} as {reader}", _written(make), _reading(read), f"archives: {kind}"),
            may=(READ, REFUSED) if reader == "archives" else (REFUSED,),  # a member is taken out before what follows it
        )
        for reader, read in _FILES.items()
        if reader in {"weights", "codes", "archives"}
        for name, (kind, make) in ARCHIVES.items()
    ),
    *(
        Attack(reader, "a sparse file of 3 TB", _sparse, _reading(read), "files that never end", size=4)
        for reader, read in _FILES.items()
    ),
    *(
        Attack(reader, f"a {name}", make, read, "files that never end")
        for reader, reader_of in _FILES.items()
        if reader != "archives"
        for name, make, read in (
            ("pipe", lambda folder: os.mkfifo(folder / "file.png"), _reading(reader_of)),
            ("device", lambda _: None, lambda _, reader_of=reader_of: reader_of(Path("/dev/zero"))),
        )
    ),
    Attack("masks", "a mask named in directions", _card_of_eps, _region_of, "a path from a file"),
    Attack(
        "masks",
        "a mask named in a card",
        _card_of_eps,
        lambda _: parse_region("not:mouth", SIZE, {"mouth": "mask:mouth.png"}),
        "a path from a file",
    ),
]  # fmt: skip


@functools.cache
def honest_pictures() -> Sequence[bytes]:
    """Small masks in every format, and a few of those that are refused."""
    kinds = {"PNG": "1 L LA P RGB RGBA", "JPEG": "L RGB CMYK", "WEBP": "RGB RGBA", "GIF": "L P", "BMP": "1 L P RGB"}
    kinds |= {"TIFF": "1 L LA P RGB RGBA CMYK I F", "PPM": "1 L RGB I F", "EPS": "L", "ICO": "RGB", "DDS": "RGB"}
    made = [_picture(kind, mode) for kind, modes in kinds.items() for mode in modes.split()]
    packed = [_picture("TIFF", "L", compression=name) for name in ("tiff_lzw", "tiff_deflate", "packbits")]
    return [*made, *packed, _shades_of_16_bits(), _webp(8), _rle(8), _picture("JPEG", progressive=True)]


def mutated_directions(_: Sequence[bytes], chance: random.Random) -> bytes:
    """Directions whose card has values of other types, or whose bytes are damaged."""
    full = {
        **CARD,
        "attributes": ["a", "b"],
        "model": "m",
        "region": "all",
        "weights_sha256": "0" * 64,
        "shape": [2, 4],
    }
    full |= {"analyzer": "sefa", "measured": {"steps": [1.0, 1.0], "seed": 0, "codes": 2, "labels": None}}
    content = _directions_with(json.dumps(mutated_value(full, chance, 1)))
    return mutated_bytes([content], chance) if chance.random() < 0.3 else content


@functools.cache
def honest_arrays() -> Sequence[bytes]:
    """Codes in every kind of file."""
    files = [io.BytesIO() for _ in range(4)]
    np.save(files[0], np.ones((2, 4), np.float32))
    np.savez(files[1], w=np.ones((2, 4)), s=np.array(["x"]))
    np.savez_compressed(files[2], w=np.ones((2, 4)))
    torch.save({"latents": torch.ones(2, 4)}, files[3])
    card = {"format": "zoo-codes/1", "truncation": 0.5, "seeds": [1, 2]}
    own = save({"latents": torch.ones(2, 4), "labels": torch.zeros(2, dtype=torch.long)}, {"card": json.dumps(card)})
    return [*(file.getvalue() for file in files), own, _directions()]


@functools.cache
def honest_archives() -> Sequence[bytes]:
    """Small archives of every kind."""
    content = nvidia_pickle({"G_ema": network({"a": torch.ones(2)})}, 4)
    files = [io.BytesIO() for _ in range(6)]
    options: list[Any] = [
        {"format": tarfile.GNU_FORMAT},
        {"format": tarfile.PAX_FORMAT},
        {"format": tarfile.USTAR_FORMAT},
    ]
    for file, option in zip(files, options, strict=False):
        with tarfile.open(fileobj=file, mode="w", **option) as archive:
            for name in ("ä" * 70 if option["format"] != tarfile.USTAR_FORMAT else "a", "G.pth"):
                member = tarfile.TarInfo(name)
                member.size, member.mtime = len(content), 0.5
                archive.addfile(member, io.BytesIO(content))
    for file, method in zip(files[3:], (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA), strict=True):
        with zipfile.ZipFile(file, "w", method) as archive:
            archive.writestr("G.pth", content)
    return [*(file.getvalue() for file in files), gzip.compress(files[1].getvalue()), gzip.compress(content)]


def open_archive(path: Path) -> object:
    """Take a member out, as of a fetched archive, and read the weights, as of one that a user names."""
    out = path.with_name("out")
    try:
        copy_member(path, "G.pth", out, max_bytes=2**20)
    except WeightsError as error:
        assert str(error).isprintable()
    finally:
        out.unlink(missing_ok=True)
    return read_checkpoint(path)


FUZZED = [
    Fuzzed("masks", "damaged pictures", honest_pictures, read_mask, suffix=".png", share=20),
    Fuzzed("directions", "damaged cards", lambda: [], read_directions, mutate=mutated_directions, share=15),
    Fuzzed("codes", "damaged arrays", honest_arrays, read_codes, mutate=mutated_pickle, share=10),
    Fuzzed("notes", "damaged headers", honest_arrays, read_metadata, share=5),
    Fuzzed("archives", "damaged archives", honest_archives, open_archive, share=5),
]
