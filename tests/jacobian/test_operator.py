"""The Jacobian as an operator, against the matrix that it stands for."""

from typing import Any

import numpy as np
import pytest
import torch
from scipy.sparse.linalg import eigsh
from torch import Tensor
from zoo_adapters.dcgan.adapter import DCGAN

from tests.support.linear import Banded, Linear
from zoo import Codes
from zoo.core.region import parse_region
from zoo.jacobian.operator import RegionJacobian, _full_precision
from zoo.jacobian.outputs import GREY, RGB, Output
from zoo.linalg.krylov import block_krylov_eigsh
from zoo.testing import draw, in_float64


@pytest.mark.parametrize("output", [GREY, RGB], ids=lambda output: output.name)
@pytest.mark.parametrize("text", ["all", "box:3,2,5,4"])
def test_it_stands_for_the_matrix_of_all_codes(output: Output, text: str) -> None:
    adapter = in_float64(DCGAN.tiny(1))
    codes, region = draw(adapter, 3, 0), parse_region(text, adapter.resolution)
    operator = RegionJacobian(adapter, codes, region, output=output)

    def function(delta: Tensor) -> Tensor:
        moved = Codes(codes.latents + delta)
        return output(adapter.synthesize(moved).flatten(2)[..., torch.from_numpy(region.pixels)], region).flatten()

    matrix = torch.autograd.functional.jacobian(
        function, torch.zeros(adapter.space.dim, dtype=torch.float64), vectorize=True
    )
    tangents = torch.randn(4, adapter.space.dim, dtype=torch.float64)
    cotangents = torch.randn(5, len(matrix), dtype=torch.float64)
    in_passes = RegionJacobian(adapter, codes, region, output=output, at_a_time=3)
    for one in (operator, in_passes):
        assert torch.allclose(one.jvp(tangents), tangents @ matrix.T, rtol=1e-10, atol=1e-12)
        assert torch.allclose(one.vjp(cotangents), cotangents @ matrix, rtol=1e-10, atol=1e-12)
    assert torch.allclose(operator.gram(chunk=5), matrix.T @ matrix, rtol=1e-10, atol=1e-12)


def test_layers_choose_the_rows_that_move() -> None:
    adapter = Banded.of(layers=3)
    region = parse_region("all", adapter.resolution)
    whole = RegionJacobian(adapter, draw(adapter, 1, 0), region).jvp(torch.eye(6))
    first = RegionJacobian(adapter, draw(adapter, 1, 0), region, layers=[0]).jvp(torch.eye(6))
    rest = RegionJacobian(adapter, draw(adapter, 1, 0), region, layers=[1, 2]).jvp(torch.eye(6))
    assert torch.allclose(first + rest, whole, atol=1e-6)
    assert bool(first.any()) and not torch.allclose(first, whole)


def test_a_network_that_writes_in_place_is_differentiated() -> None:
    class Writing(Linear):
        """Writes a part of its image in place."""

        def synthesize(self, codes: Codes) -> Tensor:
            images = super().synthesize(codes)
            made = images * 0
            made[:, :, :3] = images[:, :, :3] * codes.latents.sum()
            made[:, :, 3:] = images[:, :, 3:]
            return made

    adapter = Writing.tiny(0)
    codes, region = draw(adapter, 1, 0), parse_region("all", adapter.resolution)
    operator = RegionJacobian(adapter, codes, region)

    def function(delta: Tensor) -> Tensor:
        return adapter.synthesize(Codes(codes.latents + delta)).mean(dim=1).flatten()

    matrix = torch.autograd.functional.jacobian(function, torch.zeros(adapter.space.dim))
    assert torch.allclose(operator.jvp(torch.eye(adapter.space.dim)), matrix.T, atol=1e-5)


def test_a_region_that_does_not_depend_on_the_code() -> None:
    class Constant(Linear):
        def synthesize(self, codes: Codes) -> Tensor:
            return super().synthesize(codes).detach() * 0

    adapter = Constant.tiny(0)
    operator = RegionJacobian(adapter, draw(adapter, 2, 0), parse_region("all", adapter.resolution))
    images = operator.jvp(torch.eye(adapter.space.dim))
    assert not images.any()
    assert torch.equal(operator.vjp(images), torch.zeros(adapter.space.dim, adapter.space.dim))


def test_scipy_finds_the_same_eigenvectors_through_the_linear_operator() -> None:
    adapter = in_float64(DCGAN.tiny(1))
    code, region = draw(adapter, 1, 0), parse_region("all", adapter.resolution)
    operator = RegionJacobian(adapter, code, region)
    linear = operator.as_linear_operator()
    vectors = np.random.default_rng(0).standard_normal((adapter.space.dim, 3))
    images = linear @ vectors
    assert linear.shape == (len(region.pixels), adapter.space.dim) and images.shape == (len(region.pixels), 3)
    assert np.allclose(linear @ vectors[:, 0], images[:, 0], rtol=1e-12)
    assert np.allclose(linear.T @ images, operator.vjp(torch.from_numpy(images.T.copy())).T, rtol=1e-12)
    wanted, columns = eigsh(linear.T @ linear / len(region.pixels), k=4, v0=np.ones(adapter.space.dim))
    generator = torch.Generator().manual_seed(0)
    problem = operator.jvp, operator.vjp, adapter.space.dim, 4
    found = block_krylov_eigsh(*problem, generator=generator, tolerance=1e-8, max_cost=100)
    assert found.converged
    assert found.values.numpy() == pytest.approx(wanted[::-1], rel=1e-10)
    cosines = np.abs((found.rows.numpy() * columns.T[::-1]).sum(axis=1))
    assert cosines == pytest.approx(np.ones(4), abs=1e-8)


def test_precision_is_full_inside_and_what_it_was_outside() -> None:
    backends: list[Any] = [torch.backends.cuda.matmul, getattr(torch.backends.cudnn, "conv", torch.backends.cudnn)]
    name = "fp32_precision" if hasattr(backends[0], "fp32_precision") else "allow_tf32"

    def settings() -> list[Any]:
        return [getattr(backend, name) for backend in backends]

    before = settings()
    with pytest.raises(KeyError), _full_precision():
        assert settings() in (["ieee", "ieee"], [False, False])
        raise KeyError
    assert settings() == before
