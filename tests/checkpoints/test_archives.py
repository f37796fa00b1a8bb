"""Weights in archives and folders: the only file there is read; otherwise a line says what there is and what to do."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import shutil
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch
from zoo_adapters.dcgan.adapter import DCGAN

import zoo
from tests.support.families import families
from zoo import CheckpointError
from zoo._utils.untrusted import unpacking
from zoo.checkpoints import detect_checkpoint, read_checkpoint
from zoo.checkpoints.archives import weights_file_in
from zoo.cli import run

Packing = Callable[[Mapping[str, bytes], Path], None]


def weights(factor: float = 1.0) -> bytes:
    state = {f"convs.{key}": tensor for key, tensor in DCGAN.tiny(0).network.state_dict().items()}
    named = {}
    for key, tensor in state.items():
        _, kind, index, name = key.split(".")
        named[f"main.{3 * int(index) + (kind == 'norms')}.{name}"] = tensor * factor
    buffer = io.BytesIO()
    torch.save(named, buffer)
    return buffer.getvalue()


WEIGHTS = weights()


def tar(mode: str) -> Packing:
    def pack(members: Mapping[str, bytes], path: Path) -> None:
        with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
            for name, content in members.items():
                info = tarfile.TarInfo(name)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))

    return pack


def zipped(compression: int) -> Packing:
    def pack(members: Mapping[str, bytes], path: Path) -> None:
        with zipfile.ZipFile(path, "w", compression) as archive:
            for name, content in members.items():
                archive.writestr(name, content)

    return pack


ARCHIVES: dict[str, Packing] = {
    **{f"tar {name or 'plain'}": tar(f"w:{name}") for name in ("", "gz", "bz2", "xz")},
    "zip": zipped(zipfile.ZIP_DEFLATED),
    "zip stored": zipped(zipfile.ZIP_STORED),
}
COMPRESSED: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "bzip2": bz2.compress, "xz": lzma.compress}
BESIDE = {"README.md": b"# weights", "__MACOSX/._G.pth": b"\x80\x02.", "config.json": b"{}", "log.txt": b"3.14"}


@pytest.mark.parametrize("kind", ARCHIVES)
def test_the_only_weights_file_of_an_archive_is_read(kind: str, tmp_path: Path) -> None:
    ARCHIVES[kind]({**BESIDE, "weights/G.pth": WEIGHTS}, tmp_path / "a")
    (tmp_path / "G.pth").write_bytes(WEIGHTS)
    found, plain = (detect_checkpoint(tmp_path / name, families()) for name in ("a", "G.pth"))
    assert (found.family, found.layout) == ("dcgan", "sequential")
    assert found.container.startswith(f"torch zip in a {kind.partition(' ')[0]} archive")
    assert all(torch.equal(found.state[key], tensor) for key, tensor in plain.state.items())


@pytest.mark.parametrize("kind", COMPRESSED)
def test_a_compressed_file_is_read(kind: str, tmp_path: Path) -> None:
    (tmp_path / "G.pth.gz").write_bytes(COMPRESSED[kind](WEIGHTS))
    assert detect_checkpoint(tmp_path / "G.pth.gz", families()).container == f"torch zip in a {kind} file"


def test_a_converted_file_in_an_archive_keeps_what_it_says(tmp_path: Path) -> None:
    run(["convert", "dcgan.digiface64", "-o", str(tmp_path / "a.safetensors")])
    (tmp_path / "a.gz").write_bytes(gzip.compress((tmp_path / "a.safetensors").read_bytes()))
    found = detect_checkpoint(tmp_path / "a.gz", families())
    assert found.metadata is not None and found.family == "dcgan"


@pytest.mark.parametrize("kind", ARCHIVES)
def test_of_several_weights_files_none_is_taken(kind: str, tmp_path: Path) -> None:
    ARCHIVES[kind]({"G.pth": WEIGHTS, "best/G_ema.pth": weights(2.0)}, tmp_path / "a")
    with pytest.raises(
        CheckpointError, match=r"holds 2 weights files, G\.pth, best/G_ema\.pth: unpack it, '(tar|unzip)"
    ):
        read_checkpoint(tmp_path / "a")


@pytest.mark.parametrize("kind", ARCHIVES)
def test_an_archive_without_weights_says_what_it_holds(kind: str, tmp_path: Path) -> None:
    ARCHIVES[kind]({"img/1.png": b"\x89PNG....", "img/2.png": b"\x89PNG...."}, tmp_path / "a")
    with pytest.raises(CheckpointError, match=r"archive, holds no weights file: it holds img/1\.png, img/2\.png$"):
        read_checkpoint(tmp_path / "a")


def test_a_member_of_a_zip_archive_may_have_no_name(tmp_path: Path) -> None:
    """Names end at their first zero, so that one that begins with it is empty."""
    ARCHIVES["zip"]({"@": WEIGHTS[:1], "G.pth": b"\x89PNG...."}, tmp_path / "a")
    packed = (tmp_path / "a").read_bytes()
    assert packed.count(b"@") == 2
    (tmp_path / "a").write_bytes(packed.replace(b"@", b"\0"))
    with pytest.raises(CheckpointError, match=r"zip archive, holds no weights file: it holds , G\.pth$"):
        read_checkpoint(tmp_path / "a")


TOGETHER = {
    "unpacked file of torch": ["G/data.pkl", "G/data/0", "G/version"],
    "SavedModel of TensorFlow": ["biggan/saved_model.pb", "biggan/variables/variables.data-00000-of-00001"],
    "checkpoint of TensorFlow": ["model.ckpt-9.data-00000-of-00001", "model.ckpt-9.index", "checkpoint"],
    "weights split into several files": ["pytorch_model-00001-of-00002.bin", "pytorch_model.bin.index.json"],
    "distributed checkpoint of torch": [".metadata", "__0_0.distcp"],
}


@pytest.mark.parametrize("kind", ["tar gz", "zip"])
@pytest.mark.parametrize("what", TOGETHER)
def test_files_that_are_only_together_a_network_are_told_apart(what: str, kind: str, tmp_path: Path) -> None:
    if what == "unpacked file of torch" and kind == "zip":
        pytest.skip("a zip archive of that is a file of torch")
    ARCHIVES[kind](dict.fromkeys(TOGETHER[what], WEIGHTS), tmp_path / "a")
    with pytest.raises(CheckpointError, match=f"holds (a |an )?{what}"):
        read_checkpoint(tmp_path / "a")


@pytest.mark.parametrize("what", TOGETHER)
def test_folders_are_told_apart_too(what: str, tmp_path: Path) -> None:
    for name in TOGETHER[what]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(WEIGHTS)
    with pytest.raises(CheckpointError, match=f"holds (a |an )?{what}"):
        zoo.load(tmp_path, device="cpu")


def test_an_unpacked_file_of_torch_opens_once_it_is_packed_as_the_message_says(tmp_path: Path) -> None:
    (tmp_path / "G.pth").write_bytes(WEIGHTS)
    with zipfile.ZipFile(tmp_path / "G.pth") as archive:
        archive.extractall(tmp_path / "G")
    with pytest.raises(CheckpointError, match=r"pack the folder of data\.pkl again, 'zip -0 -r NEW\.pt FOLDER'"):
        zoo.load(tmp_path / "G", device="cpu")
    shutil.make_archive(str(tmp_path / "deflated"), "zip", tmp_path / "G")
    with pytest.raises(CheckpointError, match=r"members are compressed.* again with 'zip -0 -r NEW\.pt FOLDER'"):
        read_checkpoint(tmp_path / "deflated.zip")
    with zipfile.ZipFile(tmp_path / "NEW.pt", "w", zipfile.ZIP_STORED) as archive:
        for file in sorted((tmp_path / "G").rglob("*")):
            archive.write(file, file.relative_to(tmp_path / "G"))
    assert zoo.load(tmp_path / "NEW.pt", device="cpu").card.adapter == "dcgan"


def test_the_only_weights_file_of_a_folder_is_read_by_every_command(tmp_path: Path) -> None:
    folder = tmp_path / "snapshot"
    folder.mkdir()
    (folder / "pytorch_model.bin").write_bytes(WEIGHTS)
    (folder / "config.json").write_text("{}")
    (folder / ".gitattributes").write_text("*.bin filter=lfs")
    for arguments in (["info", f"{tmp_path}/"], ["sample", str(folder), "--out", str(tmp_path / "out")]):
        assert run(arguments) == 0
    assert run(["convert", str(folder), "-o", str(tmp_path / "b.safetensors"), "--licence", "mine"]) == 0
    (folder / "G.pth").write_bytes(WEIGHTS)
    with pytest.raises(CheckpointError, match=r"holds 2 weights files, G\.pth, pytorch_model\.bin: name one of them"):
        zoo.load(folder, device="cpu")
    (tmp_path / "empty").mkdir()
    with pytest.raises(CheckpointError, match="holds no weights file: it holds nothing"):
        zoo.load(tmp_path / "empty", device="cpu")


def test_of_what_training_scripts_leave_the_network_is_taken(tmp_path: Path) -> None:
    for name in ("pytorch_model.bin", "model.safetensors", "optimizer.bin", "training_args.bin", "random_states_0.pkl"):
        (tmp_path / name).write_bytes(WEIGHTS)
    assert weights_file_in(tmp_path).name == "model.safetensors"
    (tmp_path / "model.safetensors").unlink()
    assert weights_file_in(tmp_path).name == "pytorch_model.bin"


def test_the_list_of_split_weights_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors.index.json").write_text('{"weight_map": {}}')
    with pytest.raises(CheckpointError, match=r"index\.json lists weights split into several files: load each"):
        read_checkpoint(tmp_path / "model.safetensors.index.json")


@pytest.mark.parametrize("kind", ["tar gz", "tar bz2", "tar xz", "zip"])
def test_decompression_bombs_are_refused_early(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking, "_MAX_BYTES_MORE", 2**16)
    ARCHIVES[kind]({"G.pth": b"\x80\x02" + bytes(2**22)}, tmp_path / "a")
    with pytest.raises(CheckpointError, match="unpacks to more than 20 times its size"):
        read_checkpoint(tmp_path / "a")


@pytest.mark.parametrize("kind", [*ARCHIVES, *COMPRESSED])
def test_broken_archives_are_refused_in_a_line(kind: str, tmp_path: Path) -> None:
    if kind in ARCHIVES:
        ARCHIVES[kind]({**BESIDE, "G.pth": WEIGHTS}, tmp_path / "a")
    else:
        (tmp_path / "a").write_bytes(COMPRESSED[kind](WEIGHTS))
    content = (tmp_path / "a").read_bytes()
    for damaged in (content[: len(content) // 2], content[:600], content[:40], content[:100] + content[140:]):
        (tmp_path / "a").write_bytes(damaged)
        with pytest.raises(CheckpointError) as caught:
            read_checkpoint(tmp_path / "a")
        assert "\n" not in str(caught.value)


def test_links_and_names_of_a_tar_archive_reach_nothing_outside(tmp_path: Path) -> None:
    (tmp_path / "secret.pth").write_bytes(WEIGHTS)
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE):
            link = tarfile.TarInfo("G.pth")
            link.type, link.linkname = kind, str(tmp_path / "secret.pth")
            archive.addfile(link)
    with pytest.raises(CheckpointError, match="holds no weights file"):
        read_checkpoint(tmp_path / "a.tar")
    tar("w")({"../../outside.pth": WEIGHTS}, tmp_path / "b.tar")
    assert read_checkpoint(tmp_path / "b.tar").state
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tar", "b.tar", "secret.pth"]


def test_an_archive_in_an_archive_is_not_opened(tmp_path: Path) -> None:
    zipped(zipfile.ZIP_STORED)({"G.pth": WEIGHTS}, tmp_path / "inner.zip")
    tar("w:gz")({"inner.zip": (tmp_path / "inner.zip").read_bytes()}, tmp_path / "a.tar.gz")
    with pytest.raises(CheckpointError, match=r"holds an archive, inner\.zip: unpack it, and name a weights file"):
        read_checkpoint(tmp_path / "a.tar.gz")


def test_long_names_do_not_make_long_messages(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for number in range(3):
            archive.writestr(f"{number}{'x' * 3000}.txt", b"")
    with pytest.raises(CheckpointError, match=r"holds no weights file: it holds 0x+…, 1x+…, 2x+…$") as caught:
        read_checkpoint(tmp_path / "x.zip")
    assert len(str(caught.value)) - len(str(tmp_path)) < 400
    damaged = (tmp_path / "x.zip").read_bytes().replace(b"0xxxx", b"3xxxx", 1)
    (tmp_path / "y.zip").write_bytes(damaged)
    with pytest.raises(CheckpointError) as caught:
        read_checkpoint(tmp_path / "y.zip")
    assert len(str(caught.value)) - len(str(tmp_path)) < 400
