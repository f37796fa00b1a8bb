"""What does the cost of a Jacobian depend on? Measures, and draws docs/images/costs.webp.

    python -m benchmarks.plot

Untrained networks shaped like a DCGAN, of which one thing is varied at a time: the numbers of a code, the side of the
picture, the region, the number of codes, the vectors that J is multiplied by (what a factorization of low rank needs).
Points are the fastest of three runs, which take turns; the dashed line is the plain forward pass of as many images as
there are derivatives.
"""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from PIL import Image
from zoo_adapters.dcgan.adapter import DCGAN
from zoo_adapters.dcgan.network import DCGANGenerator

from benchmarks.turns import fastest_in_turns
from zoo.core.region import parse_region
from zoo.jacobian.columns import default_chunk
from zoo.jacobian.gram import gram_matrices
from zoo.jacobian.operator import RegionJacobian
from zoo.testing import draw

FILE = Path(__file__).parents[1] / "docs" / "images" / "costs.webp"
ROUNDS = 3
WIDTHS = (512, 256, 128, 64, 32, 16)
Point = tuple[float, Callable[[], object], Callable[[], object]]
"""Where it is drawn, the work, and the plain images that it is compared with."""


@dataclass(frozen=True)
class Panel:
    """One thing that is varied: the axis, and its points."""

    label: str
    points: list[Point]


def network(dim: int = 100, side: int = 64) -> DCGAN:
    """Build a DCGAN; images twice as large have a layer more, of half the channels."""
    torch.manual_seed(0)
    layers = side.bit_length() - 3
    adapter = DCGAN(DCGANGenerator([dim, *WIDTHS[:layers], 3]))
    assert adapter.resolution == (side, side)
    return adapter


def point(x: float, adapter: DCGAN, *, region: str = "all", codes: int = 1) -> Point:
    """Measure M of a region at some codes."""
    area, drawn = parse_region(region, adapter.resolution), draw(adapter, codes, 0)
    return x, lambda: gram_matrices(adapter, drawn, [area]), images(adapter, codes * adapter.space.dim)


def pushed(rank: int, adapter: DCGAN) -> Point:
    """Measure products of J with `rank` vectors."""
    area, vectors, chunk = parse_region("all", adapter.resolution), torch.randn(rank, adapter.space.dim), 32

    def work() -> None:
        operator = RegionJacobian(adapter, draw(adapter, 1, 0), area)
        for start in range(0, rank, chunk):
            operator.jvp(vectors[start : start + chunk])

    return rank, work, images(adapter, rank)


def images(adapter: DCGAN, count: int) -> Callable[[], object]:
    """Render images, as many at a time as zoo takes derivatives."""
    codes, chunk = draw(adapter, count, 1), default_chunk(adapter)

    def work() -> None:
        with torch.no_grad():
            for start in range(0, count, chunk):
                adapter.synthesize(codes[start : start + chunk])

    return work


def panels() -> list[Panel]:
    """List what is varied."""
    usual = network()
    boxes = {side**2: f"box:0.0,0.0,{side},{side}" for side in (0.125, 0.25, 0.5, 1.0)}
    return [
        Panel("numbers in a code", [point(dim, network(dim)) for dim in (32, 64, 128, 256, 512)]),
        Panel("side of the picture, pixels", [point(side, network(side=side)) for side in (16, 32, 64, 128, 256)]),
        Panel("region, share of the picture", [point(share, usual, region=box) for share, box in boxes.items()]),
        Panel("codes", [point(count, usual, codes=count) for count in (1, 2, 4, 8)]),
        Panel("vectors J is multiplied by (rank)", [pushed(rank, usual) for rank in (4, 8, 16, 32, 64, 100)]),
    ]


def main() -> None:
    """Measure every panel and draw them side by side."""
    figure, axes = plt.subplots(1, 5, figsize=(15, 3.2), sharey=True, layout="constrained")
    for axis, panel in zip(axes, panels(), strict=True):
        print(f"measuring: {panel.label} …", file=sys.stderr)
        x = [place for place, _, _ in panel.points]
        seconds = fastest_in_turns([work for _, *both in panel.points for work in both], ROUNDS, time.perf_counter)
        axis.loglog(x, seconds[::2], "o-", color="#c2410c", label="zoo")
        axis.loglog(x, seconds[1::2], "--", color="#475569", label="images alone")
        axis.set_xticks(x, [f"{place:.0%}" if max(x) == 1 else f"{place:g}" for place in x])
        axis.minorticks_off()
        axis.set_xlabel(panel.label)
        axis.grid(color="#e2e8f0")
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("seconds")
    axes[0].legend(frameon=False)
    drawn = io.BytesIO()
    figure.savefig(drawn, dpi=110)
    with Image.open(drawn) as picture:
        picture.convert("RGB").save(FILE, quality=80, method=6)
    print(f"{FILE.name}: torch {torch.__version__}, threads: {torch.get_num_threads()}")


if __name__ == "__main__":
    main()
