"""What does a search for ten directions cost, and what does it miss? Prints a Markdown table.

    python -m benchmarks.sketched [RESOLUTION]

On StyleGAN2-shaped generators with random weights and codes of 512 numbers: the leading eigenvectors of the whole
image, and the quotients of its centre and the rest. Cost counts pushes and pulls, both as one, against the 512 pushes
of the whole Jacobian; what is missing is one less the share of the exact answer's sum that the found directions
capture.
"""

from __future__ import annotations

import sys
import time

import torch

from benchmarks.shapes import stylegan2
from zoo.core.region import parse_region
from zoo.jacobian.gram import gram_matrices
from zoo.jacobian.operator import RegionJacobian
from zoo.linalg import krylov
from zoo.linalg.symmetric import eigenvectors, generalized_eigh, quadratic
from zoo.testing import draw

RANK, TAU, SEEDS = 10, 1e-3, (0, 1)


def main() -> None:
    """Measure each seed and print a row for each problem."""
    resolution = int(sys.argv[1]) if len(sys.argv) > 1 else 32
    print(f"StyleGAN2-shaped, {resolution}²; torch {torch.__version__}, {torch.get_num_threads()} threads\n")
    print("| problem | seed | pushes | pulls | cost | seconds | seconds, exact | residual | missing |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for seed in SEEDS:
        adapter = stylegan2(resolution, seed)
        code, size = draw(adapter, 1, seed), adapter.resolution
        whole, center = parse_region("all", size), parse_region("center", size)
        start = time.perf_counter()
        every, inside, outside = gram_matrices(adapter, code, [whole, center, center.complement()]).matrices
        exact = time.perf_counter() - start
        shifted = outside + TAU * outside.trace() * torch.eye(len(outside), dtype=torch.float64)
        best = {
            "spectrum": eigenvectors(every)[0][:RANK].sum(),
            "quotients": generalized_eigh(inside, outside, TAU)[0][:RANK].sum(),
        }
        for problem, wanted in best.items():
            start = time.perf_counter()
            operator = RegionJacobian(adapter, code, whole)
            products = operator.jvp, operator.vjp, adapter.space.dim, RANK
            generator = torch.Generator().manual_seed(seed)
            if problem == "spectrum":
                found = krylov.block_krylov_eigsh(*products, generator=generator)
                captured = quadratic(found.rows, every).sum()
            else:
                within = torch.from_numpy(center.mask.flatten())
                found = krylov.block_davidson(*products, inside=within, tau=TAU, generator=generator)
                captured = (quadratic(found.rows, inside) / quadratic(found.rows, shifted)).sum()
            seconds = time.perf_counter() - start
            cells = [problem, seed, found.jvps, found.vjps, f"{found.cost(1) / adapter.space.dim:.2f}"]
            cells += [
                f"{seconds:.1f}",
                f"{exact:.1f}",
                f"{found.residual:.1e}",
                f"{float(1 - captured / wanted):.1e}",
            ]
            print(f"| {' | '.join(map(str, cells))} |", flush=True)


if __name__ == "__main__":
    main()
