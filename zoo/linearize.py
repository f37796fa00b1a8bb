"""A function's derivative at a point, recorded in one pass and then applied to many vectors at a time.

One forward-mode pass is watched, operation by operation. What depends on the tangent is kept as a program; everything
else is a constant of it. Runs of elementwise operations (normalisation, activation, modulation) are multiplied out
beforehand, so that between two convolutions a vector is multiplied once for each term, whatever the network did there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.utils._pytree import tree_flatten, tree_unflatten
from torch.utils.weak import WeakIdKeyDictionary

from zoo.errors import is_out_of_memory
from zoo.watching import Watcher

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

_SAME = {aten.alias.default, aten.detach.default, aten.clone.default, aten.lift_fresh.default, aten.expand.default}
"""What gives its first argument, possibly repeated along axes."""

_ELEMENTWISE = {
    aten.add.Tensor,
    aten.sub.Tensor,
    aten.rsub.Scalar,
    aten.neg.default,
    aten.mul.Tensor,
    aten.mul.Scalar,
    aten.div.Tensor,
    aten.div.Scalar,
    aten.where.self,
    aten.masked_fill.Scalar,
    aten.addcmul.default,
    aten.addcdiv.default,
    aten.threshold_backward.default,
    aten.leaky_relu_backward.default,
    aten.tanh_backward.default,
    aten.sigmoid_backward.default,
    aten.silu_backward.default,
    aten.gelu_backward.default,
    aten.elu_backward.default,
    aten.hardtanh_backward.default,
    aten.softplus_backward.default,
    aten._to_copy.default,
}
"""What treats every number by itself, and is linear in each of its dependent arguments."""

_VIEWS = {
    aten.view.default,
    aten._unsafe_view.default,
    aten.reshape.default,
    aten.unsqueeze.default,
    aten.squeeze.default,
    aten.squeeze.dim,
    aten.squeeze.dims,
    aten.select.int,
    aten.slice.Tensor,
    aten.permute.default,
    aten.transpose.int,
    aten.t.default,
    aten.split.Tensor,
    aten.split_with_sizes.default,
    aten.unbind.int,
    aten.as_strided.default,
}
"""What may share its argument's memory: that argument is never overwritten."""

_REPEATED_AS = {aten.view.default: aten.reshape.default, aten._unsafe_view.default: aten.reshape.default}
"""What is repeated by another operation: sums may lie in memory in another order than what was watched."""

_TOLERANCE = 1e-3
"""How far a recorded derivative may be from the one that was watched, relative to its largest entry: rounding of the
network's type is far below, a wrong term far above."""


class UnrecordableError(Exception):
    """The derivative does something that a recording cannot repeat; the message names it."""


@dataclass(frozen=True)
class _Var:
    """A value that depends on the tangent."""

    index: int


@dataclass(frozen=True)
class _Step:
    """One watched operation: `leaves` are its flattened arguments, dependent ones as `_Var`; `outs` what it made."""

    function: Any
    leaves: tuple[Any, ...]
    spec: Any
    outs: tuple[int | None, ...]

    @property
    def reads(self) -> list[int]:
        """The values that it depends on."""
        return [leaf.index for leaf in self.leaves if isinstance(leaf, _Var)]


def _without_writing(func: Any, target: Any, leaves: tuple[Any, ...], spec: Any) -> tuple[Any, tuple[Any, ...], Any]:
    """Find the operation that gives what one writes into its first argument: (operation, arguments, their form).

    That argument gets the new value; should another tensor share its memory, the final check will find out.
    """
    if func is aten.copy_.default:
        if not isinstance(leaves[1], _Var):
            raise UnrecordableError(str(func))
        flat, form = tree_flatten(((leaves[1], list(target.shape)), {}))
        return aten.expand.default, tuple(flat), form
    name, overload = func._schema.name.removeprefix("aten::"), func._overloadname
    twin = getattr(getattr(aten, name.removesuffix("_"), None), overload, None)
    if not name.endswith("_") or twin is None:
        raise UnrecordableError(str(func))
    return twin, (leaves[0] if isinstance(leaves[0], _Var) else target.clone(), *leaves[1:]), spec


def _is_idle(func: Any, args: tuple[Any, ...]) -> bool:
    """Say whether this is the convolution by zeros with which torch accounts for weights that do not move."""
    if func is not aten.convolution.default or not args[1].numel():
        return False
    return not bool(args[1].flatten()[0]) and not bool(args[1].any())


def _of_nought(args: tuple[Any, ...]) -> Tensor:
    """Return what that convolution gives, without computing it."""
    shapes = [arg.to("meta") if isinstance(arg, Tensor) else arg for arg in args]
    made: Tensor = args[0].new_zeros(aten.convolution.default(*shapes).shape)
    return made


class _Recorder(Watcher):
    """Watches one forward-mode pass and keeps the operations that depend on `seed`."""

    def __init__(self, seed: Tensor) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.seed = seed
        self.steps: list[_Step] = []
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
            _Var(index) if isinstance(leaf, Tensor) and (index := self.index_of(leaf)) is not None else leaf
            for leaf in flat
        )
        if func in _SHAPE_ONLY or not any(isinstance(leaf, _Var) for leaf in leaves):
            return _of_nought(args) if _is_idle(func, args) else func(*args, **(kwargs or {}))
        if func._schema.is_mutable:
            func_kept, leaves, spec = _without_writing(func, args[0], leaves, spec)
        else:
            func_kept = _REPEATED_AS.get(func, func)
        result = func(*args, **(kwargs or {}))
        made = [self._new(out) for out in tree_flatten(result)[0]]
        self.steps.append(_Step(func_kept, leaves, spec, tuple(made)))
        return result

    def _new(self, out: Any) -> int | None:
        if not isinstance(out, Tensor):
            return None
        self.shapes.append(tuple(out.shape))
        self._vars[out] = len(self.shapes) - 1
        return len(self.shapes) - 1


Coefficient = Tensor | float


@dataclass(frozen=True)
class _Term:
    """A slot times a coefficient that broadcasts."""

    slot: int
    coefficient: Coefficient


@dataclass(frozen=True)
class _Apply:
    """Run an operation on slots, vector by vector, into new slots."""

    step: _Step
    inputs: tuple[int, ...]
    outs: tuple[int | None, ...]


@dataclass(frozen=True)
class _Combine:
    """Sum terms into a new slot of `shape`; the first term's own memory is reused if `overwrite`."""

    terms: tuple[_Term, ...]
    shape: tuple[int, ...]
    out: int
    overwrite: bool = False

    @property
    def inputs(self) -> tuple[int, ...]:
        return tuple(term.slot for term in self.terms)

    @property
    def outs(self) -> tuple[int, ...]:
        return (self.out,)


class LinearMap:
    """The derivative of a function of one vector (d,), at `origin`, as a program: k vectors (k, d) -> (k, r).

    Raises `UnrecordableError` where the derivative cannot be recorded.
    """

    def __init__(self, function: Callable[[Tensor], Tensor], origin: Tensor) -> None:
        generator = torch.Generator().manual_seed(0)
        seed = torch.randn(origin.shape, generator=generator, dtype=origin.dtype).to(origin.device)
        recorder = _Recorder(seed)
        with torch.no_grad(), forward_ad.dual_level(), recorder:
            value, tangent = forward_ad.unpack_dual(function(forward_ad.make_dual(origin, seed)))
        self.value: Tensor = value
        self._program = _Program(recorder, recorder.index_of(tangent))
        self._watched: tuple[Tensor, Tensor] | None = seed, torch.zeros_like(value) if tangent is None else tangent

    def __call__(self, tangents: Tensor) -> Tensor:
        """Multiply by vectors (k, d): (k, r).

        The first time, the vector that was watched goes with them, and one of zeros. Raises `UnrecordableError` if what
        comes of the one is not what was seen, or of the other is not zero: a tangent was taken for a constant then.
        """
        if self._watched is None:
            return self._run(tangents)
        seed, wanted = self._watched
        try:
            products = self._run(torch.cat([tangents, seed[None], torch.zeros_like(seed)[None]]))
        except RuntimeError as error:
            if is_out_of_memory(error):
                raise
            raise UnrecordableError(str(error)) from error
        if bool(products[-1].any()) or not _repeats(products[-2], wanted):
            raise UnrecordableError("the recording does not repeat the derivative")
        self._watched = None
        return products[:-2]

    def _run(self, tangents: Tensor) -> Tensor:
        if self._program.result is None:
            return tangents.new_zeros(len(tangents), *self.value.shape)
        return self._program.run(tangents)


def _repeats(found: Tensor, wanted: Tensor) -> bool:
    """Say whether a product is what was seen; what is not finite is nothing to compare with."""
    if found.shape != wanted.shape or not bool(torch.isfinite(wanted).all()):
        return found.shape == wanted.shape
    scale = float(wanted.abs().max()) if wanted.numel() else 0.0
    return bool(((found - wanted).abs() <= _TOLERANCE * scale).all())


class _Program:
    """Watched steps, multiplied out: `run` applies them to vectors."""

    def __init__(self, recorder: _Recorder, result: int | None) -> None:
        self._shapes, self._seed = recorder.shapes, recorder.seed
        self._uses = Counter(index for step in _needed(recorder.steps, result) for index in step.reads)
        self._sums: dict[int, list[_Term]] = {0: [_Term(0, 1.0)]}
        self._slots = 1
        self._parts: list[_Apply | _Combine] = []
        self._slot_shapes: dict[int, tuple[int, ...]] = {0: self._shapes[0]}
        for step in _needed(recorder.steps, result):
            self._add(step)
        self.result = None if result is None else self._slot_of(result)
        self._parts = _with_reuse(self._parts, self.result)
        self._last = {slot: place for place, part in enumerate(self._parts) for slot in part.inputs}
        del self._sums, self._uses, self._shapes, self._seed

    def run(self, tangents: Tensor) -> Tensor:
        """Apply the program to vectors (k, d)."""
        slots: dict[int, Tensor] = {0: tangents}
        for place, part in enumerate(self._parts):
            made = _combine(part, slots) if isinstance(part, _Combine) else _apply(part, slots)
            slots.update((out, tensor) for out, tensor in zip(part.outs, made, strict=True) if out is not None)
            del made
            for slot in set(part.inputs):
                if self._last[slot] == place and slot != self.result:
                    del slots[slot]
        return slots[self.result or 0]

    def _add(self, step: _Step) -> None:
        if step.function in _SAME or step.function in _ELEMENTWISE:
            [out] = step.outs
            assert out is not None
            self._sums[out] = self._terms_of(step, self._shapes[out])
            if self._uses[out] > 1:
                self._slot_of(out)
            return
        inputs = tuple(self._slot_of(index) for index in step.reads)
        outs = tuple(None if out is None else self._new_slot(out) for out in step.outs)
        self._parts.append(_Apply(step, inputs, outs))

    def _terms_of(self, step: _Step, shape: tuple[int, ...]) -> list[_Term]:
        """Multiply an elementwise operation out over the terms of what it reads."""
        terms: list[_Term] = []
        for place, leaf in enumerate(step.leaves):
            if not isinstance(leaf, _Var):
                continue
            factor = 1.0 if step.function in _SAME else _factor(step, place, self._shapes, self._seed)
            if _size(shape) > _size(self._shapes[leaf.index]):
                self._slot_of(leaf.index)  # summed up while it is small
            terms += [replace(term, coefficient=_times(term.coefficient, factor)) for term in self._sums[leaf.index]]
        return _merged(terms)

    def _slot_of(self, index: int) -> int:
        """Make sure that a value has a slot of its own, and return it."""
        terms, shape = self._sums[index], self._shapes[index]
        first = terms[0]
        if len(terms) == 1 and _is_one(first.coefficient) and self._slot_shapes[first.slot] == shape:
            return first.slot
        part = _Combine(tuple(sorted(terms, key=self._order)), shape, self._new_slot(index))
        self._parts.append(part)
        return part.out

    def _order(self, term: _Term) -> int:
        """Put the largest first: the sum is collected in its memory."""
        return -_size(self._slot_shapes[term.slot])

    def _new_slot(self, index: int) -> int:
        slot, self._slots = self._slots, self._slots + 1
        self._slot_shapes[slot] = self._shapes[index]
        self._sums[index] = [_Term(slot, 1.0)]
        return slot


def _needed(steps: Sequence[_Step], result: int | None) -> list[_Step]:
    """Leave out what the result does not depend on."""
    wanted = {result}
    kept = []
    for step in reversed(steps):
        if wanted.intersection(step.outs) - {None}:
            wanted.update(step.reads)
            kept.append(step)
    return kept[::-1]


def _factor(step: _Step, place: int, shapes: Sequence[tuple[int, ...]], seed: Tensor) -> Coefficient:
    """Find what an elementwise operation multiplies one of its dependent arguments by.

    It is its value at ones, the other dependent arguments being 0; its value at all zeros must be 0.
    """
    leaves = step.leaves
    if step.function in {aten.mul.Tensor, aten.mul.Scalar}:
        other = leaves[1 - place]
        if isinstance(other, _Var):
            raise UnrecordableError("a tangent is multiplied by a tangent")
        return _plain(other)
    if step.function in {aten.add.Tensor, aten.sub.Tensor} and all(isinstance(leaf, _Var) for leaf in leaves[:2]):
        alpha = leaves[2] if len(leaves) > 2 else 1
        return 1.0 if place == 0 else float(alpha) * (1 if step.function is aten.add.Tensor else -1)

    def at(value: float) -> Tensor:
        filled = [
            seed.new_full(shapes[leaf.index], value if index == place else 0.0) if isinstance(leaf, _Var) else leaf
            for index, leaf in enumerate(leaves)
        ]
        args, kwargs = tree_unflatten(filled, step.spec)
        made: Tensor = step.function(*args, **kwargs)
        return made

    if bool(at(0.0).any()):
        raise UnrecordableError(f"{step.function} is not linear")
    return _plain(at(1.0))


def _plain(coefficient: Any) -> Coefficient:
    """Bring a coefficient that is the same everywhere to a number."""
    if not isinstance(coefficient, Tensor):
        return float(coefficient)
    low, high = coefficient.aminmax() if coefficient.numel() else (coefficient.sum(), coefficient.sum())
    return float(low) if bool(low == high) else coefficient


def _times(a: Coefficient, b: Coefficient) -> Coefficient:
    if _is_one(a) or _is_one(b):
        return b if _is_one(a) else a
    return a * b


def _is_one(coefficient: Coefficient) -> bool:
    return isinstance(coefficient, float) and coefficient == 1.0


def _merged(terms: list[_Term]) -> list[_Term]:
    """Add up the coefficients of terms of one slot."""
    merged: dict[int, Coefficient] = {}
    for term in terms:
        merged[term.slot] = merged[term.slot] + term.coefficient if term.slot in merged else term.coefficient
    return [_Term(slot, coefficient) for slot, coefficient in merged.items()]


def _size(shape: tuple[int, ...]) -> int:
    return torch.Size(shape).numel()


def _with_reuse(parts: Sequence[_Apply | _Combine], result: int | None) -> list[_Apply | _Combine]:
    """Let a sum overwrite its first term where nothing else reads that, and nothing else shares its memory."""
    last = {slot: place for place, part in enumerate(parts) for slot in part.inputs}
    shapes = {part.out: part.shape for part in parts if isinstance(part, _Combine)}
    fresh = set(shapes)
    shared: set[int] = set()
    for part in parts:
        if isinstance(part, _Apply):
            (shared if part.step.function in _VIEWS else set()).update(part.inputs)
            if part.step.function is aten.convolution.default:
                fresh.update(out for out in part.outs if out is not None)
    reusable = fresh - shared - {result}
    return [
        replace(part, overwrite=True)
        if isinstance(part, _Combine) and part.inputs[0] in reusable and last[part.inputs[0]] == place
        else part
        for place, part in enumerate(parts)
    ]


def _combine(part: _Combine, slots: dict[int, Tensor]) -> tuple[Tensor]:
    """Sum terms over vectors, in as few passes over memory as there are terms."""
    tensors = [_aligned(slots[term.slot], len(part.shape)) for term in part.terms]
    count = len(tensors[0])
    first, shape = part.terms[0].coefficient, (count, *part.shape)
    total = tensors[0]
    owned = part.overwrite and tuple(total.shape) == shape
    if not _is_one(first):
        total = total.mul_(first) if owned else total * first
        owned = True
    if tuple(total.shape) != shape:
        total = total.expand(shape)
        owned = False
    for term, tensor in zip(part.terms[1:], tensors[1:], strict=True):
        total = _added(total, tensor, term.coefficient, in_place=owned)
        owned = True
    return (total,)


def _added(total: Tensor, tensor: Tensor, coefficient: Coefficient, *, in_place: bool) -> Tensor:
    if isinstance(coefficient, Tensor):
        return total.addcmul_(tensor, coefficient) if in_place else torch.addcmul(total, tensor, coefficient)
    return total.add_(tensor, alpha=coefficient) if in_place else torch.add(total, tensor, alpha=coefficient)


def _aligned(tensor: Tensor, rank: int) -> Tensor:
    """Insert axes behind the first, so that what follows it lines up from the right."""
    return (
        tensor.view(len(tensor), *[1] * (rank + 1 - tensor.ndim), *tensor.shape[1:]) if tensor.ndim <= rank else tensor
    )


def _apply(part: _Apply, slots: dict[int, Tensor]) -> tuple[Tensor, ...]:
    """Run an operation on vectors by its batching rule."""
    places = [place for place, leaf in enumerate(part.step.leaves) if isinstance(leaf, _Var)]

    def once(*inputs: Tensor) -> Any:
        leaves = list(part.step.leaves)
        for place, value in zip(places, inputs, strict=True):
            leaves[place] = value
        args, kwargs = tree_unflatten(leaves, part.step.spec)
        return part.step.function(*args, **kwargs)

    made = torch.func.vmap(once)(*(slots[slot] for slot in part.inputs))
    return tuple(tree_flatten(made)[0])
