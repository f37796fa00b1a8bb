"""The search: its solvers on functions with known minima, and what is minimised."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

import zoo
from tests.support.linear import Banded, Linear, model_of
from zoo.core.channels import as_rgb
from zoo.core.codes import Codes
from zoo.core.compute import ComputeBudget
from zoo.core.region import parse_region
from zoo.core.sampling import derived_generator
from zoo.inversion.solving import effort, levenberg_marquardt, search, solvers
from zoo.inversion.solving.lbfgs import minimize_lbfgs
from zoo.inversion.solving.levenberg_marquardt import minimize_levenberg_marquardt
from zoo.inversion.solving.prior import Prior
from zoo.inversion.solving.problem import Problem, visible_difference
from zoo.inversion.solving.search import Search
from zoo.inversion.solving.starts import Starts, draw_for_prior, draw_starts
from zoo.jacobian.columns import MEMORY_OVERHEAD
from zoo.jacobian.memory import peak_bytes
from zoo.plugins import load_plugins


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


def test_levenberg_marquardt_stays_where_nothing_can_be_changed() -> None:
    """As where every pixel is clamped, and the Jacobian is 0."""
    start = torch.ones(3, dtype=torch.float64)

    def residual(u: Tensor) -> Tensor:
        return torch.ones(5, dtype=torch.float64)

    def linearize(u: Tensor) -> tuple[Tensor, Tensor]:
        return residual(u), torch.zeros(5, 3, dtype=torch.float64)

    assert torch.equal(minimize_levenberg_marquardt(residual, linearize, start, 100, tick=nothing), start)


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


def test_a_value_that_creeps_ends_a_brief_run_and_hands_lbfgs_over() -> None:
    assert levenberg_marquardt._creeps([1.0, 0.9, 0.8, 0.75, 0.7, 0.7, 0.7])
    assert not levenberg_marquardt._creeps([1.0, 0.9, 0.8, 0.75, 0.7, 0.7, 0.4])
    assert not levenberg_marquardt._creeps([1.0, 0.9, 0.8, 0.75, 0.7, 0.7])
    rounds = []

    def evaluate(points: Tensor, items: Tensor) -> tuple[Tensor, Tensor]:
        with torch.enable_grad():
            variable = points.detach().requires_grad_()
            values = 1 + rosenbrock(variable) / 100
            [gradients] = torch.autograd.grad(values.sum(), variable)
        return values.detach(), gradients

    point = torch.tensor([[-1.2, 1.0, 0.5]], dtype=torch.float64)
    minimize_lbfgs(evaluate, point, 100, lambda: rounds.append(1), while_falling=True)
    assert 10 <= len(rounds) < 30


def test_a_search_goes_on_where_it_was_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_of(Linear.tiny(0))
    picture = as_rgb(model.render(model.sample(1, 5))).clamp(-1, 1)
    briefly = []

    def giving_up(residual: Any, linearize: Any, point: Tensor, rounds: int, *, brief: bool, **others: Any) -> Tensor:
        briefly.append(brief)
        return point if brief else minimize_levenberg_marquardt(residual, linearize, point, rounds, **others)

    monkeypatch.setattr(solvers, "minimize_levenberg_marquardt", giving_up)
    monkeypatch.setattr(solvers, "_FREE_ROUNDS", 1)
    monkeypatch.setattr(solvers, "_RIDGE_ROUNDS", 2)
    found = zoo.project(model, picture, starts=2)
    assert briefly == [True] * (len(briefly) - 1) + [False]
    assert found.fits[0].psnr > 100


def test_where_no_start_leads_to_the_picture_the_search_hops(monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_of(Linear.tiny(0))
    pictures = as_rgb(model.render(model.sample(2, 5))).clamp(-1, 1)
    monkeypatch.setattr(Search, "_turn", lambda *_: None)
    monkeypatch.setattr(search, "SEEMS_DRAWN", 0.0)
    hop, lengths = Search._hop, []

    def noted(search: Search, around: Any, length: float, turn: int) -> None:
        lengths.append(length)
        hop(search, around, length, turn)

    monkeypatch.setattr(Search, "_hop", noted)
    together = zoo.project(model, pictures)
    assert lengths == [0.2]
    assert all(fit.psnr > 100 and fit.starts == 8 for fit in together.fits)
    alone = zoo.project(model, pictures[1])
    assert torch.equal(alone.codes.latents, together.codes.latents[1:])
    lengths.clear()
    zoo.project(model, pictures, starts=1)
    assert not lengths


def test_more_starts_are_drawn_of_the_class_of_a_picture() -> None:
    model = model_of(load_plugins().adapter("biggan").resolve().tiny(0))
    pictures = as_rgb(model.render(model.sample(2, 5, label=1))).clamp(-1, 1)
    drawn = draw_starts(model.adapter, derived_generator(0, "starts"), None)
    starts = Starts(model, drawn, pictures, model.region("all"))
    before, [best, *_] = [list(order) for order in starts.order], starts.nearest_of_classes(0, 3, 1)
    starts.prefer(0, best, torch.tensor([1]), derived_generator(0, "more"))
    assert starts.order[1] == before[1]
    assert starts.order[0][0] == best and starts.codes.labels is not None
    assert {int(starts.codes.labels[start]) for start in starts.order[0][1 : len(drawn) + 1]} == {1}
    assert sorted(starts.order[0]) == list(range(len(starts.codes)))


def test_starts_are_held_together_and_the_best_half_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_of(Linear.tiny(0))
    held, finished = [], []
    hold, finish = Search._hold, solvers.Solvers.finish

    def holding(self: Search, pictures: list[int], codes: Any) -> Any:
        candidates = hold(self, pictures, codes)
        held.append([candidate.value for candidate in candidates])
        return candidates

    def finishing(self: solvers.Solvers, problem: Problem, coordinates: Tensor) -> Any:
        finished.append(len(coordinates))
        return finish(self, problem, coordinates)

    monkeypatch.setattr(Search, "_hold", holding)
    monkeypatch.setattr(solvers.Solvers, "finish", finishing)
    gray = torch.linspace(-1, 1, 64).view(1, 1, 8, 8).repeat(1, 3, 1, 1)  # not what the network draws
    found = zoo.project(model, gray, starts=8)
    assert [len(values) for values in held] == [1, 5, 2]
    assert finished == [1, 1, 1, 1, 1]  # of one, five and two
    assert found.fits[0].starts == 8


def test_memory_is_counted_within_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    adapter = Linear.tiny(0)
    prior = Prior.of(adapter, draw_for_prior(adapter, derived_generator(0, "prior"), None))
    pictures, region = torch.zeros(1, 3, 8, 8), parse_region("all", (8, 8))

    def at_a_time(memory: float) -> int:
        counted.clear()
        return effort.batch_size(
            Problem(adapter, prior, pictures, region, budget=ComputeBudget(memory=math.ceil(memory)))
        )

    counted: list[int] = []
    evaluate = Problem.evaluate

    def counting(problem: Problem, coordinates: Tensor, ridge: float) -> tuple[Tensor, Tensor]:
        counted.append(len(coordinates))
        return evaluate(problem, coordinates, ridge)

    monkeypatch.setattr(Problem, "evaluate", counting)
    with pytest.raises(zoo.OptionError, match="one gradient here needs"):
        at_a_time(100)
    one = (
        MEMORY_OVERHEAD
        * peak_bytes(
            lambda: evaluate(Problem(adapter, prior, pictures, region), torch.zeros(1, 6, dtype=torch.float64), 0.0)
        )[0]
    )
    assert at_a_time(1.5 * one) == 1 and counted == [1]
    assert at_a_time(20 * one) == 8


def test_what_nobody_sees_does_not_count() -> None:
    images = torch.tensor([1.5, 1.5, -3.0, -0.5, 0.9])
    pictures = torch.tensor([1.0, 0.5, -1.0, -1.0, 1.0])
    assert torch.allclose(visible_difference(images, pictures), torch.tensor([0.0, 1.0, 0.0, 0.5, -0.1]))


@pytest.fixture(params=[8192, 5], ids=["", "large"])
def _small_and_large_spaces(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take spaces of six numbers for small ones, and then for large ones."""
    monkeypatch.setattr("zoo.jacobian.gram._MOST_DIM", request.param)


@pytest.mark.usefixtures("_small_and_large_spaces")
def test_coordinates_are_those_of_the_drawn_codes() -> None:
    adapter = Banded.of(3)
    codes = draw_for_prior(adapter, derived_generator(0, "prior"), None)
    prior = Prior.of(adapter, codes)
    assert torch.allclose(prior.latents(prior.whiten(codes)), codes.latents.double(), atol=1e-5)
    assert abs(float(prior.distance(codes).square().mean()) - 1) < 0.01
    tied = prior.latents(torch.ones(2, 6, dtype=torch.float64))
    assert tied.shape == (2, 3, 6) and torch.equal(tied[:, 0], tied[:, 2])


def test_a_large_space_needs_few_codes_and_no_matrix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoo.jacobian.gram._MOST_DIM", 5)
    adapter = Linear.tiny(0)
    codes = draw_for_prior(adapter, derived_generator(0, "prior"), None)
    assert len(codes) == 256
    assert Prior.of(adapter, codes).basis.shape == (6,)
    model = model_of(adapter)
    found = zoo.project(model, model.render(model.sample(1, seed=3)), starts=1)
    assert found.fits[0].psnr > 40


def test_a_space_whose_codes_are_all_equal_is_refused() -> None:
    adapter = Linear.tiny(0)
    adapter.sample = lambda count, *_: Codes(torch.ones(count, 6))  # type: ignore[method-assign]
    with pytest.raises(zoo.CapabilityError, match="all codes that the network draws in its space z are equal"):
        zoo.project(model_of(adapter), torch.zeros(1, 3, 8, 8))


@pytest.mark.usefixtures("_small_and_large_spaces")
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
