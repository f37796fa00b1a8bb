"""Pictures of others: a fixed list of formats, told by content, and a bound on what a picture may cost."""

import io
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import EpsImagePlugin, Image

from zoo._utils.pictures import PictureError, open_picture

SHADES = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
PICTURE = Image.fromarray(SHADES)


def encoded(kind: str, picture: Image.Image = PICTURE, **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png(width: int, height: int, *chunks: bytes) -> bytes:
    header = chunk(b"IHDR", struct.pack(">2I5B", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + chunk(b"IEND", b"")


def tiff(*tags: tuple[int, int, int, int], data: bytes = b"") -> bytes:
    entries = b"".join(struct.pack("<2H2L", *tag) for tag in tags)
    return b"II*\0" + struct.pack("<L", 8 + len(data)) + data + struct.pack("<H", len(tags)) + entries + bytes(4)


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM", "WEBP", "GIF", "JPEG"])
def test_the_formats_are_told_by_content(tmp_path: Path, kind: str) -> None:
    options: dict[str, Any] = {"lossless": True} if kind == "WEBP" else {}
    (tmp_path / "picture.txt").write_bytes(encoded(kind, **options))
    picture = open_picture(tmp_path / "picture.txt")
    assert (picture.size, picture.format) == ((7, 5), kind)
    if kind not in {"GIF", "JPEG"}:  # which keep fewer colours
        assert np.array_equal(np.asarray(picture), SHADES)


def test_a_photograph_stands_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    (tmp_path / "p").write_bytes(encoded("PNG", exif=exif))
    assert np.array_equal(np.asarray(open_picture(tmp_path / "p")), np.rot90(SHADES, -1))


@pytest.mark.parametrize("kind", ["EPS", "TGA", "PCX", "ICO", "DDS", "SPIDER", "BLP", "SGI", "XBM", "PDF", "DIB"])
def test_other_formats_are_refused_before_their_code_runs(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(*_: object) -> None:
        raise AssertionError("Ghostscript was called")

    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", run)
    mode = {"SPIDER": "F", "BLP": "P", "XBM": "1"}.get(kind, "RGB")
    (tmp_path / "m.png").write_bytes(encoded(kind, PICTURE.convert(mode)))
    with pytest.raises(PictureError, match="it is no readable PNG, JPEG, WebP, GIF, BMP, TIFF or PPM picture"):
        open_picture(tmp_path / "m.png")


def test_libtiff_prints_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    content = encoded("TIFF", compression="tiff_lzw")
    damaged = (
        content[:30],
        content[:-40],
        content[:8] + b"\xff" * 9 + content[17:],
        content.replace(b"\x11\x01", b"\x12\x01"),
    )
    for changed in damaged:
        (tmp_path / "mask.tif").write_bytes(changed)
        with pytest.raises(PictureError):
            open_picture(tmp_path / "mask.tif")
    os.write(2, b"still there")
    assert capfd.readouterr().err == "still there"


def test_a_picture_is_a_regular_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, words in [
        (tmp_path, "it is a folder"),
        (tmp_path / "pipe", "it is a pipe, not a file"),
        (Path("/dev/zero"), "it is a device, not a file"),
        (tmp_path / "none", "there is no such file"),
    ]:
        with pytest.raises(PictureError, match=words):
            open_picture(path)


def large_webp() -> bytes:
    body = b"VP8X" + struct.pack("<L", 10) + bytes(4) + (2**16 - 1).to_bytes(3, "little") * 2
    return b"RIFF" + struct.pack("<L", len(body) + 4) + b"WEBP" + body


COSTLY: dict[str, Callable[[], bytes]] = {
    "more than 67,108,864": lambda: png(2**13, 2**14, chunk(b"IDAT", zlib.compress(b""))),
    "more than": lambda: png(2**17, 1, chunk(b"IDAT", zlib.compress(bytes(2**17 + 1)))),
    "65536 x 65536 pixels": large_webp,
    "slow encoding": lambda: b"P2 4096 4096 255 " + b"0 " * 9,
    "very many comments": lambda: b"P2 8 8 255 " + b"#\n" * 2000,
    "very many scans": lambda: encoded("JPEG", PICTURE.resize((4096, 4096))) + b"\xff\xda" * 100,
    "no readable PNG": lambda: tiff(
        # 3,000 tags, each of which has all of the data as its value
        *((300 + tag, 1, 100_000, 8) for tag in range(3000)),
        data=bytes(100_000),
    ),
    "it is no readable PNG": lambda: tiff(  # a tile of 2³² pixels
        (256, 4, 1, 9), (257, 4, 1, 9), (258, 4, 1, 8), (259, 4, 1, 8), (262, 4, 1, 1),
        (322, 4, 1, 2**16), (323, 4, 1, 2**16), (324, 4, 1, 8), (325, 4, 1, 8), data=bytes(8),
    ),
}  # fmt: skip


@pytest.mark.parametrize("words", COSTLY)
def test_what_costs_more_than_its_pixels_is_refused(tmp_path: Path, words: str) -> None:
    (tmp_path / "m.png").write_bytes(COSTLY[words]())
    with pytest.raises(PictureError, match=words):
        open_picture(tmp_path / "m.png")


def test_damaged_pictures_are_read_or_refused(tmp_path: Path) -> None:
    chance = np.random.default_rng(1)
    file = tmp_path / "m.png"
    sources = [encoded(kind) for kind in ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM")]
    refused = 0
    for index in range(300):
        content = bytearray(sources[index % len(sources)])
        for _ in range(chance.integers(1, 5)):
            content[chance.integers(len(content))] = chance.integers(256)
        file.write_bytes(content[: len(content) - int(chance.integers(20)) * (index % 3 == 0)])
        try:
            open_picture(file)
        except PictureError as error:
            refused += "\n" not in str(error)
    assert 50 < refused < 290
