"""Measure what a search for ten directions costs, and what it misses. Prints a Markdown table.

    python -m benchmarks.sketched [RESOLUTION]

On StyleGAN2-shaped generators with random weights and codes of 512 numbers: the leading eigenvectors of the whole
image, and the quotients of its centre and the rest. The cost is the number of jvps and vjps over the 512 jvps of the
whole Jacobian. What is missing is 1 minus the share of the exact answer's sum that the directions capture.
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
from zoo.linalg.davidson import block_davidson
from zoo.linalg.symmetric import eigenvectors, generalized_eigh, quadratic
from zoo.testing import draw

RANK, TAU, SEEDS = 10, 1e-3, (0, 1)


def main() -> None:
    """Measure each seed and print a row for each problem."""
    resolution = int(sys.argv[1]) if len(sys.argv) > 1 else 32
    print(f"StyleGAN2-shaped, {resolution}²; torch {torch.__version__}, {torch.get_num_threads()} threads\n")
    print("| problem | seed | jvps | vjps | cost | seconds | seconds, exact | residual | missing |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for seed in SEEDS:
        adapter = stylegan2(resolution, seed)
        code = draw(adapter, 1, seed)
        size = adapter.resolution
        whole = parse_region("all", size)
        center = parse_region("center", size)
        start = time.perf_counter()
        gram_all, gram_inside, gram_outside = gram_matrices(
            adapter, code, [whole, center, center.complement()]
        ).matrices
        exact = time.perf_counter() - start
        shifted = gram_outside + TAU * gram_outside.trace() * torch.eye(len(gram_outside), dtype=torch.float64)
        best = {
            "spectrum": eigenvectors(gram_all)[0][:RANK].sum(),
            "quotients": generalized_eigh(gram_inside, gram_outside, TAU)[0][:RANK].sum(),
        }
        for problem, wanted in best.items():
            start = time.perf_counter()
            operator = RegionJacobian(adapter, code, whole)
            products = operator.jvp, operator.vjp, adapter.space.dim, RANK
            generator = torch.Generator().manual_seed(seed)
            if problem == "spectrum":
                found = krylov.block_krylov_eigsh(*products, generator=generator)
                captured = quadratic(found.rows, gram_all).sum()
            else:
                inside = torch.from_numpy(center.mask.flatten())
                found = block_davidson(*products, inside=inside, tau=TAU, generator=generator)
                captured = (quadratic(found.rows, gram_inside) / quadratic(found.rows, shifted)).sum()
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
