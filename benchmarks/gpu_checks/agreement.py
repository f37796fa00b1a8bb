"""Networks on a device against the same networks on the CPU in float64: samples, derivatives, analyses."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

import zoo
from benchmarks.gpu_checks.precision import without_tf32
from benchmarks.gpu_checks.results import Cell, Settings, attempt, compare, relative_deviation
from zoo import Adapter, Codes, Directions
from zoo.core import parse_region
from zoo.jacobian import RegionJacobian
from zoo.plugins.discovery import load_plugins
from zoo.testing import draw, render

BUNDLED = ("biggan.avatars32", "pggan.avatars32", "stylegan.avatars32", "stylegan2.avatars32")
ANALYZERS = ("sefa", "lowrank", "nullspace", "resefa")
QUICK = ("dcgan", "stylegan2")
VECTORS = 8  # how many vectors J and its transpose are multiplied by
LEADING = 3  # how many directions are compared
SEPARATED = 0.05  # a direction is compared if its score is this share of the largest away from its neighbours

Build = Callable[[str, torch.dtype], Adapter]


@dataclass(frozen=True)
class Tolerances:
    """The largest deviations that hold.

    Attributes:
        images: Of codes and images, relative.
        products: Of products with J and its transpose, relative. A ReLU whose input is almost 0 may switch.
        scores: Of the leading scores of an analysis, relative.
        directions: Of the leading directions, as 1 less the cosine.
    """

    images: float
    products: float
    scores: float
    directions: float


TOLERANCES = {
    torch.float32: Tolerances(images=1e-4, products=1e-3, scores=1e-3, directions=1e-3),
    torch.float64: Tolerances(images=1e-10, products=1e-10, scores=1e-9, directions=1e-9),
}
ABOUT = (
    "Every family's tiny network and the bundled models of 32², compared with the CPU in float64. Deviations of codes, "
    f"images and products with {VECTORS} vectors (forward: J v; reverse: Jᵀ u) are relative, in the Frobenius norm; "
    f"those of analyses are the larger of two: of the {LEADING} leading scores, relative, and of the directions among "
    "them whose scores are separate, as 1 less the cosine. TF32 is off. Tolerances: "
    + "; ".join(
        f"{str(dtype).removeprefix('torch.')}: images {one.images:.0e}, products {one.products:.0e}, "
        f"scores {one.scores:.0e}, directions {one.directions:.0e}"
        for dtype, one in TOLERANCES.items()
    )
    + "."
)


def checks(settings: Settings) -> Iterator[Cell]:
    """Compare every network.

    Args:
        settings: How the checks run.

    Yields:
        A row for each network and dtype.
    """
    for name, build in networks(quick=settings.quick).items():
        yield from attempt(name, partial(_compare_network, name, build, settings.device), settings)


def networks(*, quick: bool) -> dict[str, Build]:
    """List the networks that are compared.

    Args:
        quick: Whether two tiny networks suffice.

    Returns:
        For each name a function of device and dtype that builds the network.
    """
    names = QUICK if quick else sorted(load_plugins().adapters)
    tiny: dict[str, Build] = {f"{name}, tiny": partial(_tiny, name) for name in names}
    return tiny if quick else {name: partial(_bundled, name) for name in BUNDLED} | tiny


def _tiny(family: str, device: str, dtype: torch.dtype) -> Adapter:
    adapter: Adapter = load_plugins().adapter(family).resolve().tiny(0)
    adapter.network.to(device, dtype)
    return adapter


def _bundled(name: str, device: str, dtype: torch.dtype) -> Adapter:
    return zoo.load(name, device=device, dtype=str(dtype).removeprefix("torch.")).adapter


def _compare_network(name: str, build: Build, device: str) -> Iterator[Cell]:
    reference = build("cpu", torch.float64)
    codes = draw(reference, 2, 0)
    expected = _products(reference, codes[0])
    found_directions = {analyzer: _analyze(reference, analyzer, codes) for analyzer in ANALYZERS}
    for dtype, tolerances in TOLERANCES.items():
        case = f"{name}, {str(dtype).removeprefix('torch.')}"
        adapter = build(device, dtype)
        moved = codes.to(adapter.device, adapter.dtype)
        with without_tf32():
            drawn = draw(adapter, 2, 0).latents
            yield compare(case, "codes", relative_deviation(drawn, codes.latents), tolerances.images)
            deviation = relative_deviation(render(adapter, moved), render(reference, codes))
            yield compare(case, "images", deviation, tolerances.images)
            for column, product in _products(adapter, moved[0]).items():
                yield compare(case, column, relative_deviation(product, expected[column]), tolerances.products)
            for analyzer, wanted in found_directions.items():
                found = _analyze(adapter, analyzer, moved)
                yield compare_directions(case, analyzer, found, wanted, tolerances)


def _products(adapter: Adapter, code: Codes) -> dict[str, Tensor]:
    """Multiply J of the central pixels, and its transpose, by the same random vectors on every device."""
    operator = RegionJacobian(adapter, code, parse_region("center", adapter.resolution))
    generator = torch.Generator().manual_seed(1)
    tangents = torch.randn(VECTORS, adapter.space.dim, generator=generator, dtype=torch.float64)
    forward = operator.jvp(tangents)
    cotangents = torch.randn(VECTORS, forward.shape[1], generator=generator, dtype=torch.float64)
    return {"forward": forward, "reverse": operator.vjp(cotangents)}


def _analyze(adapter: Adapter, analyzer: str, codes: Codes) -> Directions:
    entry = load_plugins().analyzer(analyzer)
    region = parse_region("center", adapter.resolution)
    probe = zoo.Probe(codes, region, None, torch.Generator().manual_seed(0))
    directions: Directions = entry.resolve()(entry.schema()()).analyze(adapter, probe)
    return directions


def compare_directions(
    case: str, column: str, found: Directions, reference: Directions, tolerances: Tolerances
) -> Cell:
    """Compare the leading directions of two analyses and their scores.

    Args:
        case: The row.
        column: The column.
        found: What the device found.
        reference: What the CPU found in float64.
        tolerances: The largest deviations that hold.

    Returns:
        The cell, with the larger of both deviations.
    """
    count = min(LEADING, len(found.scores), len(reference.scores))
    scores = relative_deviation(found.scores[:count], reference.scores[:count])
    cosines = (found.vectors[:count].cpu().double() * reference.vectors[:count].cpu().double()).sum(dim=1).abs()
    angles = [1 - float(cosines[index]) for index in _separated(reference.scores.tolist(), count)]
    held = scores <= tolerances.scores and all(angle <= tolerances.directions for angle in angles)
    return Cell(case, column, f"{max([scores, *angles]):.0e}", held)


def _separated(scores: Sequence[float], count: int) -> list[int]:
    """List the indices, below `count`, of scores that are apart from their neighbours."""
    gap = SEPARATED * abs(scores[0])

    def neighbours(index: int) -> list[float]:
        return [scores[other] for other in (index - 1, index + 1) if 0 <= other < len(scores)]

    return [index for index in range(count) if all(abs(scores[index] - other) >= gap for other in neighbours(index))]
