"""Principal component pursuit: the optimum, by its own certificate and by others."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from tests.linalg.test_published_rpca import CASES
from tests.support.marks import mostly_long
from zoo.linalg.low_rank import factorize
from zoo.linalg.robust_pca import OptimalDecomposition, default_lambda, rpca


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def gram(dim: int, power: float = 1.0) -> Tensor:
    """A Gram matrix whose eigenvalues fall like those of generators."""
    columns = torch.linalg.qr(random(dim, dim)).Q
    values = torch.arange(1, dim + 1, dtype=torch.float64) ** -power
    made: Tensor = (columns * values) @ columns.T
    return made


def objective(low_rank: Tensor, matrix: Tensor, weight: float) -> float:
    return float(torch.linalg.svdvals(low_rank).sum() + weight * (matrix - low_rank).abs().sum())


def check(found: OptimalDecomposition, matrix: Tensor, weight: float) -> None:
    """The pair is feasible, the objective is its own, and L is what eigenvectors and rank say."""
    scale = float(matrix.abs().max()) * len(matrix)
    assert torch.allclose(found.low_rank + found.sparse, matrix, atol=1e-15 * scale)
    assert found.primal == pytest.approx(objective(found.low_rank, matrix, weight), rel=1e-9)
    assert 0 <= found.primal - found.dual <= 1e-6 * found.primal
    assert found.converged
    rows, values = found.basis[: found.rank], found.values[: found.rank]
    assert torch.allclose(found.basis @ found.basis.T, torch.eye(len(matrix), dtype=torch.float64), atol=1e-10)
    assert torch.allclose((rows.T * values) @ rows, found.low_rank, atol=1e-13 * scale)
    assert bool((found.values[found.rank :] == 0).all())
    assert bool((values.abs()[:-1] >= values.abs()[1:]).all())


@pytest.mark.parametrize(
    ("dim", "power"), mostly_long([(60, 1.0), (60, 2.0), (128, 0.5), (128, 1.0)], ((60, 1.0), (60, 2.0)))
)
def test_the_optimum_of_gram_matrices(dim: int, power: float) -> None:
    matrix = gram(dim, power)
    found = rpca(matrix)
    check(found, matrix, default_lambda(dim))
    assert 0 < found.rank < dim


def test_no_change_of_the_optimum_is_better() -> None:
    """Independent of the dual: steps in many directions, small and large, only raise the objective."""
    matrix, weight = gram(40), default_lambda(40)
    found = rpca(matrix, tolerance=1e-9)
    steps = [random(40, 40, seed=seed) for seed in range(20)] + [found.low_rank, matrix - found.low_rank]
    for step in ((each + each.T) / torch.linalg.matrix_norm(each + each.T) for each in steps):
        for length in (-0.1, -1e-3, 1e-3, 0.1):
            moved = objective(found.low_rank + length * step, matrix, weight)
            assert moved >= found.primal * (1 - 1e-9)


@pytest.mark.parametrize("part", mostly_long(["fg", "bg"], ("bg",)))
@pytest.mark.parametrize(("size", "name", "weight"), mostly_long(CASES, CASES[:2]))
def test_the_released_loop_is_never_better(data: Path, size: str, name: str, weight: int, part: str) -> None:
    """With λ = 1/6 and 1/8 its recorded L is all but optimal: there both objectives agree."""
    reference = load_file(data / "rpca_reference.safetensors")
    matrix = reference[f"in/{size}/M_{part}"]
    found = rpca(matrix, weight=1 / weight)
    check(found, matrix, 1 / weight)
    released = objective(reference[f"out/{size}/{name}/L_{part}"], matrix, 1 / weight)
    assert found.dual <= released
    if weight < 60:
        assert found.primal == pytest.approx(released, rel=2e-6)
        assert abs(found.rank - int(reference[f"out/{size}/{name}/rank_{part}"])) <= 1
    if len(matrix) < 128:
        assert (found.rank == 0) == (weight == 60), "λ = 1/60 makes L = 0 the optimum at d = 32 and 64"


def test_a_planted_split_is_found() -> None:
    """Rank 3 plus one entry in fifty: Candès et al. (theorem 1.1) promise both parts back with λ = 1/√d."""
    half = random(100, 3)
    low_rank = half @ half.T
    spikes = 5 * random(100, 100, seed=1) * (torch.rand(100, 100, generator=torch.Generator().manual_seed(2)) < 0.01)
    matrix = low_rank + spikes + spikes.T
    found = rpca(matrix, weight=0.1, tolerance=1e-8)
    assert found.rank == 3
    assert float(torch.linalg.matrix_norm(found.low_rank - low_rank) / torch.linalg.matrix_norm(low_rank)) <= 1e-4


def test_it_scales_with_the_matrix() -> None:
    matrix = gram(30)
    one, tiny = rpca(matrix), rpca(2.0**-40 * matrix)
    assert torch.equal(tiny.low_rank, 2.0**-40 * one.low_rank)
    assert (tiny.rank, tiny.rounds) == (one.rank, one.rounds)
    assert tiny.gap == pytest.approx(one.gap)


def test_an_indefinite_matrix_is_sorted_by_magnitude() -> None:
    columns = torch.linalg.qr(random(50, 2)).Q
    matrix = (columns * torch.tensor([2.0, -5.0], dtype=torch.float64)) @ columns.T
    found = rpca(matrix)
    check(found, matrix, default_lambda(50))
    assert found.values[0] < 0 < found.values[1]
    assert found.rank == 2
    low = factorize(matrix, "pursuit", 0.9)
    assert bool((low.scores >= 0).all())


@pytest.mark.parametrize("matrix", [torch.ones(1, 1), -3 * torch.ones(1, 1), gram(7)], ids=["1", "-3", "seven"])
def test_where_the_weight_is_below_one_over_d_nothing_is_low_rank(matrix: Tensor) -> None:
    """λ d ≤ 1: λ sign(M) is a dual solution, so that L = 0 is optimal (0.377 √7 = 0.997)."""
    found = rpca(matrix)
    assert found.rank == 0
    assert found.primal == pytest.approx(default_lambda(len(matrix)) * float(matrix.abs().sum()))
    assert found.converged


def test_rank_one_in_all_entries() -> None:
    matrix = torch.ones(40, 40, dtype=torch.float64)
    found = rpca(matrix)
    check(found, matrix, default_lambda(40))
    assert found.rank == 1
    assert torch.allclose(found.low_rank, matrix, atol=1e-4)


def test_nothing() -> None:
    found = rpca(torch.zeros(4, 4))
    assert (found.rank, found.rounds, found.gap, found.primal, found.converged) == (0, 0, 0, 0, True)
    assert torch.equal(found.basis, torch.eye(4, dtype=torch.float64))


def test_too_few_rounds_are_admitted() -> None:
    found = rpca(gram(60), max_rounds=20)
    assert not found.converged
    assert found.rounds == 20
    assert 1e-6 < found.gap < 1
    best = rpca(gram(60))
    assert found.dual <= best.primal and best.dual <= found.primal, "the bounds hold all the same"


def test_progress_tells_the_decades_of_the_gap() -> None:
    told: list[tuple[int, int]] = []
    rpca(gram(60), progress=lambda done, total, what: told.append((done, total)))
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert told[-1] == (100, 100)
    assert len({done for done, _ in told}) > 10
