"""From a weights file to safetensors that say what they are, and back."""

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import zoo
from tests.support.golden import Golden
from tests.support.marks import mostly_long
from zoo.checkpoints.metadata import read_metadata
from zoo.cli import run
from zoo.errors import CheckpointError, OptionError, OutputError
from zoo.models.export import convert, inspect_file
from zoo.registry.registry import load_installation

INSTALLATION = load_installation()


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
    for expected in (
        "stylegan2",
        "nvidia (torch zip)",
        "yes: G_ema, not G",
        "32 x 32",
        "w (8 x 40)",
        "for research only",
    ):
        assert expected in shown.out
    assert "for research only" in shown.err
    golden = Golden.read("stylegan2_ada")
    model = zoo.load("ada.safetensors", device="cpu")
    assert (model.card.adapter, model.layout) == ("stylegan2", "nvidia")
    golden.check("image", model.adapter.synthesize(zoo.Codes(golden.outputs["w_trunc"])))
    one, two = (zoo.load(name, device="cpu").sample(2, seed=3).latents for name in ("ada.pt", "ada.safetensors"))
    assert torch.equal(one, two)


def test_the_licence_stays_with_the_file(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    inspected = inspect_file("ada.pt", INSTALLATION, licence="for research only")
    assert convert(inspected, Path("mine.safetensors")) == Path("mine.safetensors")
    metadata = read_metadata(Path("mine.safetensors"))
    assert metadata is not None
    assert (metadata.origin, metadata.sha256) == ("ada.pt", inspected.model.weights_sha256)
    assert zoo.load("mine.safetensors", device="cpu").card.licence.weights == "for research only"
    again = inspect_file("mine.safetensors", INSTALLATION)
    assert again.facts()["licence"] == "weights: for research only"
    assert convert(again, Path("again.safetensors")).exists()
    capsys.readouterr()
    assert run(["info", "mine.safetensors", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["format"], facts["container"]) == ("nvidia", "safetensors of zoo")
    assert facts["averaged"] == "yes: G_ema, not G"


@pytest.mark.real
def test_a_models_own_file_keeps_its_terms(home: Path, digiface: zoo.Model) -> None:
    inspected = inspect_file("dcgan.digiface64", INSTALLATION)
    out = convert(inspected)
    assert read_metadata(out) is not None
    model = zoo.load(out, device="cpu")
    assert model.card.licence == digiface.card.licence
    codes = digiface.sample(1)
    assert torch.equal(model.adapter.synthesize(codes), digiface.adapter.synthesize(codes))
    renamed = home / "found_somewhere.tar"
    renamed.write_bytes(inspected.path.read_bytes())
    assert inspect_file(renamed, INSTALLATION).card.licence == digiface.card.licence


def test_nothing_is_lost(home: Path) -> None:
    inspected = inspect_file("ada.pt", INSTALLATION)
    with pytest.raises(OptionError, match=r"ends in \.safetensors"):
        convert(inspected, Path("ada.bin"))
    Path("ada.safetensors").write_bytes(b"precious")
    with pytest.raises(OutputError, match="--force"):
        convert(inspected)
    assert Path("ada.safetensors").read_bytes() == b"precious"
    with pytest.raises(OutputError, match="was not written by zoo"):
        convert(inspected, force=True)
    assert Path("ada.safetensors").read_bytes() == b"precious"
    Path("ada.safetensors").unlink()
    convert(inspected)
    convert(inspected, force=True)
    with pytest.raises(OutputError, match="choose another -o"):
        convert(inspect_file("ada.safetensors", INSTALLATION), force=True)


def _with_metadata(path: Path, change: dict[str, object]) -> None:
    state = load_file(path)
    with safe_open(path, framework="pt") as file:
        metadata = json.loads(file.metadata()["zoo"])
    save_file(state, path, metadata={"zoo": json.dumps({**metadata, **change})})


FALSE: list[tuple[dict[str, object], str]] = [
    ({"format": 2}, "another version of zoo"),
    ({"licence": "none"}, "cannot be read"),
    ({"summary": "\x1b[2J"}, "not printable"),
    ({"config": 5}, "cannot be read"),
    ({"adapter": "unheard-of"}, "unheard-of"),
    ({"adapter": "dcgan"}, "a DCGAN has"),
    ({"more": 1}, "cannot be read"),
]


@pytest.mark.parametrize(("change", "expected"), mostly_long(FALSE, FALSE[::2]))
def test_false_metadata_is_refused(home: Path, change: dict[str, object], expected: str) -> None:
    out = convert(inspect_file("ada.pt", INSTALLATION))
    _with_metadata(out, change)
    with pytest.raises(CheckpointError, match=expected):
        zoo.load(out, device="cpu")


def test_what_a_card_tells_the_network_stays_with_the_file(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_CONFIG", str(home / "config"))
    assert run(["add", "ada.pt", "--name", "stylegan2.mine", "-o", "conv_clamp=1", "-o", "cutoff=3"]) == 0
    assert run(["convert", "stylegan2.mine", "-o", "mine.safetensors"]) == 0
    assert run(["convert", "./mine.safetensors", "-o", "again.safetensors"]) == 0
    metadata = read_metadata(Path("again.safetensors"))
    assert metadata is not None
    assert (metadata.origin, metadata.averaged) == ("ada.pt", "yes: G_ema, not G")
    one, two = (zoo.load(name, device="cpu") for name in ("stylegan2.mine", "./again.safetensors"))
    codes = [model.sample(2, truncation=0.5) for model in (one, two)]
    assert torch.equal(codes[0].latents, codes[1].latents)
    images = [model.adapter.synthesize(codes[0]) for model in (one, two)]
    assert torch.equal(*images)
    plain = zoo.load("ada.pt", device="cpu")
    assert not torch.equal(plain.adapter.synthesize(codes[0]), images[0])
