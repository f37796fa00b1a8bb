"""Analyses, edits, scores and comparisons of grey and RGBA networks: what nobody sees does not count."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import zoo
from tests.support.linear import model_of
from tests.support.marks import mostly_long
from tests.support.transparent import SIDE, Transparent
from zoo.cli import run
from zoo.core import as_rgb
from zoo.core.region import parse_region
from zoo.editing.locality import measure_locality
from zoo.jacobian.columns import jacobian
from zoo.jacobian.gram import gram_matrices
from zoo.jacobian.outputs import GREY, RGB
from zoo.jacobian.timm_features import Features
from zoo.registry.cards import Card
from zoo.scoring.score import measure_scores
from zoo.testing import draw


class Brightness(zoo.Scorer):
    """The brightness of the left and of the right half; it takes RGB only."""

    attributes: ClassVar[Sequence[str]] = ("left", "right")

    def fits(self, card: Card) -> bool:
        return True

    def score(self, images: Tensor) -> Tensor:
        assert images.shape[1:] == (3, SIDE, SIDE)
        return torch.stack([half.mean(dim=(1, 2, 3)) for half in images.chunk(2, dim=3)], dim=1)


def mode_of(path: str) -> str:
    with Image.open(path) as picture:
        return picture.mode


def network(channels: int) -> nn.Sequential:
    """Build a DCGAN of 16x16 pixels as PyTorch's example does."""
    layers: list[nn.Module] = []
    for inputs, outputs, stride, padding in ((12, 16, 1, 0), (16, 8, 2, 1), (8, channels, 2, 1)):
        layers += [
            nn.ConvTranspose2d(inputs, outputs, 4, stride, padding, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
        ]
    whole = nn.Sequential(*layers[:-2], nn.Tanh())
    generator = torch.Generator().manual_seed(channels)
    with torch.no_grad():
        for key, tensor in whole.state_dict().items():
            if tensor.is_floating_point():
                drawn = torch.randn(tensor.shape, generator=generator)
                tensor.copy_(drawn.abs() + 0.5 if key.endswith("running_var") else drawn * 0.3)
    return whole.eval()


@pytest.fixture(params=[1, 4])
def file(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[int, str]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ZOO_CONFIG", str(tmp_path / "config"))
    torch.save(network(request.param).state_dict(), "mine.pt")
    return request.param, "./mine.pt"


def test_derivatives_are_those_of_torch(file: tuple[int, str]) -> None:
    channels, path = file
    model = zoo.load(path, device="cpu", dtype="float64")
    code, region = model.sample(1), model.region("center")
    own = network(channels).double()

    def seen(latents: Tensor) -> Tensor:
        image: Tensor = own(latents[:, :, None, None])[0].flatten(1)[:, torch.from_numpy(region.pixels)]
        if channels == 4:
            opacity = (image[3] + 1) / 2
            image = opacity * image[:3] + (1 - opacity)
        return image.expand(3, -1).T

    wanted = torch.autograd.functional.jacobian(seen, code.latents)[:, :, 0]  # (pixels, 3, dim)
    torch.testing.assert_close(jacobian(model.adapter, code, region, output=RGB), wanted.flatten(0, 1))
    torch.testing.assert_close(jacobian(model.adapter, code, region, output=GREY), wanted.mean(dim=1))


# An old timm imports what a new torch deprecates.
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_features_get_three_channels(file: tuple[int, str]) -> None:
    import timm

    _, path = file
    model = zoo.load(path, device="cpu", dtype="float64")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = timm.create_model("resnet10t", pretrained=False, num_classes=0).eval().requires_grad_(False)
    mean = torch.full((3, 1, 1), 0.5)
    features = Features("features", network, (32, 32), mean, mean, ("features", None))
    features = features.to(torch.device("cpu"), torch.float64)
    code, region = model.sample(1), model.region("box:2,2,9,8")
    found = jacobian(model.adapter, code, region, output=features)
    delta = torch.zeros(12, dtype=torch.float64)
    delta[0] = 1e-6  # so small that no unit is cut off on the way
    with torch.no_grad():
        ends = [
            features(as_rgb(model.adapter.region_output(model.adapter.move(code, sign * delta), region)), region)[0]
            for sign in (1, -1)
        ]
    difference = (ends[0] - ends[1]) / 2e-6
    assert float((found[:, 0] - difference).norm()) < 1e-5 * float(difference.norm())


def test_hidden_colours_have_no_derivative() -> None:
    adapter = Transparent.tiny()
    for output in (GREY, RGB):
        [whole] = gram_matrices(
            adapter, draw(adapter, 1, 0), [parse_region("all", (SIDE, SIDE))], output=output
        ).matrices
        assert float(whole[0, 0]) > 0 and float(whole[2, 2]) > 0
        assert not whole[1].any() and not whole[:, 1].any()


def test_hidden_colours_do_not_count_as_a_change_outside() -> None:
    """The first and second number move visible colours on the left, and as much hidden ones on the right."""
    adapter = Transparent.tiny()
    both = torch.tensor([[1.0, 1.0, 0.0]]) / 2**0.5
    [found] = measure_locality(adapter, draw(adapter, 1, 0), both, parse_region("left", (SIDE, SIDE)))
    assert found.value == float("inf")


def test_scorers_see_rgb_on_white_and_the_table_says_so() -> None:
    model = model_of(Transparent.tiny())
    codes = model.sample(8)
    directions = zoo.Directions(model.adapter.space, torch.eye(3), torch.ones(3))
    scores = measure_scores(
        model,
        {"brightness": Brightness()},
        codes,
        directions,
        steps=torch.tensor([1.0, 1.0, 1.0]),
        region=model.region("left"),
    )
    assert scores is not None
    changes = torch.tensor([row.changes for row in scores.directions])
    # colours move by ±0.05, seen through the opacity of the upper quarter and that of the lower one, 1
    opacity = float((1.5 + 0.1 * codes.latents[:, 2]).mean()) / 2
    assert float(changes[0, 0]) == pytest.approx(0.1 * (opacity + 1) / 2, rel=1e-4)
    assert not changes[:, 1].any() and not changes[1].any()
    assert float(changes[2, 0]) < 0  # more opacity, less white
    assert scores.facts()["images"] == "RGBA, laid on white"
    assert scores.as_json()["channels"] == 4


@pytest.mark.parametrize("analyzer", mostly_long(["sefa", "lowrank", "nullspace", "resefa"], ("sefa", "nullspace")))
def test_commands(file: tuple[int, str], analyzer: str) -> None:
    channels, path = file
    options = [] if analyzer == "sefa" else ["-r", "center"]
    assert run(["analyze", path, "-a", analyzer, *options, "--show", "1", "--unseen", "2", "--out", "a"]) == 0
    assert zoo.Directions.load("a/directions.safetensors").provenance["channels"] == channels
    assert mode_of("a/sheet.png") == ("L" if (channels, analyzer) == (1, "sefa") else "RGB")
    report = Path("a/report.html").read_text("utf-8")
    assert ("pictures lie on a checked ground" in report) == (channels == 4)


@pytest.mark.parametrize("file", mostly_long([1, 4], (4,)), indirect=True)
def test_pictures_of_commands(file: tuple[int, str]) -> None:
    channels, path = file
    mode = {1: "L", 4: "RGBA"}[channels]
    assert run(["sample", path, "--samples", "3", "--out", "s"]) == 0
    assert mode_of("s/samples.png") == mode
    assert run(["analyze", path, "-a", "sefa", "--show", "1", "--unseen", "0", "--out", "a"]) == 0
    assert run(["edit", path, "a", "--samples", "1", "--frames", "4", "--out", "e"]) == 0
    assert run(["compare", "a", "a", "--model", path, "--top", "1", "--out", "c"]) == 0
    shown = "L" if channels == 1 else "RGB"
    assert {mode_of(name) for name in ("e/sheet.png", "c/comparison.png")} == {shown}


def test_names_of_channels_are_kept(file: tuple[int, str], capsys: pytest.CaptureFixture[str]) -> None:
    channels, path = file
    words = {1: "1 (grey)", 4: "4 (RGBA)"}[channels]
    assert run(["info", path]) == 0
    assert words in capsys.readouterr().out
    assert run(["info", path, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["channels"] == channels
    assert run(["convert", path, "-o", "converted.safetensors"]) == 0
    assert zoo.load("converted.safetensors", device="cpu").adapter.channels == channels
    assert run(["add", path, "--name", "dcgan.mine"]) == 0
    capsys.readouterr()
    assert run(["info", "dcgan.mine", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["channels"] == channels
    card = Path("config").rglob("dcgan.mine.yaml").__next__()
    text = card.read_text("utf-8")
    assert f"channels: {channels}\n" in text
    card.write_text(text.replace(f"channels: {channels}\n", f"channels: {5 - channels}\n"), "utf-8")
    assert run(["sample", "dcgan.mine", "--out", "s"]) == 2
    assert f"its card says {5 - channels} channels, but" in capsys.readouterr().err
    card.write_text(text.replace(f"channels: {channels}\n", "channels: 2\n"), "utf-8")
    assert run(["sample", "dcgan.mine", "--out", "s"]) == 2
    assert "channels are 1 (grey), 3 (RGB), 4 (RGBA)" in capsys.readouterr().err
