"""Tar archives: what Python's tarfile writes is read alike, in time and memory that no header decides."""

import io
import tarfile
import time
from pathlib import Path

import pytest

from zoo._utils.untrusted.tarfiles import BrokenTarError, tar_members

NAMES = ["G.pth", "folder/G.pth", "ä" * 40, "x" * 99 + "/" + "y" * 60, "long/" * 60 + "G.pth"]


def header(name: str = "G.pth", kind: bytes = tarfile.REGTYPE, size: int = 0) -> bytes:
    member = tarfile.TarInfo(name)
    member.type, member.size = kind, size
    return member.tobuf()


def padded(content: bytes) -> bytes:
    return content + bytes(-len(content) % 512)


def read(content: bytes) -> list[tuple[str, bytes]]:
    return [(one.name, one.content.read() if one.is_file else b"") for one in tar_members(io.BytesIO(content))]


@pytest.mark.parametrize("kind", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_archives_are_read_as_tarfile_reads_them(kind: int) -> None:
    file = io.BytesIO()
    names = [name for name in NAMES if kind != tarfile.USTAR_FORMAT or len(name) < 256]
    with tarfile.open(fileobj=file, mode="w", format=kind) as archive:
        for index, name in enumerate(names):
            for member_kind in (tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.REGTYPE):
                member = tarfile.TarInfo(name)
                member.type, member.linkname, member.mtime = member_kind, "elsewhere", 0.5
                member.size = 300 * index * (member_kind == tarfile.REGTYPE)
                archive.addfile(member, io.BytesIO(bytes([index]) * member.size))
    members = read(file.getvalue())
    assert [name.rstrip("/") for name, _ in members] == [name for name in names for _ in range(3)]
    assert [content for _, content in members[2::3]] == [bytes([i]) * 300 * i for i in range(len(names))]


def test_a_number_may_be_binary() -> None:
    large = bytearray(header(size=5))
    large[124:136] = b"\x80" + bytes(10) + b"\x05"
    checksum = sum(large[:148]) + 8 * 32 + sum(large[156:])
    large[148:156] = f"{checksum:06o}\0 ".encode()
    assert read(bytes(large) + padded(b"12345")) == [("G.pth", b"12345")]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (header()[:300], "cut off"),
        (header(size=2000) + bytes(512), "ends within a member"),
        (header().replace(b"G", b"D", 1), "checksum"),
        (header(kind=tarfile.XHDTYPE, size=2**21), "longer than any name"),
        (header(kind=tarfile.GNUTYPE_LONGNAME, size=2**32), "longer than any name"),
        (header(kind=tarfile.XHDTYPE, size=400) + padded(b"999 path=x\n".ljust(400)), "extended header"),
        (header(kind=tarfile.XHDTYPE, size=400) + padded(b"x" * 400), "extended header"),
        (header(kind=tarfile.GNUTYPE_SPARSE), "sparse"),
        (header(kind=tarfile.DIRTYPE) * 50_000, "more members"),
        (header(kind=tarfile.XHDTYPE) * 50_000, "more members"),
    ],
)
def test_a_damaged_or_endless_archive_is_refused(content: bytes, words: str) -> None:
    with pytest.raises(BrokenTarError, match=words):
        read(content)


def test_the_digits_of_an_extended_header_take_linear_time() -> None:
    """tarfile looked for the number of a field at each of its digits: CVE-2024-6232."""
    text = b"1" * 2**20
    start = time.process_time()
    with pytest.raises(BrokenTarError, match="extended header"):
        read(header(kind=tarfile.XHDTYPE, size=len(text)) + padded(text))
    assert time.process_time() - start < 0.5


def test_a_damaged_archive_is_read_or_refused(tmp_path: Path) -> None:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(tarfile.TarInfo("ä" * 200))
    content = file.getvalue()[:2048]
    outcomes = set()
    for position in range(0, 2048, 5):
        damaged = content[:position] + b"\xff" + content[position + 1 :]
        try:
            outcomes.add(len(read(damaged)))
        except BrokenTarError:
            outcomes.add(-1)
    assert outcomes == {-1, 1}
