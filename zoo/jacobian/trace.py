"""One forward-mode pass, watched operation by operation: what a recorded derivative is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.utils._pytree import tree_flatten
from torch.utils.weak import WeakIdKeyDictionary

from zoo.jacobian.watching import EagerDispatchMode

aten = torch.ops.aten

_SHAPE_ONLY = {
    aten._new_zeros_with_same_feature_meta.default,
    aten.zeros_like.default,
    aten.new_zeros.default,
    aten.empty_like.default,
    aten.new_empty.default,
    aten.new_empty_strided.default,
    aten.ones_like.default,
    aten.full_like.default,
}
"""What reads a tangent's shape only."""

_REPEATED_AS = {aten.view.default: aten.reshape.default, aten._unsafe_view.default: aten.reshape.default}
"""What is repeated by another operation: sums may lie in memory in another order than what was watched."""

_TURNED = {aten.squeeze_.dim, aten.squeeze_.default, aten.unsqueeze_.default, aten.t_.default, aten.transpose_.default}
"""What changes only the shape in place, so that others who share the memory see no change."""


class UnrecordableError(Exception):
    """The derivative does something that a recording cannot repeat; the message names it."""


@dataclass(frozen=True)
class Var:
    """A value that depends on the tangent."""

    index: int


@dataclass(frozen=True)
class Eqn:
    """One watched operation: `leaves` are its flattened arguments, dependent ones as `Var`; `outs` what it made."""

    function: Any
    leaves: tuple[Any, ...]
    spec: Any
    outs: tuple[int | None, ...]

    @property
    def reads(self) -> list[int]:
        """The values that it depends on."""
        return [leaf.index for leaf in self.leaves if isinstance(leaf, Var)]


def _without_writing(func: Any, target: Any, leaves: tuple[Any, ...], spec: Any) -> tuple[Any, tuple[Any, ...], Any]:
    """Find the operation that gives what one writes into its first argument: (operation, arguments, their form).

    That argument, which shares its memory with no other value, gets the new one.
    """
    if func is aten.copy_.default:
        if not isinstance(leaves[1], Var):
            raise UnrecordableError(str(func))
        flat, form = tree_flatten(((leaves[1], list(target.shape)), {}))
        return aten.expand.default, tuple(flat), form
    name, overload = func._schema.name.removeprefix("aten::"), func._overloadname
    twin = getattr(getattr(aten, name.removesuffix("_"), None), overload, None)
    if not name.endswith("_") or twin is None:
        raise UnrecordableError(str(func))
    return twin, (leaves[0] if isinstance(leaves[0], Var) else target.clone(), *leaves[1:]), spec


def _is_idle(func: Any, args: tuple[Any, ...]) -> bool:
    """Say whether this is the convolution by zeros with which torch accounts for weights that do not move."""
    if func is not aten.convolution.default or not args[1].numel() or args[2] is not None:
        return False
    return not bool(args[1].flatten()[0]) and not bool(args[1].any())


def _of_nought(args: tuple[Any, ...]) -> Tensor:
    """Return what that convolution gives, without computing it."""
    shapes = [arg.to("meta") if isinstance(arg, Tensor) else arg for arg in args]
    made: Tensor = args[0].new_zeros(aten.convolution.default(*shapes).shape)
    return made


class JvpTracer(EagerDispatchMode):
    """Watches one forward-mode pass and keeps the operations that depend on `seed`."""

    def __init__(self, seed: Tensor) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.seed = seed
        self.steps: list[Eqn] = []
        self.shapes: list[tuple[int, ...]] = [tuple(seed.shape)]
        self._vars = WeakIdKeyDictionary()
        self._vars[seed] = 0

    def index_of(self, tensor: Tensor | None) -> int | None:
        """Find the value that a tensor is; None for a constant."""
        found: int | None = None if tensor is None else self._vars.get(tensor)
        return found

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        flat, spec = tree_flatten((args, kwargs or {}))
        leaves = tuple(
            Var(index) if isinstance(leaf, Tensor) and (index := self.index_of(leaf)) is not None else leaf
            for leaf in flat
        )
        if func in _SHAPE_ONLY or not any(isinstance(leaf, Var) for leaf in leaves):
            return _of_nought(args) if _is_idle(func, args) else func(*args, **(kwargs or {}))
        if func._schema.is_mutable:
            if func not in _TURNED and not self._is_alone(args[0]):
                raise UnrecordableError(f"{func} on memory that others share")
            func_kept, leaves, spec = _without_writing(func, args[0], leaves, spec)
        else:
            func_kept = _REPEATED_AS.get(func, func)
        result = func(*args, **(kwargs or {}))
        made = [self._new(out) for out in tree_flatten(result)[0]]
        self.steps.append(Eqn(func_kept, leaves, spec, tuple(made)))
        return result

    def _is_alone(self, target: Tensor) -> bool:
        """Say whether a tensor has its memory for itself, as far as values are concerned."""
        storage = target.untyped_storage()
        if storage.nbytes() != target.numel() * target.element_size():
            return False
        others = (other for other in list(self._vars.keys()) if other is not target)
        return not any(other.untyped_storage().data_ptr() == storage.data_ptr() for other in others)

    def _new(self, out: Any) -> int | None:
        if not isinstance(out, Tensor):
            return None
        self.shapes.append(tuple(out.shape))
        self._vars[out] = len(self.shapes) - 1
        return len(self.shapes) - 1


@dataclass(frozen=True, eq=False)
class Trace:
    """A pass that was watched at a point, along one vector.

    `value` (r,) is the function's, `tangent` (r,) its derivative along `seed` (d,), and `result` the value of `steps`
    that the tangent is, None for a constant function; `shapes` belong to the values, of which 0 is the vector.
    """

    value: Tensor
    seed: Tensor
    tangent: Tensor
    steps: list[Eqn]
    shapes: list[tuple[int, ...]]
    result: int | None


def record(function: Callable[[Tensor], Tensor], origin: Tensor) -> Trace:
    """Watch the derivative of a function of one vector (d,) at `origin`, along an arbitrary vector.

    Raises `UnrecordableError` where an operation cannot be repeated.
    """
    generator = torch.Generator().manual_seed(0)
    seed = torch.randn(origin.shape, generator=generator, dtype=origin.dtype).to(origin.device)
    recorder = JvpTracer(seed)
    with torch.no_grad(), forward_ad.dual_level(), recorder:
        value, tangent = forward_ad.unpack_dual(function(forward_ad.make_dual(origin, seed)))
    seen = torch.zeros_like(value) if tangent is None else tangent
    return Trace(value, seed, seen, recorder.steps, recorder.shapes, recorder.index_of(tangent))
