"""Archives and addresses: a member is copied out, and nothing else of an archive is believed."""

import hashlib
import io
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import pytest

from tests.support.network import CONTENT, DRIVE_ID, Home, Server, serving
from zoo import WeightsError
from zoo.registry.sources import SCHEMES, Source, hide_secrets
from zoo.weights.sources import MODULES
from zoo.weights.sources.archive import copy_member


def zipped(path: Path, name: str = "138k/G.pth", content: bytes = CONTENT) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("../evil.pth", b"outside")
        archive.writestr(name, content)
    return path


def tarred(path: Path, mode: Literal["w", "w:gz", "w:xz"] = "w:gz", kind: bytes = tarfile.REGTYPE) -> Path:
    with tarfile.open(path, mode) as archive:
        member = tarfile.TarInfo("138k/G.pth")
        member.type, member.size, member.linkname = kind, len(CONTENT) * (kind == tarfile.REGTYPE), "/etc/hostname"
        archive.addfile(member, io.BytesIO(CONTENT))
    return path


@pytest.mark.parametrize("make", [zipped, tarred, lambda path: tarred(path, "w"), lambda path: tarred(path, "w:xz")])
def test_a_member_is_copied_out_and_nothing_else(make: Callable[[Path], Path], tmp_path: Path) -> None:
    archive = make(tmp_path / "archive")
    copy_member(archive, "138k/G.pth", tmp_path / "copy", max_bytes=10**6)
    assert (tmp_path / "copy").read_bytes() == CONTENT
    assert {path.name for path in tmp_path.iterdir()} == {"archive", "copy"}
    assert not (tmp_path.parent / "evil.pth").exists()


def cut(path: Path) -> Path:
    whole = tarred(path).read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    return path


def plain(path: Path) -> Path:
    path.write_bytes(CONTENT)
    return path


def encrypted(path: Path) -> Path:
    content = bytearray(zipped(path).read_bytes())
    for mark in (b"PK\x03\x04", b"PK\x01\x02"):  # set the flag of every entry
        place = content.find(mark)
        while place >= 0:
            content[place + (6 if mark[2] == 3 else 8)] |= 1
            place = content.find(mark, place + 4)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("make", "member", "words"),
    [
        (zipped, "138k/D.pth", "holds no 138k/D.pth"),
        (tarred, "138k/D.pth", "holds no 138k/D.pth"),
        (lambda path: zipped(path, content=b"x" * 2_000_000), "138k/G.pth", "more than the 1,000,000 allowed"),
        (lambda path: tarred(path, kind=tarfile.SYMTYPE), "138k/G.pth", "not a plain file"),
        (lambda path: tarred(path, kind=tarfile.LNKTYPE), "138k/G.pth", "not a plain file"),
        (lambda path: tarred(path, kind=tarfile.CHRTYPE), "138k/G.pth", "not a plain file"),
        (cut, "138k/G.pth", "cannot be read|neither"),
        (encrypted, "138k/G.pth", "cannot be read"),
        (plain, "138k/G.pth", "neither a zip nor a tar"),
    ],
)
def test_bad_archives_are_refused(make: Callable[[Path], Path], member: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=words):
        copy_member(make(tmp_path / "archive"), member, tmp_path / "copy", max_bytes=10**6)


def test_an_archive_that_asks_for_much_memory_is_refused(tmp_path: Path) -> None:
    """A header that claims to be long, compressed to almost nothing."""
    with tarfile.open(tmp_path / "bomb.tgz", "w:gz") as archive:
        header = tarfile.TarInfo("././@PaxHeader")
        header.type, header.size = tarfile.XHDTYPE, 2**27
        archive.addfile(header, io.BytesIO(bytes(2**27)))
    tracemalloc.start()
    with pytest.raises(WeightsError, match="a header in it is longer than any name"):
        copy_member(tmp_path / "bomb.tgz", "w.pt", tmp_path / "copy", max_bytes=10**6)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**24


@pytest.mark.parametrize("url", ["hf://owner/repo/../x.pt", "hf://owner/repo/a//x.pt", "pypi://a==1/../x.pt"])
def test_no_path_leaves_its_repository(url: str) -> None:
    with pytest.raises(ValueError, match="no empty parts and no"):
        Source(url)


@pytest.mark.parametrize(
    ("url", "location", "member", "name"),
    [
        ("https://host/a/b.zip?x=1!138k/G.pth", "host/a/b.zip?x=1", "138k/G.pth", "G.pth"),
        ("https://host/a/net.pkl?download=1", "host/a/net.pkl?download=1", None, "net.pkl"),
        ("hf://owner/repo/sub/model=G-best.pth@v1", "owner/repo/sub/model=G-best.pth@v1", None, "model=G-best.pth"),
        ("hf://spaces/owner/repo/w.pt", "spaces/owner/repo/w.pt", None, "w.pt"),
        (f"gdrive://{DRIVE_ID}!138k/G_ema.pth", DRIVE_ID, "138k/G_ema.pth", "G_ema.pth"),
        ("pypi://thing==1.0/thing/w!.pt", "thing==1.0/thing/w!.pt", None, "w_.pt"),
        ("bundled:biggan.safetensors", "biggan.safetensors", None, "biggan.safetensors"),
        ("folder/odd!name.pt", "folder/odd!name.pt", None, "odd_name.pt"),
    ],
)
def test_addresses_are_taken_apart(url: str, location: str, member: str | None, name: str) -> None:
    source = Source(url)
    assert (source.location, source.member, source.file_name) == (location, member, name)


def test_parts_of_the_hub_and_of_wheels() -> None:
    parts = Source("hf://datasets/owner/repo/a/b=c@d.pt").parts
    assert (parts["repo"], parts["path"], parts["revision"]) == ("datasets/owner/repo", "a/b=c", "d.pt")
    assert Source("pypi://a.b-c==1.0+x/d/e.pt").parts == {"name": "a.b-c", "version": "1.0+x", "path": "d/e.pt"}


def test_every_scheme_that_is_not_local_has_a_module() -> None:
    assert set(MODULES) | {"path", "bundled"} == set(SCHEMES)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with serving(content=zipped(tmp_path / "archive.zip").read_bytes()) as made:
        yield made


@pytest.mark.parametrize("kind", ["https", "hf", "gdrive", "http"])
def test_a_member_of_an_archive_by_each_source(kind: str, server: Server, tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    address = {
        "https": f"https://localhost:{server.tls_port}/a.zip",
        "http": f"http://localhost:{server.port}/a.zip",
        "hf": "hf://owner/repo/a.zip",
        "gdrive": f"gdrive://{DRIVE_ID}",
    }[kind]
    home.write_card(f"{address}!138k/G.pth")
    done = home.zoo("pull", "dcgan.thing", server=server)
    assert done.returncode == 0, done.stderr
    [path] = home.weights()
    assert path.name == "G.pth"
    assert path.read_bytes() == CONTENT
    assert len(home.files()) == 1


@pytest.mark.parametrize(
    ("pin", "member", "words"),
    [
        ("0" * 64, "138k/G.pth", "the archive has sha256"),
        (None, "138k/D.pth", "the archive holds no 138k/D.pth"),
    ],
)
def test_an_archive_that_is_another_is_refused(
    pin: str | None, member: str, words: str, server: Server, tmp_path: Path
) -> None:
    home = Home(tmp_path / "home")
    source = {"url": f"https://localhost:{server.tls_port}/a.zip!{member}", "archive_sha256": pin}
    home.write_card(sources=[source])
    done = home.zoo("pull", "dcgan.thing", server=server)
    assert done.returncode == 2
    assert words in done.stderr
    assert not home.files()


def test_a_bundled_file_lies_beside_its_registry(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.write_card("bundled:w.pt")
    bundle = home.folder / "config" / "bundled"
    bundle.mkdir()
    (bundle / "w.pt").write_bytes(CONTENT)
    assert home.zoo("list", "dcgan.thing").stdout.split()[-1] == "local"
    done = home.zoo("pull", "dcgan.thing")
    assert done.returncode == 0
    assert hashlib.sha256(CONTENT).hexdigest() in done.stdout
    assert not home.files()


SECRET = "hunter2"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (f"https://bob:{SECRET}@host/w.pt", "https://host/w.pt"),
        (f"https://{SECRET}@host/w.pt", "https://host/w.pt"),
        (f"https://bob:a/{SECRET}@host/w.pt", "https://host/w.pt"),
        (f"https://bob:a#{SECRET}@host/w.pt", "https://host/w.pt"),
        ("https://host:8080/a/b@2/w.pt", "https://host:8080/a/b@2/w.pt"),
        (f"https://host/w.pt?token={SECRET}", "https://host/w.pt?…"),
        (f"https://host/w.pt#token={SECRET}", "https://host/w.pt#…"),
        (f"https://host/w.pt;token={SECRET}", "https://host/w.pt;…"),
        (f"https://host/w.pt;a?b#{SECRET}", "https://host/w.pt;…"),
        (f"https://host/w.zip?token={SECRET}!G.pth", "https://host/w.zip?…!G.pth"),
        (f"https://host/w.zip!G.pth#{SECRET}", "https://host/w.zip!G.pth#…"),
        (f"hf://owner/repo/w.pt?token={SECRET}", "hf://owner/repo/w.pt?…"),
        (f"pypi://thing==1.0/w.pt#{SECRET}", "pypi://thing==1.0/w.pt#…"),
        ("hf://owner/repo/w.pt@main", "hf://owner/repo/w.pt@main"),
    ],
)
def test_what_is_shown_of_an_address_has_no_secrets(url: str, shown: str) -> None:
    assert Source(url).shown == shown


@pytest.mark.parametrize(
    "url", [f"https://bob:{SECRET}@", f"hf://owner/repo/../w.pt?token={SECRET}", f"https:///w.pt?token={SECRET}"]
)
def test_an_address_that_is_refused_has_no_secrets_either(url: str) -> None:
    with pytest.raises(ValueError, match="://") as refused:
        Source(url)
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize(
    "message",
    [
        f"Max retries exceeded with url: /w.pt?token={SECRET} (Caused by Error())",
        f"Failed to parse: 'https://bob:{SECRET}@host:x/w.pt'",
        f"No connection adapters were found for 'ftp://host/w.pt;token={SECRET}'",
        f"https://host/w.pt#a={SECRET}&b={SECRET}",
    ],
)
def test_messages_of_libraries_have_no_secrets(message: str) -> None:
    assert SECRET not in hide_secrets(message)
    assert hide_secrets("the server answered 404 Not Found; a=b; c#1") == "the server answered 404 Not Found; a=b; c#1"
