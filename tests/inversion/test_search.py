"""The search: its solvers on functions with known minima, and what is minimised."""

import torch
from torch import Tensor

from tests.support.linear import Banded, Linear
from zoo.core.sampling import derived_generator
from zoo.inversion.solving.lbfgs import minimize_lbfgs
from zoo.inversion.solving.levenberg_marquardt import minimize_levenberg_marquardt
from zoo.inversion.solving.prior import Prior
from zoo.inversion.solving.problem import Problem, visible_difference
from zoo.inversion.solving.starts import draw_for_prior


def nothing() -> None:
    """Ignore a tick."""


def rosenbrock(points: Tensor) -> Tensor:
    return ((points[:, 1:] - points[:, :-1] ** 2) ** 2 * 100 + (1 - points[:, :-1]) ** 2).sum(dim=1)


def test_lbfgs_of_many_items_finds_the_minimum_of_each() -> None:
    scales = torch.tensor([1.0, 1e-3, 50.0], dtype=torch.float64)

    def evaluate(points: Tensor, items: Tensor) -> tuple[Tensor, Tensor]:
        with torch.enable_grad():
            variable = points.detach().requires_grad_()
            values = scales[items] * rosenbrock(variable)
            [gradients] = torch.autograd.grad(values.sum(), variable)
        return values.detach(), gradients

    starts = torch.tensor([[-1.2, 1.0, 0.5], [0.0, 0.0, 0.0], [2.0, -1.0, 1.0]], dtype=torch.float64)
    found = minimize_lbfgs(evaluate, starts, 200, nothing)
    assert torch.allclose(found, torch.ones_like(found), atol=1e-3)
    alone = minimize_lbfgs(lambda at, _: evaluate(at, torch.tensor([1])), starts[1:2], 200, nothing)
    assert torch.allclose(alone[0], found[1], atol=1e-6)


def test_levenberg_marquardt_needs_few_jacobians() -> None:
    jacobians = 0

    def residual(u: Tensor) -> Tensor:
        return torch.stack([10 * (u[1] - u[0] ** 2), 1 - u[0], u[2] ** 3 - 8, u[2] - 2])

    def linearize(u: Tensor) -> tuple[Tensor, Tensor]:
        nonlocal jacobians
        jacobians += 1
        return residual(u), torch.func.jacrev(residual)(u)

    start = torch.tensor([-1.2, 1.0, 0.5], dtype=torch.float64)
    found = minimize_levenberg_marquardt(residual, linearize, start, 100, tick=nothing)
    assert torch.allclose(found, torch.tensor([1.0, 1.0, 2.0], dtype=torch.float64), atol=1e-5)
    assert jacobians < 25


def test_levenberg_marquardt_of_a_linear_residual_with_a_ridge_is_its_closed_form() -> None:
    matrix = torch.randn(9, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    wanted = torch.arange(9, dtype=torch.float64)
    found = minimize_levenberg_marquardt(
        lambda u: matrix @ u - wanted,
        lambda u: (matrix @ u - wanted, matrix),
        torch.zeros(4, dtype=torch.float64),
        50,
        ridge=0.3,
        tick=nothing,
    )
    closed = torch.linalg.solve(matrix.T @ matrix + 0.6 * torch.eye(4, dtype=torch.float64), matrix.T @ wanted)
    assert torch.allclose(found, closed, atol=1e-6)


def test_what_nobody_sees_does_not_count() -> None:
    images = torch.tensor([1.5, 1.5, -3.0, -0.5, 0.9])
    pictures = torch.tensor([1.0, 0.5, -1.0, -1.0, 1.0])
    assert torch.allclose(visible_difference(images, pictures), torch.tensor([0.0, 1.0, 0.0, 0.5, -0.1]))


def test_coordinates_are_those_of_the_drawn_codes() -> None:
    adapter = Banded.of(3)
    codes = draw_for_prior(adapter, derived_generator(0, "prior"), None)
    prior = Prior.of(adapter, codes)
    assert torch.allclose(prior.latents(prior.whiten(codes)), codes.latents.double(), atol=1e-5)
    assert abs(float(prior.distance(codes).square().mean()) - 1) < 0.01
    tied = prior.latents(torch.ones(2, 6, dtype=torch.float64))
    assert tied.shape == (2, 3, 6) and torch.equal(tied[:, 0], tied[:, 2])


def test_gradient_and_jacobian_are_those_of_the_residual() -> None:
    adapter = Linear.tiny(0)
    prior = Prior.of(adapter, draw_for_prior(adapter, derived_generator(0, "prior"), None))
    pictures = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(1)) * 1.5 - 0.75
    region = torch.zeros(8, 8, dtype=torch.bool)
    region[2:6, 1:7] = True
    from zoo import Region

    for side in (None, 4):
        problem = Problem(adapter, prior, pictures, Region("some", region.numpy().copy()), side=side)
        u = torch.randn(2, 6, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
        values, gradients = problem.evaluate(u, 0.1)
        for item in range(2):
            r, jacobian = problem.take([item]).jacobian(u[item : item + 1])
            assert torch.allclose(values[item], r @ r / 2 + 0.1 * u[item] @ u[item], rtol=1e-5)
            assert torch.allclose(gradients[item], jacobian.T @ r + 0.2 * u[item], atol=1e-4)
