"""The matrix-free search, against the exact answer from the whole Jacobian."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.sparse.linalg import aslinearoperator, eigsh
from torch import Tensor

from tests.support.marks import mostly_long
from zoo import CapabilityError
from zoo.jacobian.columns import jacobian
from zoo.linalg import krylov
from zoo.linalg.davidson import block_davidson
from zoo.linalg.symmetric import eigenvectors, generalized_eigh, principal_angles
from zoo.models.model import Model

DIM, PIXELS = 512, 1500
INDEX = torch.arange(1, DIM + 1, dtype=torch.float64)
# Singular values; those of real generators fall between these.
DECAYS = {
    "power-0.75": INDEX**-0.75,
    "power-1": INDEX**-1.0,
    "power-1.5": INDEX**-1.5,
    "exponential-12": (-INDEX / 12).exp(),
    "exponential-25": (-INDEX / 25).exp(),
}


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def random(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=seeded(seed), dtype=torch.float64)


def made(singular: Tensor, pixels: int, seed: int) -> Tensor:
    """A Jacobian (pixels, dim) with these singular values, but for √pixels, and random singular vectors."""
    left, right = (torch.linalg.qr(random(rows, DIM, seed=seed + turn)).Q for turn, rows in ((0, pixels), (1, DIM)))
    scaled = pixels**0.5 * left * singular
    whole: Tensor = scaled @ right.T
    return whole


class Products:
    """Products with a Jacobian in float32, which is how a network makes them; counted."""

    def __init__(self, whole: Tensor) -> None:
        self.whole = whole.to(torch.float32)
        self.jvps = self.vjps = 0

    def jvp(self, rows: Tensor) -> Tensor:
        self.jvps += len(rows)
        return rows.to(torch.float32) @ self.whole.T

    def vjp(self, images: Tensor) -> Tensor:
        self.vjps += len(images)
        return images @ self.whole


@pytest.mark.parametrize("seed", mostly_long([0, 1, 2], (0,)))
@pytest.mark.parametrize("decay", mostly_long(DECAYS, ("power-0.75", "exponential-25")))
def test_ten_rows_capture_the_energy_at_a_third_of_the_cost(decay: str, seed: int) -> None:
    whole = made(DECAYS[decay], PIXELS, seed=10)
    products = Products(whole)
    found = krylov.block_krylov_eigsh(products.jvp, products.vjp, DIM, 10, generator=seeded(seed), tolerance=1e-2)
    exact = DECAYS[decay][:10].square().sum()
    rows = found.rows
    captured = (rows @ whole.T).square().sum() / PIXELS
    assert found.converged
    assert float(captured / exact) >= 1 - 1e-4
    assert float(found.values.sum()) == pytest.approx(float(captured), rel=1e-5), "float32 pushes"
    assert torch.allclose(rows @ rows.T, torch.eye(10, dtype=torch.float64), atol=1e-10)
    assert (found.jvps, found.vjps) == (products.jvps, products.vjps)
    assert found.cost(2) == products.jvps + 2 * products.vjps <= DIM / 3, "even if a pull were two pushes"


@pytest.mark.parametrize("decay", mostly_long(DECAYS, ("power-1", "exponential-12")))
def test_scipy_finds_the_same_eigenpairs(decay: str) -> None:
    """Against ARPACK, which takes one vector at a time, on products of the same float64 matrix."""
    whole = made(DECAYS[decay], PIXELS, seed=10)
    matrix = aslinearoperator(whole.numpy())
    wanted, columns = eigsh(matrix.T @ matrix / PIXELS, k=5, v0=np.ones(DIM))
    found = krylov.block_krylov_eigsh(
        lambda rows: rows @ whole.T,
        lambda images: images @ whole,
        DIM,
        5,
        generator=seeded(0),
        tolerance=1e-7,
        max_cost=DIM,
    )
    assert found.converged
    assert found.values.numpy() == pytest.approx(wanted[::-1], rel=1e-9)
    assert float(principal_angles(found.rows, torch.from_numpy(columns.T.copy())).max()) <= 1e-5


@pytest.mark.parametrize("seed", mostly_long([0, 1, 2], (0,)))
def test_a_planted_gap_gives_the_subspace(seed: int) -> None:
    """Ten values of about 1 above a slow decay from 0.5: the angle is bounded by the residual over the gap."""
    singular = torch.cat([torch.linspace(1.5, 1, 10, dtype=torch.float64), 0.5 * INDEX[: DIM - 10] ** -0.5])
    whole = made(singular, PIXELS, seed=20)
    products = Products(whole)
    found = krylov.block_krylov_eigsh(products.jvp, products.vjp, DIM, 10, generator=seeded(seed))
    wanted = eigenvectors(whole.T @ whole)[1][:10]
    assert found.converged
    assert float(principal_angles(found.rows, wanted).max()) <= 1e-3
    assert found.cost() <= DIM / 3


def quotients_of(whole: Tensor, inside: Tensor, tau: float) -> tuple[Tensor, Tensor, Tensor]:
    """The exact quotients, and both matrices of the quotient."""
    above, below = (whole[rows].T @ whole[rows] / rows.sum() for rows in (inside, ~inside))
    values, _ = generalized_eigh(above, below, tau)
    return values, above, below + tau * below.trace() * torch.eye(len(below), dtype=torch.float64)


def captured_by(rows: Tensor, above: Tensor, below: Tensor) -> float:
    """The sum of the quotients on the span of the rows, by the exact matrices."""
    basis = torch.linalg.qr(rows.T).Q.T
    return float(torch.linalg.solve(basis @ below @ basis.T, basis @ above @ basis.T).trace())


@pytest.mark.parametrize("seed", mostly_long([0, 1], (0,)))
@pytest.mark.parametrize("decay", mostly_long(["power-0.75", "power-1", "power-1.5", "exponential-12"], ("power-1",)))
def test_quotients_of_two_regions(decay: str, seed: int) -> None:
    whole = torch.cat([made(DECAYS[decay], 700, seed=30), made(DECAYS[decay], 800, seed=40)])
    inside = torch.arange(PIXELS) < 700
    products = Products(whole)
    found = block_davidson(products.jvp, products.vjp, DIM, 10, inside=inside, tau=1e-3, generator=seeded(seed))
    values, above, below = quotients_of(whole, inside, 1e-3)
    assert found.converged
    assert captured_by(found.rows, above, below) >= (1 - 1e-3) * float(values[:10].sum())
    assert found.cost() <= DIM / 3
    assert (found.jvps, found.vjps) == (products.jvps, products.vjps)
    trace = float(whole[~inside].square().sum()) / 800
    assert found.trace is not None and found.trace_error is not None
    assert abs(found.trace - trace) <= 5 * found.trace_error
    assert found.trace_error <= 0.01 * trace


def test_a_known_trace_needs_no_probes() -> None:
    whole = torch.cat([made(DECAYS["power-1.5"], 700, seed=30), made(DECAYS["power-1.5"], 800, seed=40)])
    inside = torch.arange(PIXELS) < 700
    values, _, _ = quotients_of(whole, inside, 1e-2)
    trace = float(whole[~inside].square().sum()) / 800
    products = Products(whole)
    found = block_davidson(
        products.jvp, products.vjp, DIM, 5, inside=inside, tau=1e-2, generator=seeded(0), trace=trace, tolerance=0.01
    )
    assert (found.trace, found.trace_error) == (trace, 0.0)
    assert found.jvps == found.vjps
    assert found.values.tolist() == pytest.approx(values[:5].tolist(), rel=1e-4)


def test_a_spectrum_that_does_not_fall_is_given_up() -> None:
    """All singular values are equal within ten per cent: no subspace stands out, and d pushes are the better way."""
    products = Products(made(torch.linspace(1, 0.9, DIM, dtype=torch.float64), PIXELS, seed=50))
    found = krylov.block_krylov_eigsh(products.jvp, products.vjp, DIM, 10, generator=seeded(0))
    assert not found.converged
    assert found.residual > 1e-3
    assert len(found.rows) == 10
    assert DIM / 4 <= found.cost() <= DIM / 2


def test_the_budget_is_kept() -> None:
    products = Products(made(DECAYS["power-1"], PIXELS, seed=10))
    found = krylov.block_krylov_eigsh(products.jvp, products.vjp, DIM, 10, generator=seeded(0), max_cost=50, vjp_cost=4)
    assert not found.converged
    assert found.cost(4) <= 50


SEARCHES: list[Callable[..., krylov.PartialEigen]] = [
    krylov.block_krylov_eigsh,
    lambda *rest, **named: block_davidson(*rest, **named, inside=torch.arange(PIXELS) < 700, tau=0.1),
]


@pytest.mark.parametrize("search", SEARCHES)
def test_equal_generators_give_equal_results(search: Callable[..., krylov.PartialEigen]) -> None:
    products = Products(made(DECAYS["power-1.5"], PIXELS, seed=10))
    first, again = (search(products.jvp, products.vjp, DIM, 4, generator=seeded(3)) for _ in range(2))
    assert torch.equal(first.rows, again.rows)


@pytest.mark.parametrize("search", SEARCHES)
def test_few_dimensions_are_searched_whole(search: Callable[..., krylov.PartialEigen]) -> None:
    whole = random(PIXELS, 6, seed=0)
    products = Products(whole)
    found = search(products.jvp, products.vjp, 6, 6, generator=seeded(0), max_cost=1000)
    assert found.converged
    assert found.rows.shape == (6, 6)
    assert found.jvps <= 6 + 8


def test_a_jacobian_of_nought() -> None:
    products = Products(torch.zeros(20, 6))
    found = krylov.block_krylov_eigsh(products.jvp, products.vjp, 6, 2, generator=seeded(0))
    assert found.converged
    assert found.values.tolist() == [0, 0]


def test_a_region_that_never_changes_has_quotients_of_nought() -> None:
    whole = random(20, 6, seed=0)
    whole[:9] = 0
    products, inside = Products(whole), torch.arange(20) < 9
    found = block_davidson(products.jvp, products.vjp, 6, 2, inside=inside, tau=0.1, generator=seeded(0), max_cost=99)
    assert found.values.tolist() == [0, 0]
    with pytest.raises(CapabilityError, match="nothing outside"):
        block_davidson(products.jvp, products.vjp, 6, 2, inside=~inside, tau=0.1, generator=seeded(0), max_cost=99)


def test_what_cannot_be_searched_is_refused() -> None:
    products = Products(random(20, 6, seed=0))
    with pytest.raises(ValueError, match="rank=7"):
        krylov.block_krylov_eigsh(products.jvp, products.vjp, 6, 7, generator=seeded(0))
    with pytest.raises(ValueError, match="tau=0"):
        block_davidson(products.jvp, products.vjp, 6, 2, inside=torch.arange(20) < 9, tau=0.0, generator=seeded(0))


@pytest.mark.parametrize(
    ("rank", "dim", "quotient", "vjp_cost", "wanted"),
    [
        (10, 512, False, 2, True),
        (10, 512, True, 2, True),
        (10, 512, False, 5, False),
        (60, 512, False, 2, False),
        (10, 100, False, 2, False),
        (20, 512, True, 2, False),
    ],
)
def test_where_a_search_is_worthwhile(rank: int, dim: int, quotient: bool, vjp_cost: float, wanted: bool) -> None:
    assert krylov.is_worthwhile(rank, dim, quotient=quotient, vjp_cost=vjp_cost) is wanted


@pytest.mark.real
@pytest.mark.parametrize("seed", mostly_long([0, 1, 2], (0,)))
def test_the_jacobian_of_a_real_generator(digiface: Model, seed: int) -> None:
    """Its hundred dimensions are too few to save anything, but its spectrum is a real one."""
    code = digiface.sample(1, seed=seed)
    whole = jacobian(digiface.adapter, code, digiface.region("all")).to(torch.float64)
    products = Products(whole)
    found = krylov.block_krylov_eigsh(products.jvp, products.vjp, 100, 10, generator=seeded(seed), max_cost=200)
    values, _ = eigenvectors(whole.T @ whole / len(whole))
    assert found.converged
    assert float(found.values.sum() / values[:10].sum()) == pytest.approx(1, abs=1e-4)
    inside = torch.from_numpy(digiface.region("mouth").mask.flatten())
    found = block_davidson(
        products.jvp, products.vjp, 100, 5, inside=inside, tau=1e-3, generator=seeded(seed), max_cost=250
    )
    exact, above, below = quotients_of(whole, inside, 1e-3)
    assert found.converged
    assert captured_by(found.rows, above, below) >= (1 - 5e-3) * float(exact[:5].sum())
