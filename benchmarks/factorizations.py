"""Measure what the factorizations cost, and how much they differ. Prints the tables of the page on performance.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python benchmarks/factorizations.py [MODEL …]

1. A round of the released LowRankGAN loop as its authors wrote it, an SVD in numpy, against a round of `published`.
2. `rpca` to a relative gap of 1e-6, and how far the released loop is above the optimum when it stops.
3. `spectrum`, `rpca`, `published` and `resefa` on real generators.

Times are processor times, which hardly depend on what else the machine does. The matrices of tables 1 and 2 are
synthetic: random eigenvectors, and eigenvalues that fall as those of real generators do.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import Tensor

import zoo
from zoo.core.codes import Codes
from zoo.editing.locality import measure_locality
from zoo.jacobian.gram import gram_matrices
from zoo.linalg.low_rank import LowRank, factorize
from zoo.linalg.robust_pca import PUBLISHED_LAMBDA, OptimalDecomposition, rpca, rpca_lowrankgan_admm
from zoo.linalg.symmetric import principal_angles
from zoo.models.model import Model

Array = np.ndarray[Any, Any]

SIZES = (128, 512)
MODELS = ("dcgan.celeba64", "dcgan.digiface64", "dcgan.omniart-eyes128")
FACTORIZATIONS = ("spectrum", "pursuit", "published")
ROUNDS = 20
SECONDS = 60
CODES = 4


def gram(dim: int) -> Tensor:
    """Make a matrix with random eigenvectors and the eigenvalues e^(-17 k / d).

    Args:
        dim: Its size, d.

    Returns:
        The matrix, (d, d) float64.
    """
    columns = torch.linalg.qr(torch.randn(dim, dim, dtype=torch.float64, generator=torch.Generator().manual_seed(0))).Q
    values = (-17 / dim * torch.arange(1, dim + 1, dtype=torch.float64)).exp()
    made: Tensor = (columns * values) @ columns.T
    return made


def released(matrix: Array) -> Iterator[tuple[Array, float]]:
    """Run the released loop round by round, with its SVD and multiplier.

    Args:
        matrix: M, (d, d).

    Yields:
        L, (d, d), and the residual over ‖M‖_F.
    """
    mu = matrix.size / (4 * float(np.linalg.norm(matrix, 1)))
    sparse = np.zeros_like(matrix)
    multiplier = np.zeros_like(matrix)

    def shrink(values: Array, threshold: float) -> Array:
        left: Array = np.sign(values) * np.maximum(np.abs(values) - threshold, 0)
        return left

    while True:
        left, singular, right = np.linalg.svd(matrix - sparse + multiplier / mu, full_matrices=False)
        low_rank = (left * shrink(singular, 1 / mu)) @ right
        sparse = shrink(matrix - low_rank + multiplier / mu, PUBLISHED_LAMBDA / mu)
        gap = matrix - low_rank - sparse
        multiplier = multiplier + mu * gap
        yield low_rank, float(np.linalg.norm(gap) / np.linalg.norm(matrix))


def timed(work: Callable[..., Any], *arguments: Any, **options: Any) -> tuple[float, Any]:
    """Measure a call.

    Args:
        work: What to call.
        *arguments: Its arguments.
        **options: Its keyword arguments.

    Returns:
        Its processor time in seconds, and its result.
    """
    start = time.process_time()
    result = work(*arguments, **options)
    return time.process_time() - start, result


def table(title: str, head: list[str], rows: list[list[str]]) -> None:
    """Print a Markdown table.

    Args:
        title: A line above it.
        head: Titles of the columns.
        rows: Its cells.
    """
    print(f"\n{title}\n\n| {' | '.join(head)} |\n| --- |{' ---: |' * (len(head) - 1)}")
    for row in rows:
        print(f"| {' | '.join(row)} |", flush=True)


def rounds_of_the_loop() -> None:
    """Measure single rounds, in turn: the fastest of some, after one to warm up."""
    rows = []
    for dim in SIZES:
        matrix = gram(dim)
        loop = released(matrix.numpy())
        old: list[float] = []
        new: list[float] = []
        for _ in range(ROUNDS):
            old.append(timed(next, loop)[0])
            new.append(timed(rpca_lowrankgan_admm, matrix, max_rounds=10)[0] / 10)
        first, second = 1e3 * min(old[1:]), 1e3 * min(new[1:])
        rows.append([str(dim), f"{first:.1f}", f"{second:.1f}", f"{first / second:.1f}"])
    table("A round, milliseconds", ["d", "released loop", "`published`", "ratio"], rows)


def until_stopped(matrix: Tensor) -> tuple[float, int, Tensor, float]:
    """Run the released loop until it stops, or until its time is up.

    Args:
        matrix: M, (d, d).

    Returns:
        The processor time in seconds, the number of rounds, L, and the residual over ‖M‖_F.
    """
    start = time.process_time()
    loop = released(matrix.numpy())
    count, residual = 0, 1.0
    while residual > 1e-7 and count < 10_000 and time.process_time() - start < SECONDS:
        low_rank, residual = next(loop)
        count += 1
    return time.process_time() - start, count, torch.from_numpy(low_rank), residual


def excess(low_rank: Tensor, matrix: Tensor, best: OptimalDecomposition) -> float:
    """Compare the objective of the feasible pair (L, M − L) with the proven bound.

    Args:
        low_rank: L, (d, d).
        matrix: M, (d, d).
        best: The optimum.

    Returns:
        By which share of the bound the objective exceeds it.
    """
    objective = torch.linalg.svdvals(low_rank).sum() + PUBLISHED_LAMBDA * (matrix - low_rank).abs().sum()
    return float(objective) / best.dual - 1


def solved() -> None:
    """Measure `rpca`, and the released loop until it stops or its time is up."""
    rows = []
    for dim in SIZES:
        matrix = gram(dim)
        seconds, best = timed(rpca, matrix, weight=PUBLISHED_LAMBDA)
        spent, count, low_rank, residual = until_stopped(matrix)
        above = excess(low_rank, matrix, best)
        equal = timed(rpca, matrix, weight=PUBLISHED_LAMBDA, tolerance=above)[0]
        state = "stopped" if residual <= 1e-7 else f"cut off at residual {residual:.0e}"
        loop = [f"{spent:.1f}", f"{count}, {state}", f"{100 * above:.2g} %", f"{equal:.2f}"]
        rows.append([str(dim), f"{seconds:.1f}", str(best.rounds), f"{best.gap:.0e}", *loop])
    head = ["d", "`rpca`, s", "rounds", "gap", "released loop, s", "rounds", "above the optimum by"]
    table("The optimum, λ = 1/60", [*head, "`rpca` to as much, s"], rows)


def best_of_five(model: Model, code: Codes, analyzer: str, **options: Any) -> float:
    """Measure the best locality of an analyzer's first five directions at the code analysed.

    Args:
        model: The model.
        code: The code.
        analyzer: The name of the analyzer.
        **options: Its options.

    Returns:
        The locality; 0 if no direction is found.
    """
    found = zoo.analyze(model, analyzer, region="center", codes=code, show=1, unseen=0, **options)
    region = model.region("center")
    # to first order, which is what a factorization can do something about
    measured = measure_locality(model.adapter, code, found.vectors[:5], region, change=1e-3) if len(found) else []
    return max((each.value for each in measured), default=0.0)


def all_of(matrices: list[Tensor], factorization: str, energy: float) -> list[LowRank]:
    """Factorize several matrices.

    Args:
        matrices: The matrices, (d, d) each.
        factorization: The name of the factorization.
        energy: The share of the trace, for ``spectrum``.

    Returns:
        Their low-rank parts.
    """
    return [factorize(matrix, factorization, energy) for matrix in matrices]


def farthest(found: LowRank, spectrum: LowRank) -> float:
    """Measure the largest principal angle of the smaller span with the larger one.

    Args:
        found: One low-rank part.
        spectrum: The other.

    Returns:
        The angle in degrees; 0 where one of them is empty.
    """
    small, large = sorted((found.vectors, spectrum.vectors), key=len)
    return float(principal_angles(small, large).max().rad2deg()) if len(small) else 0.0


def generators(names: list[str]) -> None:
    """Compare the factorizations on the centre of real generators, one code at a time; medians over the codes.

    Args:
        names: The names of the models.
    """
    rows = []
    for name in names:
        model = zoo.load(name)
        codes, center = model.sample(CODES, seed=0), model.region("center")
        each = [codes[index] for index in range(CODES)]
        grams = [gram_matrices(model.adapter, code, [center, center.complement()]).matrices for code in each]
        reference = all_of([rest for _, rest in grams], "spectrum", 0.97)
        for kind in FACTORIZATIONS:
            fore = all_of([region for region, _ in grams], kind, 0.9)
            seconds, back = timed(all_of, [rest for _, rest in grams], kind, 0.97)
            angle = median(farthest(one, two) for one, two in zip(back, reference, strict=True))
            local = median(
                best_of_five(model, code, "nullspace", factorization=kind, basis="published") for code in each
            )
            ranks = [f"{median(one.rank for one in found):g}" for found in (fore, back)]
            rows.append([f"`{name}`", f"`{kind}`", *ranks, f"{angle:.0f}°", f"{local:.3g}", f"{seconds / CODES:.3f}"])
        local = median(best_of_five(model, code, "resefa") for code in each)
        rows.append([f"`{name}`", "`resefa`", "–", "–", "–", f"{local:.3g}", "–"])
    head = ["model", "factorization", "rank, region", "rank, rest", "angle to `spectrum`", "locality", "seconds"]
    table(f"Real generators, centre, medians of {CODES} codes analysed alone", head, rows)


def main() -> None:
    """Print the three tables."""
    print(f"torch {torch.__version__}, numpy {np.__version__}, {torch.get_num_threads()} threads")
    rounds_of_the_loop()
    solved()
    generators(sys.argv[1:] or list(MODELS))


if __name__ == "__main__":
    main()
