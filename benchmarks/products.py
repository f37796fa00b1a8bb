"""The convolutions and matrix products of a computation: recorded, and computed again without anything else."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_unflatten

from zoo._utils.dispatch import EagerDispatchMode

PRODUCTS = ("convolution", "mm", "bmm", "addmm", "matmul", "linear")


@dataclass(frozen=True)
class Layout:
    """Where the numbers of a tensor lie in memory, since a convolution's time depends on it."""

    shape: torch.Size
    stride: tuple[int, ...]

    @classmethod
    def of(cls, tensor: Tensor) -> Layout:
        """Note the layout of a tensor."""
        return cls(tensor.shape, tensor.stride())

    @property
    def extent(self) -> int:
        """How many numbers of memory the tensor spans."""
        return 1 + sum((size - 1) * step for size, step in zip(self.shape, self.stride, strict=True))

    def fill(self, memory: Tensor) -> Tensor:
        """Return a tensor of this layout, made of whatever stands in memory (n,)."""
        return memory.as_strided(self.shape, self.stride)


@dataclass(frozen=True)
class Product:
    """An operation and its flattened arguments, with tensors as their layouts."""

    operation: Any
    leaves: tuple[Any, ...]
    spec: Any

    @property
    def layouts(self) -> list[Layout]:
        """The layouts of its tensors."""
        return [leaf for leaf in self.leaves if isinstance(leaf, Layout)]

    def compute(self, memory: Tensor) -> None:
        """Compute it on numbers of memory."""
        filled = [leaf.fill(memory) if isinstance(leaf, Layout) else leaf for leaf in self.leaves]
        args, kwargs = tree_unflatten(filled, self.spec)
        self.operation(*args, **kwargs)


class _Recording(EagerDispatchMode):
    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.products: list[Product] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func._schema.name.removeprefix("aten::") in PRODUCTS:
            leaves, spec = tree_flatten((args, kwargs or {}))
            noted = tuple(Layout.of(leaf) if isinstance(leaf, Tensor) else leaf for leaf in leaves)
            self.products.append(Product(func, noted, spec))
        return func(*args, **(kwargs or {}))


def products_of(work: Callable[[], object]) -> list[Product]:
    """List the convolutions and matrix products that some work takes, in order."""
    recording = _Recording()
    with recording:
        work()
    return recording.products


def memory_for(products: Iterable[Product], like: Tensor) -> Tensor:
    """Make memory that any of the products can be computed on, of the type and on the device of a tensor."""
    return like.new_ones(max(layout.extent for product in products for layout in product.layouts))


def compute_all(products: Iterable[Product], memory: Tensor) -> None:
    """Compute products one after the other."""
    for product in products:
        product.compute(memory)
