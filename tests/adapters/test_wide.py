"""StyleGAN2 of images that are not square, against the original implementation without its checks of shapes."""

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor
from zoo_adapters.stylegan2.adapter import StyleGAN2
from zoo_adapters.stylegan2.network import untrained

from tests.support.families import opened
from tests.support.golden import Golden
from zoo import CheckpointError, Codes
from zoo.cli import run
from zoo.core.region import parse_region
from zoo.registry.registry import load_installation
from zoo.testing.network_checks import check_forward_at, check_regions

SIZE = (16, 24)


@pytest.fixture(scope="module")
def golden() -> Golden:
    return Golden.read("stylegan2_wide")


def test_images(golden: Golden) -> None:
    adapter = opened(golden.state, ("stylegan2", "nvidia"))
    assert isinstance(adapter, StyleGAN2)
    assert adapter.resolution == SIZE
    w = adapter._map(golden.inputs["z"], None)
    golden.check("w", w)
    golden.check("image", adapter.synthesize(Codes(adapter._broadcast(w, 0.7))))
    assert adapter.layer_names()["16x24"] == (3, 4, 5)
    check_regions(adapter)


def test_derivatives() -> None:
    adapter = StyleGAN2(untrained(8, [6, 4], 0, first_size=(5, 3)))
    check_regions(adapter)
    check_forward_at(adapter, parse_region("left", adapter.resolution))


def test_commands(golden: Golden, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    """A card keeps the width, and what is drawn, analysed and edited has it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ZOO_CONFIG", str(tmp_path / "config"))
    torch.save(golden.state, "g.pt")
    assert run(["add", "g.pt", "--name", "stylegan2.wide"]) == 0
    assert "stylegan2.wide: stylegan2, 16 x 24, w 6 x 10" in capsys.readouterr().out
    card = load_installation().registry.resolve("stylegan2.wide")
    assert (card.size, card.pixels) == (SIZE, "16 x 24")
    flags = ["--out", "run", "--unseen", "1", "--show", "1"]
    assert run(["analyze", "stylegan2.wide", "-a", "lowrank", "-r", "left", *flags]) == 0
    assert run(["sample", "stylegan2.wide", "--samples", "1", "--out", "one"]) == 0
    with Image.open(tmp_path / "one" / "samples.png") as picture:
        assert picture.width > picture.height


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"synthesis.b8.conv0.noise_const": torch.zeros(8, 8)}, r"layers\.1\.noise \(8, 8\) instead of \(8, 12\)"),
        ({"synthesis.b4.const": torch.zeros(16, 4, 0)}, "empty: constant"),
    ],
)
def test_maps_that_do_not_fit(change: dict[str, Tensor], message: str, golden: Golden) -> None:
    with pytest.raises(CheckpointError, match=message):
        opened({**golden.state, **change}, ("stylegan2", "nvidia"))
