"""Residual blocks: windows, derivatives, costs, for every kind of network that is made of them."""

from typing import Self

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from tests.support.contract import check_mapped_tangents
from tests.support.marks import mostly_long
from zoo.core.codes import LatentSpace
from zoo.core.region import parse_region
from zoo.nn.residual_adapter import ResidualAdapter
from zoo.nn.residual_block import BlockSpec
from zoo.nn.residual_network import ResidualGenerator, untrained
from zoo.testing import check_adapter, draw, in_float64

# Relative to the largest value, in float64: the same sums in another order.
EXACT = 1e-12
DEEP = [
    BlockSpec(8, 8, bottleneck=2, upsample=False, shortcut=False),
    BlockSpec(8, 4, bottleneck=2, shortcut=False),
    BlockSpec(4, 4, bottleneck=1),
]
KINDS = {
    "parts": ResidualGenerator(
        [BlockSpec(8, 8, attention=True), BlockSpec(8, 4)], 4, first_dim=4, chunk_dim=3, classes=3, embedding_dim=2
    ),
    "parts-unconditional": ResidualGenerator([BlockSpec(8, 8), BlockSpec(8, 4)], 4, first_dim=3, chunk_dim=3),
    "first-layer": ResidualGenerator(
        [BlockSpec(8, 8), BlockSpec(8, 4)], 4, first_dim=5, chunk_dim=0, classes=3, embedding_dim=3
    ),
    "first-layer-unconditional": ResidualGenerator([BlockSpec(8, 8), BlockSpec(8, 4)], 4, first_dim=5, chunk_dim=0),
    "whole": ResidualGenerator(DEEP, 4, first_dim=5, chunk_dim=0, shared_code=True, classes=3, embedding_dim=2),
    "whole-unconditional": ResidualGenerator(DEEP, 4, first_dim=5, chunk_dim=0, shared_code=True),
    "same-size": ResidualGenerator(
        [BlockSpec(6, 6, upsample=False), BlockSpec(6, 4), BlockSpec(4, 4)], 3, first_dim=4, chunk_dim=0
    ),
}
REGIONS = ["box:0,0,1,1", "box:7,6,1,1", "box:0,3,2,9", "box:5,6,4,5", "not:left", "all", "box:0,0,2,2+box:9,9,3,1"]


class Toy(ResidualAdapter):
    """Any network of blocks."""

    family = "toy"
    epsilon = 1e-5

    @classmethod
    def tiny(cls, seed: int) -> Self:
        return cls(untrained(KINDS["parts"], seed))


def toy(kind: str) -> Toy:
    return Toy(untrained(KINDS[kind], 1))


@pytest.mark.parametrize("kind", mostly_long(KINDS, list(KINDS)[:1]))
def test_conformance(kind: str) -> None:
    adapter = toy(kind)
    check_adapter(adapter)
    assert adapter.needs_labels == (not kind.endswith("unconditional") and kind != "same-size")


def test_spaces_and_sizes() -> None:
    found = {kind: (toy(kind).space, toy(kind).resolution) for kind in ("parts", "first-layer", "whole", "same-size")}
    assert found == {
        "parts": (LatentSpace("z", 10), (16, 16)),
        "first-layer": (LatentSpace("z", 5), (16, 16)),
        "whole": (LatentSpace("z", 5), (16, 16)),
        "same-size": (LatentSpace("z", 4), (12, 12)),
    }


@pytest.mark.parametrize("text", REGIONS)
@pytest.mark.parametrize("kind", mostly_long(KINDS, list(KINDS)[::2]))
def test_a_region_is_the_cut_of_the_image(kind: str, text: str) -> None:
    adapter = in_float64(toy(kind))
    codes, region = draw(adapter, 2, 0), parse_region(text, adapter.resolution)
    images = adapter.synthesize(codes).flatten(2)
    found = adapter.region_output(codes, region)
    assert torch.allclose(found, images[..., region.pixels], rtol=0, atol=EXACT * float(images.abs().max()))


@pytest.mark.parametrize(
    ("kind", "rows"),
    [
        ("parts", [128, 2 * (8 + 8), 2 * (8 + 4)]),
        ("first-layer", [128]),
        ("whole", [128, 2 * (8 + 2 + 2 + 2), 2 * (8 + 2 + 2 + 2), 2 * (4 + 1 + 1 + 1)]),
    ],
)
def test_projections_are_the_layers_that_read_the_code(kind: str, rows: list[int]) -> None:
    assert [len(part.weight) for part in toy(kind).projections()] == rows


def flops(adapter: Toy, text: str) -> int:
    codes, region = draw(adapter, 1, 0), parse_region(text, adapter.resolution)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        adapter.region_output(codes, region)
    return int(counter.get_total_flops())


@pytest.mark.parametrize("inner", mostly_long([None, 4], (4,)))
def test_a_small_region_costs_little_and_attention_needs_the_map_below(inner: int | None) -> None:
    """Of a network of 64² pixels, whose last maps are the work, a corner needs a twentieth of the sums."""

    def network(attended: int | None) -> Toy:
        specs = [BlockSpec(16, 16, bottleneck=inner, attention=index == attended) for index in range(4)]
        return Toy(untrained(ResidualGenerator(specs, 4, first_dim=4, chunk_dim=0), 0))

    assert flops(network(None), "box:0,0,4,4") < flops(network(None), "all") / 20
    early, late = (flops(network(block), "box:0,0,4,4") / flops(network(block), "all") for block in (0, 3))
    assert early < 0.1 < 0.9 < late


@pytest.mark.parametrize("kind", mostly_long(KINDS, list(KINDS)[::2]))
def test_forward_mode_can_be_mapped_over_tangents(kind: str) -> None:
    check_mapped_tangents(toy(kind))
