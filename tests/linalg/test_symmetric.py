import pytest
import torch
from torch import Tensor

from zoo import OptionError
from zoo.linalg.low_rank import factorize
from zoo.linalg.symmetric import (
    eigenvectors,
    fix_signs,
    numerical_rank,
    principal_angles,
    project_out,
    quadratic,
    rank_for_energy,
    unit_rows,
)


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_eigenvectors_are_sorted_orthonormal_and_rebuild_the_matrix() -> None:
    half = random(20, 12)
    matrix = half.T @ half
    values, rows = eigenvectors(matrix)
    assert bool((values[:-1] >= values[1:]).all())
    assert torch.allclose(rows @ rows.T, torch.eye(12, dtype=torch.float64), atol=1e-12)
    assert torch.allclose(rows.T @ torch.diag(values) @ rows, matrix, atol=1e-11)
    assert torch.equal(fix_signs(rows), rows)


def test_signs_make_the_largest_entry_positive() -> None:
    rows = torch.tensor([[0.1, -0.9], [0.5, 0.2]], dtype=torch.float64)
    assert torch.equal(fix_signs(rows), torch.tensor([[-0.1, 0.9], [0.5, 0.2]], dtype=torch.float64))


def test_rank_for_energy_is_the_smallest_that_suffices() -> None:
    values = torch.tensor([6.0, 3.0, 1.0, 0.0], dtype=torch.float64)
    assert [rank_for_energy(values, energy) for energy in (0.5, 0.6, 0.61, 0.9, 0.91, 1.0)] == [1, 1, 2, 2, 3, 3]


def test_numerical_rank_ignores_rounding() -> None:
    thin = random(3, 40)
    values, _ = eigenvectors(thin.T @ thin)
    assert numerical_rank(values) == 3


def test_projection_leaves_nothing_in_the_basis() -> None:
    basis = torch.linalg.qr(random(30, 7)).Q.T
    rest = project_out(random(5, 30, seed=1), basis)
    assert float((rest @ basis.T).abs().max()) < 1e-14


def test_quadratic_is_the_energy_along_a_row() -> None:
    matrix, rows = random(6, 6), random(3, 6, seed=1)
    matrix = matrix @ matrix.T
    assert torch.allclose(quadratic(rows, matrix), torch.stack([row @ matrix @ row for row in rows]))


def test_principal_angles_are_exact_when_tiny() -> None:
    first = torch.eye(5, dtype=torch.float64)[:2]
    second = first.clone()
    second[0, 4] = 1e-9
    assert torch.allclose(principal_angles(first, second), torch.tensor([0.0, 1e-9], dtype=torch.float64), atol=1e-15)
    assert torch.allclose(principal_angles(first[:1], first[1:]), torch.tensor([torch.pi / 2], dtype=torch.float64))


def test_unit_rows_leave_zero_rows() -> None:
    assert torch.equal(unit_rows(torch.tensor([[3.0, 4.0], [0.0, 0.0]])), torch.tensor([[0.6, 0.8], [0.0, 0.0]]))


def test_unknown_factorization() -> None:
    with pytest.raises(OptionError, match="spectrum, pursuit and published"):
        factorize(torch.eye(3), "magic", 0.9)


@pytest.mark.parametrize("factorization", ["spectrum", "pursuit", "published"])
def test_nothing_has_rank_nought(factorization: str) -> None:
    assert factorize(torch.zeros(4, 4), factorization, 0.9).rank == 0
