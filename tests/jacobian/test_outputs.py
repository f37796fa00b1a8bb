"""Grey and colour as outputs, and the options that choose among outputs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from zoo_adapters.dcgan.adapter import DCGAN

import zoo
from tests.support.linear import Linear, model_of
from zoo import Codes, OptionError
from zoo.core.options import parse_options
from zoo.core.region import parse_region
from zoo.jacobian.options import OutputOptions
from zoo.jacobian.outputs import GREY, RGB
from zoo.testing import draw


class Tinted(Linear):
    """A linear generator whose three channels differ: red as it is, green doubled, blue dark."""

    def synthesize(self, codes: Codes) -> torch.Tensor:
        return super().synthesize(codes) * torch.tensor([1.0, 2.0, 0.0]).view(3, 1, 1)


def test_colour_has_three_rows_a_pixel_and_grey_their_mean() -> None:
    adapter = DCGAN.tiny(0)
    region = parse_region("box:1,2,3,4", adapter.resolution)
    pixels = adapter.region_output(draw(adapter, 2, 0), region)
    colour, grey = RGB(pixels, region), GREY(pixels, region)
    assert colour.shape == (2, 3 * 12) and grey.shape == (2, 12)
    assert torch.equal(colour[1, 3 * 5 : 3 * 6], pixels[1, :, 5])
    assert torch.allclose(colour.view(2, 12, 3).mean(dim=2), grey, atol=1e-6)


def test_an_analysis_of_colours_weighs_the_channels_by_how_they_move() -> None:
    """The mean square over channels, (1 + 4 + 0) / 3, where grey has the square of their mean, 1."""
    adapter = Tinted.tiny(0)
    rows = adapter.network.get_parameter("weight").double()
    found = zoo.analyze(model_of(adapter), "lowrank", energy=1.0, output="rgb", unseen=0)
    values = torch.linalg.eigvalsh(rows.T @ rows / len(rows)).flip(0)
    assert torch.allclose(found.scores, 5 / 3 * values, rtol=1e-5)
    assert found.provenance["output"] == "rgb"
    grey = zoo.analyze(model_of(adapter), "lowrank", energy=1.0, unseen=0)
    assert torch.allclose(grey.scores, values, rtol=1e-5)
    assert grey.provenance["output"] == "grey"


def test_nullspace_of_colours_leaves_alone_what_grey_does_not_see() -> None:
    """The third number tints the lower half without changing its mean: only colours tell."""

    class Tinting(Linear):
        def synthesize(self, codes: Codes) -> torch.Tensor:
            tint = torch.zeros(3, *self.resolution)
            tint[0, 1], tint[1, 1] = 5.0, -5.0
            return super().synthesize(codes) + codes.latents[:, 2, None, None, None] * tint

    rows = torch.zeros(8, 3)
    rows[0, 0], rows[1, 2], rows[4, 1] = 2.0, 3.0, 1.0
    model = model_of(Tinting(rows, (2, 4)))
    options: dict[str, Any] = {"energy": 1.0, "background_energy": 1.0}
    grey, colour = (
        zoo.analyze(model, "nullspace", region="top", output=name, unseen=0, **options) for name in ("grey", "rgb")
    )
    assert len(grey) == 2 and float(grey.vectors[:, 2].abs().max()) == pytest.approx(1)
    assert len(colour) == 1 and float(colour.vectors[0, 0].abs()) == pytest.approx(1)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"output": "lab"}, "option output='lab': there are grey, rgb and timm:NAME"),
        ({"output": "timm:"}, "option output='timm:': there are grey"),
        ({"output": "timm:hf-hub:somebody/net"}, "there are grey"),
        ({"features": __file__}, "for -o output=timm:NAME only"),
        ({"output": "rgb", "features": __file__}, "for -o output=timm:NAME only"),
        ({"output": "timm:resnet18", "features": "none.pt"}, "option features='none.pt': there is no such file"),
    ],
)
def test_options_that_make_no_sense(values: dict[str, str], words: str) -> None:
    with pytest.raises(OptionError, match=words):
        parse_options("lowrank", OutputOptions, values)


def test_options_that_do() -> None:
    chosen = parse_options("lowrank", OutputOptions, {"output": "timm:vit_tiny_patch16_224.a-1", "features": __file__})
    assert chosen.features == Path(__file__)
    assert parse_options("lowrank", OutputOptions, {}) == OutputOptions(output="grey", features=None)
