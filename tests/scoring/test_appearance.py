"""Plain words for changes of pixels: changes of each kind are told, and others are not."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional

import zoo
from tests.support.linear import Linear, model_of
from zoo.core.region import parse_region
from zoo.scoring.appearance import Appearance, AppearanceMeter


def pictures(count: int = 12) -> Tensor:
    coarse = torch.rand(count, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 1.6 - 0.8
    return functional.interpolate(coarse, (64, 64), mode="bicubic")


def grown(images: Tensor, factor: float) -> Tensor:
    matrix = torch.tensor([[1 / factor, 0, 0], [0, 1 / factor, 0]]).expand(len(images), 2, 3)
    grid = functional.affine_grid(matrix, list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid, align_corners=False, padding_mode="border")


def tinted(images: Tensor, red: float, green: float, blue: float) -> Tensor:
    return images + torch.tensor([red, green, blue])[:, None, None]


def named(plus: Tensor, minus: Tensor, region: str = "all") -> str:
    meter = AppearanceMeter(parse_region(region, (64, 64), {"mouth": "box:0.5,0.25,0.25,0.5"}), 1)
    meter.start(pictures(len(plus)))
    meter.look(0, 0, plus)
    meter.look(0, 1, minus)
    return str(meter.result()[0])


@pytest.mark.parametrize(
    ("plus", "minus", "word"),
    [
        (pictures() + 0.1, pictures() - 0.1, "brighter"),
        (pictures() - 0.1, pictures(), "darker"),
        (pictures().roll(2, 2), pictures().roll(-2, 2), "moves down"),
        (pictures().roll(-2, 2), pictures().roll(2, 2), "moves up"),
        (pictures().roll(2, 3), pictures().roll(-2, 3), "moves right"),
        (pictures().roll(-2, 3), pictures().roll(2, 3), "moves left"),
        (grown(pictures(), 1.06), grown(pictures(), 0.94), "larger"),
        (grown(pictures(), 0.94), grown(pictures(), 1.06), "smaller"),
        (tinted(pictures(), 0.2, -0.1, -0.1), pictures(), "redder"),
        (tinted(pictures(), 0.1, 0.1, -0.2), pictures(), "yellower"),
        (tinted(pictures(), -0.1, 0.2, -0.1), pictures(), "greener"),
        (tinted(pictures(), -0.1, -0.1, 0.2), pictures(), "bluer"),
        (pictures().flip(0), pictures(), "None"),  # other pictures
    ],
)
def test_kinds_of_changes(plus: Tensor, minus: Tensor, word: str) -> None:
    assert named(plus, minus) == (word if word == "None" else f"{word} (pixels)")


def test_only_the_region_counts_and_is_told() -> None:
    darker = pictures()
    darker[:, :, 32:48, 16:48] -= 0.4
    brighter_elsewhere = darker.clone()
    brighter_elsewhere[:, :, :16] += 0.6
    assert named(brighter_elsewhere, pictures(), "mouth") == "mouth: darker (pixels)"
    assert named(brighter_elsewhere, pictures(), "box:32,16,16,32") == "darker (pixels)"


def test_codes_that_disagree_and_few_codes_get_no_name() -> None:
    sign = torch.tensor([1.0, -1.0] * 6)[:, None, None, None]
    assert named(pictures() + 0.1 * sign, pictures()) == "None"
    assert named(pictures(4) + 0.1, pictures(4)) == "None"


def test_a_run_has_such_names_where_no_scorer_fits(tmp_path: Path) -> None:
    """The first number of the code brightens all pixels, the second one adds stripes."""
    rows = torch.zeros(64, 2)
    rows[:, 0] = 0.1
    rows.view(8, 8, 2)[:, ::2, 1], rows.view(8, 8, 2)[:, 1::2, 1] = 0.05, -0.05
    model = model_of(Linear(rows, (8, 8)), "other.model")
    found = zoo.analyze(model, "sefa", normalize=False, out=tmp_path / "run")
    first, second = found.provenance["names"]
    assert first["attribute"] == "brighter" and first["scorer"] is None and first["agreement"] == 1
    assert second is None
    assert found.index_of("brighter") == 0
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "Direction 0 <span>brighter (pixels)</span>" in page
    assert Appearance("darker", "", 0.3, 1).strength is None  # what tables of sweeps have
    assert "measured of pixels, as no scorer fits" in page and "no scorer fits this model" in page
