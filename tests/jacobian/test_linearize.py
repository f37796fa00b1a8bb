"""A recorded derivative is the derivative: against torch's own forward mode, for every kind of operation."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from zoo.jacobian.linearize import LinearMap
from zoo.jacobian.trace import UnrecordableError

DIM = 6
KERNEL = torch.randn(4, 3, 3, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
MATRIX = torch.randn(3 * 25, DIM, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
POINT = torch.randn(DIM, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
NORM = torch.nn.BatchNorm2d(4).double().eval().requires_grad_(False)


def image(delta: Tensor) -> Tensor:
    return (MATRIX @ delta).view(1, 3, 5, 5)


def wide(delta: Tensor) -> Tensor:
    return functional.conv2d(image(delta), KERNEL, padding=1)


def modulated(delta: Tensor) -> Tensor:
    """Scale, convolve and demodulate, as style-based generators do."""
    style = 1 + delta[:3] ** 2
    scale = torch.rsqrt((style**2 @ KERNEL.square().sum(dim=(2, 3)).T) + 1e-8)
    return functional.conv2d(image(delta) * style[:, None, None], KERNEL, padding=1) * scale[:, None, None]


def attention(delta: Tensor) -> Tensor:
    x = wide(delta).flatten(2)
    weights = torch.softmax(x.transpose(1, 2) @ x, dim=-1)
    return x @ weights + x


def residual(delta: Tensor) -> Tensor:
    x = functional.leaky_relu(NORM(wide(delta)), 0.2)
    y = functional.interpolate(x, scale_factor=2, mode="nearest")
    return functional.avg_pool2d(y * torch.sigmoid(y), 2) + x * delta[0] - x / (2 + delta[1] ** 2)


def shared(delta: Tensor) -> Tensor:
    x = wide(delta)
    return x * 2 + x.relu() + x.square() + (x + 1) * x


FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "linear": image,
    "norm and tanh": lambda delta: torch.tanh(NORM(wide(delta))),
    "relu": lambda delta: torch.relu(wide(delta)).mean(dim=1),
    "modulated": modulated,
    "attention": attention,
    "residual": residual,
    "softplus and gelu": lambda delta: functional.softplus(delta) * functional.gelu(delta).sum(),
    "where": lambda delta: torch.where(delta > 0, delta * 3, delta.exp()),
    "cat and slices": lambda delta: torch.cat([delta[1:], delta[:2] * delta[3], torch.ones(2, dtype=delta.dtype)]),
    "maximum": lambda delta: torch.maximum(delta, 0.2 * delta) + delta.clamp(-0.5, 0.5),
    "instance norm": lambda delta: functional.instance_norm(wide(delta)),
    "pixel norm": lambda delta: delta * torch.rsqrt(delta.square().mean() + 1e-8),
    "einsum": lambda delta: torch.einsum("i,j->ij", delta, delta),
    "view of a sum": lambda delta: (delta + delta.flip(0)).view(2, 3).T.reshape(-1) - delta,
    "max pool": lambda delta: functional.max_pool2d(wide(delta), 2),
    "shared": shared,
    "layer norm": lambda delta: functional.layer_norm(wide(delta).sin(), (5, 5)),
    "vector product": lambda delta: torch.tanh(MATRIX @ delta),
    "turned": lambda delta: (torch.tanh(image(delta)).transpose(1, 2).contiguous() * 2).view(-1),
    "written into": lambda delta: (delta * 2).mul_(delta).relu_().add_(1).unsqueeze_(0),
    "constant": lambda delta: delta.detach() * 0 + 1,
}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.filterwarnings("ignore:.*torch.jit.script.*")
def test_it_is_the_derivative(name: str) -> None:
    def function(delta: Tensor) -> Tensor:
        return FUNCTIONS[name](delta).flatten()

    recorded = LinearMap(function, POINT)
    vectors = torch.randn(5, DIM, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    found = recorded(vectors)
    wanted = torch.stack([torch.func.jvp(function, (POINT,), (vector,))[1] for vector in vectors])
    assert torch.equal(recorded.value, function(POINT))
    assert torch.allclose(found, wanted, rtol=1e-12, atol=1e-12)
    assert torch.equal(recorded(vectors), found), "a second use gives the same"
    assert torch.equal(vectors, torch.randn(5, DIM, generator=torch.Generator().manual_seed(3), dtype=torch.float64))


def test_elementwise_runs_become_one_multiplication() -> None:
    recorded = LinearMap(lambda delta: torch.tanh(NORM(wide(delta)) * 3 + 1).relu().flatten(), POINT)
    kinds = [type(part).__name__ for part in recorded._program._parts]
    assert kinds.count("_Combine") == 1


class Hidden(torch.autograd.Function):
    """Doubles; its derivative takes a way that no operation of torch tells of."""

    @staticmethod
    def forward(value: Tensor) -> Tensor:
        return value * 2

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        pass

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor) -> Tensor:
        return torch.from_numpy(tangent.numpy() * 2)


def test_a_tangent_that_was_taken_for_a_constant_is_found_out() -> None:
    recorded = LinearMap(lambda delta: torch.cat([delta * 3, Hidden.apply(delta)]), POINT)
    with pytest.raises(UnrecordableError, match="does not repeat"):
        recorded(torch.eye(DIM, dtype=torch.float64))


def in_place(delta: Tensor) -> Tensor:
    x = torch.zeros(2, DIM, dtype=delta.dtype)
    x[0] = delta * 2
    x[1].add_(delta.sin())
    return x.flatten()


def test_what_cannot_be_recorded_is_said() -> None:
    with pytest.raises(UnrecordableError, match="memory that others share"):
        LinearMap(in_place, POINT)


def of_nought(delta: Tensor) -> Tensor:
    """Pass through a convolution by zeros, which only adds its bias."""
    x = image(delta)
    bias = torch.tensor([0.5, -1, 2], dtype=delta.dtype)
    return torch.tanh(functional.conv2d(x, torch.zeros(3, 3, 3, 3, dtype=delta.dtype), bias, padding=1) + x).flatten()


def windows(delta: Tensor) -> Tensor:
    """Look at overlapping windows of a product, beside entries that are so large that an error would not be seen."""
    x = wide(delta) * 2
    return torch.cat([1e5 * delta, (x.unfold(2, 3, 1) * 3).flatten(), (x * 5).flatten()])


def written_through_a_view(delta: Tensor) -> Tensor:
    y = delta * 1
    y.view(2, 3).mul_(3)
    return torch.cat([1e5 * delta, y])


def spectra(delta: Tensor) -> Tensor:
    """Go through complex numbers."""
    made: Tensor = torch.fft.irfft(torch.fft.rfft(torch.sin(delta)) * 2, n=DIM)
    return made


@pytest.mark.parametrize("function", [of_nought, windows, written_through_a_view, spectra])
@pytest.mark.filterwarnings("ignore:.*torch.jit.script.*")
def test_it_is_right_or_refused(function: Callable[[Tensor], Tensor]) -> None:
    wanted = torch.stack([torch.func.jvp(function, (POINT,), (axis,))[1] for axis in torch.eye(DIM).double()])
    try:
        found = LinearMap(function, POINT)(torch.eye(DIM, dtype=torch.float64))
    except UnrecordableError:
        return
    assert torch.allclose(found, wanted, rtol=1e-12, atol=1e-12)
