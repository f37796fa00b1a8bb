"""From a weights file to safetensors that say what they are, and back."""

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import zoo
from tests.support.golden import Golden
from zoo.checkpoints.metadata import read_metadata
from zoo.cli import run
from zoo.errors import CheckpointError, OptionError, OutputError
from zoo.models.export import convert, inspect_file
from zoo.registry.registry import load_installation

ZOO = load_installation()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    golden = Golden.read("stylegan2_ada")
    raw = {f"G.{key}": tensor + 1 for key, tensor in golden.state.items()}
    torch.save({**{f"G_ema.{key}": tensor for key, tensor in golden.state.items()}, **raw}, tmp_path / "ada.pt")
    return tmp_path


def test_a_converted_file_draws_the_same_images(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["convert", "ada.pt", "--licence", "for research only"]) == 0
    shown = capsys.readouterr()
    for told in ("stylegan2", "nvidia (torch zip)", "yes: G_ema, not G", "32 x 32", "w (8 x 40)", "for research only"):
        assert told in shown.out
    assert "for research only" in shown.err
    golden = Golden.read("stylegan2_ada")
    model = zoo.load("ada.safetensors", device="cpu")
    assert (model.card.adapter, model.layout) == ("stylegan2", "nvidia")
    golden.check("image", model.adapter.synthesize(zoo.Codes(golden.outputs["w_trunc"])))
    one, two = (zoo.load(name, device="cpu").sample(2, seed=3).latents for name in ("ada.pt", "ada.safetensors"))
    assert torch.equal(one, two)


def test_the_licence_stays_with_the_file(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = inspect_file("ada.pt", ZOO, licence="for research only")
    assert convert(found, Path("mine.safetensors")) == Path("mine.safetensors")
    note = read_metadata(Path("mine.safetensors"))
    assert note is not None
    assert (note.origin, note.sha256) == ("ada.pt", found.model.weights_sha256)
    assert zoo.load("mine.safetensors", device="cpu").card.licence.weights == "for research only"
    again = inspect_file("mine.safetensors", ZOO)
    assert again.facts()["licence"] == "weights: for research only"
    assert convert(again, Path("again.safetensors")).exists()
    capsys.readouterr()
    assert run(["info", "mine.safetensors", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["format"] == "nvidia (safetensors of zoo)"
    assert facts["averaged weights"] == "yes: G_ema, not G"


@pytest.mark.real
def test_a_models_own_file_keeps_its_terms(home: Path, digiface: zoo.Model) -> None:
    found = inspect_file("dcgan.digiface64", ZOO)
    out = convert(found)
    assert read_metadata(out) is not None
    model = zoo.load(out, device="cpu")
    assert model.card.licence == digiface.card.licence
    codes = digiface.sample(1)
    assert torch.equal(model.adapter.synthesize(codes), digiface.adapter.synthesize(codes))
    stranger = home / "found_somewhere.tar"
    stranger.write_bytes(found.path.read_bytes())
    assert inspect_file(stranger, ZOO).card.licence == digiface.card.licence


def test_nothing_is_lost(home: Path) -> None:
    found = inspect_file("ada.pt", ZOO)
    with pytest.raises(OptionError, match=r"ends in \.safetensors"):
        convert(found, Path("ada.bin"))
    Path("ada.safetensors").write_bytes(b"precious")
    with pytest.raises(OutputError, match="--force"):
        convert(found)
    assert Path("ada.safetensors").read_bytes() == b"precious"
    convert(found, force=True)
    with pytest.raises(OutputError, match="choose another -o"):
        convert(inspect_file("ada.safetensors", ZOO), force=True)


def _with_note(path: Path, change: dict[str, object]) -> None:
    state = load_file(path)
    with safe_open(path, framework="pt") as file:
        note = json.loads(file.metadata()["zoo"])
    save_file(state, path, metadata={"zoo": json.dumps({**note, **change})})


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"format": 2}, "another version of zoo"),
        ({"licence": "none"}, "cannot be read"),
        ({"summary": "\x1b[2J"}, "steer a terminal"),
        ({"config": 5}, "cannot be read"),
        ({"adapter": "unheard-of"}, "unheard-of"),
        ({"adapter": "dcgan"}, "a DCGAN has"),
        ({"more": 1}, "cannot be read"),
    ],
)
def test_a_note_that_lies(home: Path, change: dict[str, object], told: str) -> None:
    out = convert(inspect_file("ada.pt", ZOO))
    _with_note(out, change)
    with pytest.raises(CheckpointError, match=told):
        zoo.load(out, device="cpu")


def test_what_a_card_tells_the_network_stays_with_the_file(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_CONFIG", str(home / "config"))
    assert run(["add", "ada.pt", "--name", "stylegan2.mine", "-o", "conv_clamp=1", "-o", "cutoff=3"]) == 0
    assert run(["convert", "stylegan2.mine", "-o", "mine.safetensors"]) == 0
    assert run(["convert", "./mine.safetensors", "-o", "again.safetensors"]) == 0
    note = read_metadata(Path("again.safetensors"))
    assert note is not None
    assert (note.origin, note.averaged) == ("ada.pt", "yes: G_ema, not G")
    one, two = (zoo.load(name, device="cpu") for name in ("stylegan2.mine", "./again.safetensors"))
    codes = [model.sample(2, truncation=0.5) for model in (one, two)]
    assert torch.equal(codes[0].latents, codes[1].latents)
    images = [model.adapter.synthesize(codes[0]) for model in (one, two)]
    assert torch.equal(*images)
    plain = zoo.load("ada.pt", device="cpu")
    assert not torch.equal(plain.adapter.synthesize(codes[0]), images[0])
