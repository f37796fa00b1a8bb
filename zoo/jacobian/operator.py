"""The Jacobian of image regions as an operator: products with many vectors at a time, and never the matrix itself.

Every Jacobian is that of δ ↦ output(region_output(move(codes, δ, layers))) at 0, so analysis and edit mean the same.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from zoo.core.adapter import Adapter
from zoo.core.codes import Codes
from zoo.core.region import Region
from zoo.errors import CapabilityError
from zoo.jacobian.linearize import LinearMap
from zoo.jacobian.outputs import GREY, Output
from zoo.jacobian.trace import UnrecordableError

_NO_FORWARD_MODE = ("forward AD", "forward-mode", "does not have vmap support", "jvp")


class RegionJacobian:
    """J (n r, dim): how the r rows of an output at each of n codes change as all codes are moved together.

    `jvp` multiplies by J, `vjp` by its transpose, each with many vectors at a time. The network is run once for all
    pushes, and once for all pulls. Products are computed in its type on its device, without reduced precision.
    """

    def __init__(
        self,
        adapter: Adapter,
        codes: Codes,
        region: Region,
        *,
        layers: Sequence[int] | None = None,
        output: Output = GREY,
    ) -> None:
        rows = None if layers is None else tuple(layers)

        def function(delta: Tensor) -> Tensor:
            return output(adapter.region_output(adapter.move(codes, delta, rows), region), region).flatten()

        self._function = function
        self._origin = torch.zeros(adapter.space.dim, dtype=adapter.dtype, device=adapter.device)
        self.dim = adapter.space.dim
        self._channels_last = not region.small

    def prepare(self) -> None:
        """Run the network now, so that the first `jvp` need not. Raises `CapabilityError`."""
        self.jvp(torch.zeros(1, self.dim))

    def jvp(self, tangents: Tensor) -> Tensor:
        """Multiply J by k vectors (k, dim): (k, n r), the codes one after another.

        Raises `CapabilityError` if the network is not forward-mode differentiable.
        """
        with _exactly(self._origin.device), _forward_mode_is_there():
            try:
                return self._tangent_map(self._like(tangents))
            except UnrecordableError:
                self._tangent_map = torch.func.vmap(self._derivative_along)
                return self._tangent_map(self._like(tangents))

    def vjp(self, cotangents: Tensor) -> Tensor:
        """Multiply the transpose of J by k vectors (k, n r): (k, dim)."""
        with _exactly(self._origin.device):
            products: Tensor = torch.func.vmap(self._cotangent_map)(self._like(cotangents))
        return products

    def gram(self, chunk: int = 16) -> Tensor:
        """Compute JᵀJ (dim, dim) in float64 by pushing and pulling `chunk` unit vectors at a time.

        J is never there, not even in part; but each product is rounded to the network's type. See `zoo.jacobian.gram`
        for the matrices that analyses use.
        """
        basis = torch.eye(self.dim, dtype=self._origin.dtype, device=self._origin.device)
        rows = torch.cat([self.vjp(self.jvp(some)).cpu().to(torch.float64) for some in basis.split(chunk)])
        return (rows + rows.T) / 2

    @cached_property
    def _tangent_map(self) -> Callable[[Tensor], Tensor]:
        """Record the derivative; one that cannot be recorded is taken anew for each batch of vectors."""
        return LinearMap(self._function, self._origin, channels_last=self._channels_last)

    def _derivative_along(self, tangent: Tensor) -> Tensor:
        derivative: Tensor = torch.func.jvp(self._function, (self._origin,), (tangent,))[1]
        return derivative

    @cached_property
    def _cotangent_map(self) -> Callable[[Tensor], Tensor]:
        vjp: Callable[[Tensor], tuple[Tensor]] = torch.func.vjp(self._function, self._origin)[1]
        return lambda cotangent: vjp(cotangent)[0]

    def _like(self, vectors: Tensor) -> Tensor:
        return vectors.to(self._origin.device, self._origin.dtype)


@contextmanager
def _exactly(device: torch.device) -> Iterator[None]:
    """Compute without gradients and, on a graphics card, without TF32; its settings are put back afterwards."""
    with torch.no_grad(), _without_torch_deprecation(), _full_precision() if device.type == "cuda" else nullcontext():
        yield


@contextmanager
def _full_precision() -> Iterator[None]:
    """Have products of float32 matrices and convolutions computed in float32."""
    backends: list[Any] = [torch.backends.cuda.matmul, getattr(torch.backends.cudnn, "conv", torch.backends.cudnn)]
    name, full = ("fp32_precision", "ieee") if hasattr(backends[0], "fp32_precision") else ("allow_tf32", False)
    before = [getattr(backend, name) for backend in backends]
    try:
        for backend in backends:
            setattr(backend, name, full)
        yield
    finally:
        for backend, value in zip(backends, before, strict=True):
            setattr(backend, name, value)


@contextmanager
def _forward_mode_is_there() -> Iterator[None]:
    try:
        yield
    except (NotImplementedError, RuntimeError) as error:
        if not any(word in str(error) for word in _NO_FORWARD_MODE):
            raise
        reason = str(error).splitlines()[0]
        raise CapabilityError(f"this network has no forward-mode derivative: {reason}") from error


@contextmanager
def _without_torch_deprecation() -> Iterator[None]:
    """Hide the one FutureWarning that torch's forward mode emits about its own use of torch.jit.script."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r".*torch\.jit\.script.*", category=FutureWarning)
        warnings.filterwarnings("ignore", message=r".*torch\.jit\.script.*", category=DeprecationWarning)
        yield
