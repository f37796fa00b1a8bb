"""Checks that tests of several architectures share, beyond the conformance suite."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

import zoo
from tests.support.families import families
from tests.support.linear import model_of
from zoo import Adapter
from zoo.checkpoints.layouts import detect_network
from zoo.core.region import parse_region
from zoo.jacobian.operator import RegionJacobian
from zoo.testing import draw, in_float64

# Relative to the largest value, in float64: rounding of the same sums in another order.
EXACT = 1e-12

# Regions of 16x16 pixels whose windows end at borders, next to borders and far from them.
REGIONS = ["box:0,0,1,1", "box:15,15,1,1", "box:7,8,1,1", "box:0,3,2,9", "box:5,6,4,7", "box:2,0,9,2", "not:left"]


def layout_of(state: Mapping[str, Tensor], meta: Mapping[str, object] | None = None) -> tuple[str, str]:
    found = detect_network(families(), dict(state), meta or {})
    return found.family, found.layout.name


def check_cut(adapter: Adapter, text: str) -> None:
    """Assert that the output of a region is the image, cut."""
    exact = in_float64(adapter)
    codes = draw(exact, 2, 0)
    region = parse_region(text, exact.resolution)
    images = exact.synthesize(codes).flatten(2)
    output = exact.region_output(codes, region)
    assert torch.allclose(output, images[..., region.pixels], rtol=0, atol=EXACT * float(images.abs().max()))


def share_of_work(adapter: Adapter, text: str) -> float:
    """Return the multiplications that a region takes as a share of those of the whole image, by torch's own count."""
    codes = draw(adapter, 1, 0)
    counts = []
    for region in (text, "all"):
        with FlopCounterMode(display=False) as counter:
            adapter.region_output(codes, parse_region(region, adapter.resolution))
        counts.append(counter.get_total_flops())
    return float(counts[0] / counts[1])


def check_mapped_tangents(adapter: Adapter) -> None:
    """Assert that forward mode, all tangents in one pass, agrees with reverse mode."""
    code, region = draw(adapter, 1, 0), parse_region("center", adapter.resolution)
    jacobian = RegionJacobian(adapter, code, region)
    found = jacobian.jvp(torch.eye(adapter.space.dim)).T
    wanted = jacobian.vjp(torch.eye(len(found)))
    assert torch.allclose(found, wanted, atol=1e-5 * float(wanted.abs().max()))


def check_released_directions(adapter: Adapter, file: Path, layers: str, prefix: str = "") -> None:
    """Assert that SeFa finds the directions that its released code found.

    The released code did not sort them. Directions of zero eigenvalues are arbitrary, and left out.
    """
    start = f"{prefix}{layers}/"
    reference = {key.removeprefix(start): value for key, value in load_file(file).items() if key.startswith(start)}
    chosen = None if layers == "all" else ",".join(map(str, reference["layers"].tolist()))
    found = zoo.analyze(model_of(adapter), "sefa", layers=chosen, k=adapter.space.dim, unseen=0)
    order = reference["eigenvalues"].argsort(descending=True)[: len(found)]
    largest = float(found.scores[0])
    assert torch.allclose(found.scores.float(), reference["eigenvalues"][order], atol=2e-5 * largest)
    assert bool((reference["eigenvalues"].sort(descending=True).values[len(found) :] < 1e-5 * largest).all())
    cosines = (found.vectors.float() * reference["boundaries"][order]).sum(dim=1).abs()
    assert float(cosines.min()) >= 1 - 1e-4  # eigenvalues are at least 1e-3 of themselves apart
