"""Files of tuned weights: they open the model that they belong to, and no other."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

import zoo
from zoo import CheckpointError
from zoo.analysis.resources import cache_key
from zoo.cli import run
from zoo.editing.fit import OtherModelWarning
from zoo.models.tuned import recorded_settings, save_tuned

NAME = "pggan.avatars32"
WEIGHT, BIAS = "convs.3.weight", "convs.3.bias"


@pytest.fixture(scope="module")
def model() -> zoo.Model:
    return zoo.load(NAME)


@pytest.fixture
def folder(tmp_path: Path, model: zoo.Model, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with the run folder `run`, whose tuned weights turn the images' colours."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run").mkdir()
    write(tmp_path / "run", model, changed(model))
    return tmp_path


def changed(model: zoo.Model) -> dict[str, Tensor]:
    return {BIAS: model.adapter.network.state_dict()[BIAS] + 0.5}


def write(folder: Path, opened: zoo.Model, tensors: dict[str, Tensor], **record: object) -> None:
    own = {"model": NAME, "weights_sha256": opened.weights_sha256, "settings": recorded_settings(opened)}
    save_tuned(folder / "tuned.safetensors", tensors, {**own, **record})


@pytest.mark.usefixtures("folder")
def test_python_opens_a_tuned_model(model: zoo.Model) -> None:
    tuned = zoo.load(NAME, tuned="run")
    codes = model.sample(2)
    assert not torch.allclose(tuned.render(codes), model.render(codes), atol=0.1)
    assert torch.equal(tuned.adapter.network.state_dict()[BIAS], changed(model)[BIAS])
    assert "tuned" in repr(tuned) and tuned.weights.keys() == {"weights_sha256", "tuned_sha256"}
    assert cache_key(tuned) != cache_key(model) and model.weights.keys() == {"weights_sha256"}
    assert torch.equal(zoo.load(NAME, tuned=Path("run/tuned.safetensors")).render(codes), tuned.render(codes))


@pytest.mark.usefixtures("folder")
def test_commands_take_tuned_weights(model: zoo.Model, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["sample", NAME, "--tuned", "run", "--samples", "1", "--out", "drawn"]) == 0
    assert run(["sample", NAME, "--samples", "1", "--out", "plain"]) == 0
    assert Path("drawn/samples.png").read_bytes() != Path("plain/samples.png").read_bytes()
    analysis = ["analyze", NAME, "--samples", "1", "--show", "1", "--unseen", "1", "--no-keep"]
    assert run([*analysis, "--tuned", "run", "--out", "found"]) == 0
    found = zoo.Directions.load("found").provenance
    assert found["tuned_sha256"] == zoo.load(NAME, tuned="run").tuned_sha256
    assert found["command"].endswith("--tuned run")
    edit = ["edit", NAME, "found", "--strengths=0,1", "--video", "none", "--samples", "1"]
    assert run([*edit, "--tuned", "run", "--out", "edited"]) == 0
    assert "these directions" not in capsys.readouterr().err
    with pytest.warns(OtherModelWarning, match=f"found in {NAME} with tuned weights, and it is opened without them"):
        zoo.edit(model, "found", samples=1)
    untuned = zoo.analyze(model, show=1, unseen=1)
    with pytest.warns(OtherModelWarning, match=f"found in {NAME} before its weights were tuned"):
        zoo.edit(zoo.load(NAME, tuned="run"), untuned, samples=1)


def other_shape(folder: Path, model: zoo.Model) -> None:
    write(folder, model, {BIAS: torch.zeros(3)})


def other_name(folder: Path, model: zoo.Model) -> None:
    write(folder, model, {"nothing.weight": torch.zeros(3)})


def other_weights(folder: Path, model: zoo.Model) -> None:
    write(folder, model, changed(model), weights_sha256="f" * 64, model="pggan.other")


def other_settings(folder: Path, model: zoo.Model) -> None:
    write(folder, model, changed(model), settings={"lod": "1.0"})


def not_finite(folder: Path, model: zoo.Model) -> None:
    write(folder, model, {BIAS: changed(model)[BIAS].fill_(float("nan"))})


def integers(folder: Path, model: zoo.Model) -> None:
    write(folder, model, {BIAS: changed(model)[BIAS].long()})


def overflowing(folder: Path, model: zoo.Model) -> None:
    write(folder, model, {BIAS: changed(model)[BIAS].double() * 1e300})


def too_large(folder: Path, model: zoo.Model) -> None:
    numbers = sum(tensor.numel() for tensor in model.adapter.network.state_dict().values())
    write(folder, model, {BIAS: torch.zeros(4 * numbers + 2**20)})


def other_format(folder: Path, model: zoo.Model) -> None:
    write(folder, model, changed(model), format="zoo-tuned/99")


def plain_tensors(folder: Path, model: zoo.Model) -> None:
    save_file(changed(model), folder / "tuned.safetensors")


def text(folder: Path, _: zoo.Model) -> None:
    (folder / "tuned.safetensors").write_text("nothing of the kind")


def cut_off(folder: Path, _: zoo.Model) -> None:
    content = (folder / "tuned.safetensors").read_bytes()
    (folder / "tuned.safetensors").write_bytes(content[:-9])


def missing(folder: Path, _: zoo.Model) -> None:
    shutil.rmtree(folder)


SPOILT: dict[Callable[[Path, zoo.Model], None], str] = {
    other_shape: r"convs\.3\.bias has shape \(3,\), not",
    other_name: r"nothing\.weight, which the network does not have",
    other_weights: r"tuned weights of pggan\.other \(ffffffffffff…\), not of pggan\.avatars32",
    other_settings: r"was tuned with lod=1\.0, and is opened with the usual settings: give the same options",
    not_finite: r"convs\.3\.bias holds numbers that are not finite",
    integers: r"convs\.3\.bias is int64, not a weight",
    overflowing: r"convs\.3\.bias holds numbers that are not finite",
    too_large: r"4 times as many as the network",
    other_format: r"holds no tuned weights; 'zoo project --tune' writes them",
    plain_tensors: r"holds no tuned weights",
    text: r"cannot be read: it is no safetensors file",
    cut_off: r"cannot be read",
    missing: r"there is no file run; 'zoo project --tune' writes one",
}


@pytest.mark.parametrize("spoil", SPOILT, ids=lambda spoil: spoil.__name__)
def test_what_does_not_belong_is_refused(
    folder: Path, model: zoo.Model, spoil: Callable[[Path, zoo.Model], None]
) -> None:
    spoil(folder / "run", model)
    with pytest.raises(CheckpointError, match=SPOILT[spoil]) as caught:
        zoo.load(NAME, tuned="run")
    assert "\n" not in str(caught.value) and str(caught.value).startswith("--tuned run: ")


@pytest.mark.usefixtures("folder")
def test_other_commands_say_how_to_open_it(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("run/tuned.safetensors", "run/"):
        assert run(["info", name, "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert (told["kind"], told["model"]) == ("tuned", NAME)
    assert run(["info", "run/tuned.safetensors"]) == 0
    assert f"--tuned run/tuned.safetensors, with any command that opens {NAME}" in capsys.readouterr().out
    assert run(["sample", "run/tuned.safetensors"]) == 2
    said = capsys.readouterr().err
    assert f"run/tuned.safetensors holds tuned weights of {NAME}: open that model, with --tuned" in said
