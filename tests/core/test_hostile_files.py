"""Codes, directions and regions of strangers: what no file may cost, open, or bring to the terminal."""

import json
import os
import struct
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from markupsafe import Markup
from PIL import Image
from safetensors.torch import save_file

import zoo
from zoo import CheckpointError, CodesError, Directions, DirectionsError, RegionError, UnknownNameError, ZooError
from zoo._utils.tensorfile import write_tensors
from zoo.checkpoints import read_checkpoint
from zoo.checkpoints.metadata import read_metadata
from zoo.cli import run
from zoo.core.files.codes import load_codes
from zoo.core.files.directions import FORMAT
from zoo.core.region import parse_region
from zoo.editing.requests import CodesRequest
from zoo.models.model_cards import card_of_file
from zoo.report.report import _environment

CARD = {"format": "zoo-directions/1", "space": {"name": "z", "dim": 4, "layers": 1}, "layers": None, "kept": None}


def directions_file(path: Path, **card: Any) -> Path:
    tensors = {"vectors": torch.eye(4)[:2], "scores": torch.ones(2)}
    write_tensors(path, tensors, {**CARD, **card})
    return path


READERS: dict[str, Callable[[Path], object]] = {
    "codes": load_codes,
    "codes of a request": lambda path: CodesRequest(codes=path).check(),
    "directions": Directions.load,
    "weights": read_checkpoint,
    "models": card_of_file,
    "masks": lambda path: parse_region(f"mask:{path}", (8, 8)),
}


@pytest.mark.parametrize("reader", READERS)
def test_pipes_and_devices_are_refused_without_being_read(tmp_path: Path, reader: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, words in ((tmp_path / "pipe", "a pipe"), (Path("/dev/zero"), "a device")):
        with pytest.raises(ZooError, match=words):
            READERS[reader](path)


def test_a_huge_sparse_file_is_refused_before_it_is_hashed(tmp_path: Path) -> None:
    path = tmp_path / "G.pth"
    for head, words in ((b"PK\x03\x04", "more than any weights"), (b"text", "more than any weights")):
        path.write_bytes(head)
        os.truncate(path, 3 * 2**40)
        start = time.process_time()
        with pytest.raises(CheckpointError, match=words):
            zoo.load(path)
        assert time.process_time() - start < 1
        for reader in (load_codes, Directions.load, READERS["masks"]):
            with pytest.raises(ZooError):
                reader(path)
    os.truncate(path, 2**30)  # neither weights nor too large: known from the head
    path.write_bytes(b"text")
    with pytest.raises(CheckpointError, match="neither a safetensors nor a torch file"):
        zoo.load(path)


def test_what_only_looks_like_a_length_is_not_parsed(tmp_path: Path) -> None:
    """JSON takes thirty times its size in memory: only the header of a safetensors file is read, up to 16 MiB."""
    content = b"[" + b"[]," * 2**20 + b"[]]"
    (tmp_path / "a").write_bytes(struct.pack("<Q", len(content)) + content)
    tracemalloc.start()
    assert read_metadata(tmp_path / "a") is None
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()


def test_metadata_has_a_bound(tmp_path: Path) -> None:
    path = directions_file(tmp_path / "d.safetensors", x=[[]] * 2**16)
    assert len(Directions.load(path)) == 2
    directions_file(path, x=" " * 2**22)
    with pytest.raises(DirectionsError, match="its metadata has more than 4,194,304 characters"):
        Directions.load(path)
    header = b'{"__metadata__":{"a":"' + b" " * 2**24 + b'"}}'
    path.write_bytes(struct.pack("<Q", len(header)) + header)
    for reader in (Directions.load, read_checkpoint):
        with pytest.raises(ZooError, match=r"its header has 16,777,2\d\d bytes"):
            reader(path)


@pytest.mark.parametrize("key", ["weights_sha256", "model", "analyzer", "region", "source"])
@pytest.mark.parametrize("value", [{}, [1], 5, {"a": []}])
def test_texts_of_a_card_are_texts(tmp_path: Path, key: str, value: Any) -> None:
    path = directions_file(tmp_path / "d.safetensors", **{key: value})
    with pytest.raises(DirectionsError, match=f"its metadata is wrong: {key} is no text"):
        Directions.load(path)


@pytest.mark.parametrize("space", [{"name": {}}, {"name": ["z"]}, {"name": 3}, [], "z", {}])
def test_codes_of_a_strange_space_are_compared_all_the_same(tmp_path: Path, digiface: zoo.Model, space: Any) -> None:
    codes = digiface.sample(2)
    write_tensors(tmp_path / "c", {"latents": codes.latents}, {"format": "zoo-codes/1", "space": space})
    try:
        assert len(digiface.read_codes(tmp_path / "c")) == 2
    except CodesError as error:
        assert "holds codes of the space" in str(error)


def test_a_region_from_a_file_opens_no_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Image.fromarray(np.full((8, 8), 255, dtype=np.uint8)).save("m.png")
    assert parse_region("mask:m.png", (8, 8)).whole
    named = {"mouth": "mask:m.png", "face": "not:mouth+left", "top2": "top"}
    for text in ("mouth", "face", "left+not:mouth"):
        with pytest.raises(RegionError, match=r"region (mouth|face): the name of its mask, m.png, comes from a file"):
            parse_region(text, (8, 8), named)
    with pytest.raises(RegionError, match=r"region mask:m\.png: the name of its mask"):
        parse_region("top2+mask:m.png", (8, 8), named, opens_files=False)
    assert parse_region("top2", (8, 8), named, opens_files=False).mask.sum() == 32


def test_texts_of_a_file_are_shown_without_control_signs(tmp_path: Path) -> None:
    wild = "a\x1b[31mb\u202ec\u2066\x07d\ud800"
    path = tmp_path / "d.safetensors"
    space = {"name": wild, "dim": 4, "layers": 1}
    directions_file(path, space=space, attributes=[wild, "y\n"], analyzer=wild, model=wild, region=wild)
    directions = Directions.load(path)
    shown = [repr(directions), str(directions.space), directions.label(0), directions.label(1), directions.origin]
    assert all(text.isprintable() for text in shown)
    with pytest.raises(DirectionsError) as caught:
        Directions.load(path, space=zoo.LatentSpace("w", 4))
    assert str(caught.value).isprintable()


def test_a_command_prints_no_control_signs_of_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wild = "a\x1b[31mb\u202ec\u2066\x07d\x9b2J\u2028e"
    files = [str(directions_file(tmp_path / name, attributes=[wild, wild], model=wild, source=wild)) for name in "ab"]
    assert run(["compare", *files]) == 0
    assert run(["compare", files[0], str(directions_file(tmp_path / wild, layers=[wild]))]) == 2
    out, err = capsys.readouterr()
    assert "a?[31mb?c??d?2J e" in out and "a?[31mb" in err
    assert all(sign.isprintable() or sign in "\n\t" for sign in out + err)
    page = _environment().from_string("<p>{{ text }}{{ 5 }}{{ own }}").render(text=wild, own=Markup("<b>\n"))
    assert page == "<p>a?[31mb?c??d?2J e5<b>\n"


def test_damaged_cards_are_read_or_refused(tmp_path: Path) -> None:
    chance = np.random.default_rng(0)
    values: list[Any] = [None, {}, [], [1], "x", -1, 1e400, 2**70, True, {"a": {}}, "\x1b", [[]]]
    texts = [json.dumps(value) for value in values]
    for _ in range(200):
        card = {key: json.dumps(value) for key, value in CARD.items()}
        for _ in range(2):
            key = str(chance.choice([*CARD, "region", "model", "attributes", "measured", "names", "shape", "read_as"]))
            card[key] = str(chance.choice(texts))
        text = "{" + ",".join(f'"{key}": {value}' for key, value in card.items()) + "}"
        header = json.dumps(
            {
                "__metadata__": {"card": text},
                "vectors": {"dtype": "F32", "shape": [1, 4], "data_offsets": [0, 16]},
                "scores": {"dtype": "F32", "shape": [1], "data_offsets": [16, 20]},
            }
        ).encode()
        (tmp_path / "d").write_bytes(struct.pack("<Q", len(header)) + header + struct.pack("<5f", 1, 0, 0, 0, 1))
        try:
            directions = Directions.load(tmp_path / "d")
            assert repr(directions).isprintable() and directions.by_row().shape[0] == 1 and directions.label(0)
        except DirectionsError as error:
            assert str(error).isprintable()


def test_a_missing_file_is_still_missing(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="there is no file"):
        card_of_file(tmp_path / "none")


def test_sizes_of_a_space_in_a_directions_file_are_bounded(tmp_path: Path) -> None:
    path = tmp_path / "d.safetensors"
    for layers in (2**31, 10**40, 1001):
        card = {"format": FORMAT, "space": {"name": "w", "dim": 3, "layers": layers}, "layers": None, "kept": None}
        save_file({"vectors": torch.eye(3)[:1], "scores": torch.ones(1)}, path, metadata={"card": json.dumps(card)})
        with pytest.raises(DirectionsError):
            Directions.load(path)
