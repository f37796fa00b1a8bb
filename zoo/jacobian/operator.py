"""The Jacobian of image regions as an operator: its products with many vectors at a time, without the matrix itself.

Every Jacobian is that of δ ↦ output(as_rgb(region_output(move(codes, δ, layers)))) at δ = 0, so that an analysis
differentiates exactly what an edit does.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zoo._utils.no_compiler import without_compiler
from zoo.core.adapter import Adapter
from zoo.core.channels import as_rgb
from zoo.core.codes import Codes
from zoo.core.region import Region
from zoo.errors import CapabilityError
from zoo.jacobian.outputs import GREY, Output

_NO_FORWARD_MODE = ("forward AD", "forward-mode", "does not have vmap support", "jvp")  # in messages of torch


class RegionJacobian:
    """J (n r, dim): how the r rows of an output at each of n codes change as all codes are moved together.

    `jvp` multiplies by J, `vjp` by its transpose. Products are computed in the network's dtype, on its device, without
    TF32.

    Args:
        adapter: The network.
        codes: The n codes at which it is differentiated.
        region: The pixels that the output maps.
        layers: Indices of the rows of the codes that are moved; None moves all.
        output: The map of the region's pixels that is differentiated.
        at_a_time: How many vectors are multiplied in one pass; None multiplies all that are given.
    """

    def __init__(
        self,
        adapter: Adapter,
        codes: Codes,
        region: Region,
        *,
        layers: Sequence[int] | None = None,
        output: Output = GREY,
        at_a_time: int | None = None,
    ) -> None:
        rows = None if layers is None else tuple(layers)

        def function(delta: Tensor) -> Tensor:
            pixels = as_rgb(adapter.region_output(adapter.move(codes, delta, rows), region))
            return output(pixels, region).flatten()

        self._function = function
        self._origin = torch.zeros(adapter.space.dim, dtype=adapter.dtype, device=adapter.device)
        self._at_a_time = at_a_time
        self.dim = adapter.space.dim

    def jvp(self, tangents: Tensor) -> Tensor:
        """Multiply J by some vectors.

        Args:
            tangents: The vectors as rows, (k, dim).

        Returns:
            The products J v as rows, (k, n r), the codes one after another.

        Raises:
            CapabilityError: The network has no forward-mode derivative.
        """
        with exact_products(self._origin.device), _forward_mode_errors():
            along = torch.func.vmap(self._derivative_along)
            return _joined([along(part) for part in self._passes(tangents)])

    def vjp(self, cotangents: Tensor) -> Tensor:
        """Multiply the transpose of J by some vectors; the network itself runs only the first time.

        Args:
            cotangents: The vectors as rows, (k, n r).

        Returns:
            The products Jᵀ u as rows, (k, dim).
        """
        with exact_products(self._origin.device):
            values, origin = self._graph
            if not values.requires_grad:  # they do not depend on δ
                return origin.new_zeros(len(cotangents), self.dim)
            # Not torch.func.vjp, which imports torch's compiler.
            products = [
                torch.autograd.grad(values, origin, part, retain_graph=True, is_grads_batched=True)[0]
                for part in self._passes(cotangents)
            ]
        return _joined(products)

    def gram(self, chunk: int = 16) -> Tensor:
        """Compute JᵀJ from products with unit vectors, without storing any part of J.

        Each product is rounded to the network's dtype; see `zoo.jacobian.gram_matrices` for what analyses use.

        Args:
            chunk: How many unit vectors are multiplied at a time.

        Returns:
            JᵀJ, (dim, dim) in float64 on the CPU.

        Raises:
            CapabilityError: The network has no forward-mode derivative.
        """
        basis = torch.eye(self.dim, dtype=self._origin.dtype, device=self._origin.device)
        rows = torch.cat([self.vjp(self.jvp(part)).cpu().to(torch.float64) for part in basis.split(chunk)])
        return (rows + rows.T) / 2

    def as_linear_operator(self) -> Any:
        """Wrap J for the solvers of SciPy, which must be installed.

        Returns:
            A `scipy.sparse.linalg.LinearOperator` of shape (n r, dim) in float64. Its products are computed in the
            network's dtype.

        Raises:
            CapabilityError: SciPy is not installed, or the network has no forward-mode derivative.
        """
        try:
            from scipy.sparse.linalg import LinearOperator
        except ImportError as error:
            raise CapabilityError("as_linear_operator needs SciPy: pip install scipy") from error

        def multiply(product: Callable[[Tensor], Tensor], columns: NDArray[Any]) -> NDArray[np.float64]:
            vectors = torch.from_numpy(np.ascontiguousarray(columns.reshape(len(columns), -1).T))
            image: NDArray[np.float64] = product(vectors).T.to("cpu", torch.float64).numpy()
            return image

        shape = (self.jvp(torch.zeros(1, self.dim)).shape[1], self.dim)
        return LinearOperator(
            shape,
            dtype=np.float64,
            matvec=lambda vector: multiply(self.jvp, vector)[:, 0],
            rmatvec=lambda vector: multiply(self.vjp, vector)[:, 0],
            matmat=lambda matrix: multiply(self.jvp, matrix),
            rmatmat=lambda matrix: multiply(self.vjp, matrix),
        )

    def _derivative_along(self, tangent: Tensor) -> Tensor:
        derivative: Tensor = torch.func.jvp(self._function, (self._origin,), (tangent,))[1]
        return derivative

    @cached_property
    def _graph(self) -> tuple[Tensor, Tensor]:
        """The function's values (n r,), and the δ (dim,) with respect to which they can be differentiated."""
        with torch.enable_grad():
            origin = self._origin.clone().requires_grad_()
            return self._function(origin), origin

    def _passes(self, vectors: Tensor) -> tuple[Tensor, ...]:
        """Divide vectors among passes over the network."""
        moved = vectors.to(self._origin.device, self._origin.dtype)
        return torch.split(moved, self._at_a_time or max(1, len(moved)))


def _joined(products: Sequence[Tensor]) -> Tensor:
    """Join the products of all passes; those of a single one, the usual case, are not copied."""
    return products[0] if len(products) == 1 else torch.cat([*products])


@contextmanager
def exact_products(device: torch.device) -> Iterator[None]:
    """Compute without recording gradients and, on a GPU, without TF32; torch's settings are restored afterwards."""
    full_precision = _full_precision() if device.type == "cuda" else nullcontext()
    with torch.no_grad(), without_compiler(), _without_torch_deprecation(), full_precision:
        yield


@contextmanager
def _full_precision() -> Iterator[None]:
    """Have products of float32 matrices and convolutions computed in float32."""
    backends: list[Any] = [torch.backends.cuda.matmul, getattr(torch.backends.cudnn, "conv", torch.backends.cudnn)]
    # torch 2.9 has a setting for each backend, earlier ones a switch.
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
def _forward_mode_errors() -> Iterator[None]:
    """Turn torch's errors about missing forward-mode derivatives into `CapabilityError`."""
    try:
        yield
    except (NotImplementedError, RuntimeError) as error:
        if not any(word in str(error) for word in _NO_FORWARD_MODE):
            raise
        reason = str(error).splitlines()[0]
        raise CapabilityError(f"this network has no forward-mode derivative: {reason}") from error


@contextmanager
def _without_torch_deprecation() -> Iterator[None]:
    """Hide the one warning that torch's forward mode emits about its own use of torch.jit.script."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r".*torch\.jit\.script.*", category=FutureWarning)
        warnings.filterwarnings("ignore", message=r".*torch\.jit\.script.*", category=DeprecationWarning)
        yield
