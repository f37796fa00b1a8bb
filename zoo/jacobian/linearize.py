"""A function's derivative at a point, recorded in one pass and then applied to many vectors at a time.

One forward-mode pass is watched, operation by operation. What depends on the tangent is kept as a program; everything
else is a constant of it. Runs of elementwise operations (normalisation, activation, modulation) are multiplied out
beforehand, so that between two convolutions a vector is multiplied once for each term, whatever the network did there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_unflatten

from zoo.errors import is_out_of_memory
from zoo.jacobian.trace import Eqn, Trace, UnrecordableError, Var, record

aten = torch.ops.aten

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

_COPYING = {
    aten.convolution.default,
    aten.mm.default,
    aten.bmm.default,
    aten.mean.dim,
    aten.sum.dim_IntList,
    aten.upsample_nearest2d.default,
    aten.gather.default,
}
"""What surely makes new memory; anything else may share its argument's, which is then never overwritten."""

_TOLERANCE = 1e-4
"""How far a recorded derivative may be from the one that was watched, relative to its largest entry: rounding of the
network's type is far below, a wrong term far above."""


Coefficient = Tensor | float


@dataclass(frozen=True)
class _Term:
    """A slot times a coefficient that broadcasts."""

    slot: int
    coefficient: Coefficient


@dataclass(frozen=True)
class _Apply:
    """Run an operation on slots, vector by vector, into new slots."""

    step: Eqn
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
    def computes(self) -> bool:
        """Whether it makes new numbers; a single term, repeated along axes, shares its memory."""
        return len(self.terms) > 1 or not _is_one(self.terms[0].coefficient)

    @property
    def outs(self) -> tuple[int, ...]:
        return (self.out,)


class LinearMap:
    """The derivative of a function of one vector (d,), at `origin`, as a program: k vectors (k, d) -> (k, r).

    With `channels_last`, images are laid out so: convolutions of many vectors are faster then, but for small windows.
    Raises `UnrecordableError` where the derivative cannot be recorded.
    """

    def __init__(self, function: Callable[[Tensor], Tensor], origin: Tensor, *, channels_last: bool = False) -> None:
        recording = record(function, origin)
        self.value = recording.value
        self._watched: tuple[Tensor, Tensor] | None = recording.seed, recording.tangent
        try:
            with torch.no_grad():
                self._program = _Program(recording, channels_last=channels_last)
        except (RuntimeError, NotImplementedError, ValueError) as error:
            raise _unrecordable(error) from error

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
            raise _unrecordable(error) from error
        if bool(products[-1].any()) or not _repeats(products[-2], wanted):
            raise UnrecordableError("the recording does not repeat the derivative")
        self._watched = None
        return products[:-2]

    def _run(self, tangents: Tensor) -> Tensor:
        if self._program.result is None:
            return tangents.new_zeros(len(tangents), *self.value.shape)
        return self._program.run(tangents)


def _unrecordable(error: Exception) -> Exception:
    """Turn what an operation does not like about being repeated into one error; memory that ran out stays that."""
    return error if is_out_of_memory(error) else UnrecordableError(str(error))


def _repeats(found: Tensor, wanted: Tensor) -> bool:
    """Say whether a product is what was seen; what is not finite is nothing to compare with."""
    if found.shape != wanted.shape or not bool(torch.isfinite(wanted).all()):
        return found.shape == wanted.shape
    scale = float(wanted.abs().max()) if wanted.numel() else 0.0
    return bool(((found - wanted).abs() <= _TOLERANCE * scale).all())


class _Program:
    """Watched steps, multiplied out: `run` applies them to vectors."""

    def __init__(self, recording: Trace, *, channels_last: bool) -> None:
        steps, result = _needed(recording.steps, recording.result), recording.result
        self._shapes, self._seed = recording.shapes, recording.seed
        self._uses = Counter(index for step in steps for index in step.reads)
        self._sums: dict[int, list[_Term]] = {0: [_Term(0, 1.0)]}
        self._slots = 1
        self._lay_out = _channels_last if channels_last else _as_it_is
        self._parts: list[_Apply | _Combine] = []
        self._slot_shapes: dict[int, tuple[int, ...]] = {0: self._shapes[0]}
        for step in steps:
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

    def _add(self, step: Eqn) -> None:
        if step.function in _SAME or step.function in _ELEMENTWISE:
            [out] = step.outs
            assert out is not None
            self._sums[out] = self._terms_of(step, self._shapes[out])
            if self._uses[out] > 1:
                self._slot_of(out)
            return
        if step.function is aten.convolution.default and not any(self._parts_of(aten.convolution.default)):
            step = replace(step, leaves=tuple(self._lay_out(leaf) for leaf in step.leaves))
        inputs = tuple(self._slot_of(index) for index in step.reads)
        outs = tuple(None if out is None else self._new_slot(out) for out in step.outs)
        self._parts.append(_Apply(step, inputs, outs))

    def _parts_of(self, function: Any) -> Iterator[_Apply]:
        """List the parts so far that run an operation."""
        return (part for part in self._parts if isinstance(part, _Apply) and part.step.function is function)

    def _terms_of(self, step: Eqn, shape: tuple[int, ...]) -> list[_Term]:
        """Multiply an elementwise operation out over the terms of what it reads."""
        terms: list[_Term] = []
        for place, leaf in enumerate(step.leaves):
            if not isinstance(leaf, Var):
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
        terms = [replace(term, coefficient=self._lay_out(term.coefficient)) for term in terms]
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


def _channels_last(constant: Any) -> Any:
    """Lay an image or a kernel out with its channels last."""
    if isinstance(constant, Tensor) and constant.ndim == 4:
        return constant.contiguous(memory_format=torch.channels_last)
    return constant


def _as_it_is(constant: Any) -> Any:
    return constant


def _needed(steps: Sequence[Eqn], result: int | None) -> list[Eqn]:
    """Leave out what the result does not depend on."""
    wanted = {result}
    kept = []
    for step in reversed(steps):
        if wanted.intersection(step.outs) - {None}:
            wanted.update(step.reads)
            kept.append(step)
    return kept[::-1]


def _factor(step: Eqn, place: int, shapes: Sequence[tuple[int, ...]], seed: Tensor) -> Coefficient:
    """Find what an elementwise operation multiplies one of its dependent arguments by.

    It is its value at ones, the other dependent arguments being 0; its value at all zeros must be 0.
    """
    leaves = step.leaves
    if step.function in {aten.mul.Tensor, aten.mul.Scalar}:
        other = leaves[1 - place]
        if isinstance(other, Var):
            raise UnrecordableError("a tangent is multiplied by a tangent")
        return _plain(other)
    if step.function in {aten.add.Tensor, aten.sub.Tensor} and all(isinstance(leaf, Var) for leaf in leaves[:2]):
        alpha = leaves[2] if len(leaves) > 2 else 1
        return 1.0 if place == 0 else float(alpha) * (1 if step.function is aten.add.Tensor else -1)

    def at(value: float) -> Tensor:
        filled = [
            seed.new_full(shapes[leaf.index], value if index == place else 0.0) if isinstance(leaf, Var) else leaf
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
    if coefficient.is_complex():
        return coefficient
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
    """Let a sum overwrite its first term where nothing else reads that, and nothing else can share its memory."""
    last = {slot: place for place, part in enumerate(parts) for slot in part.inputs}
    fresh, shared = set[int | None](), set[int]()
    for part in parts:
        if isinstance(part, _Combine):
            fresh.update(part.outs if part.computes else ())
            shared.update(() if part.computes else part.inputs)
        else:
            fresh.update(part.outs if part.step.function is aten.convolution.default else ())
            shared.update(() if part.step.function in _COPYING else part.inputs)
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
    places = [place for place, leaf in enumerate(part.step.leaves) if isinstance(leaf, Var)]

    def once(*inputs: Tensor) -> Any:
        leaves = list(part.step.leaves)
        for place, value in zip(places, inputs, strict=True):
            leaves[place] = value
        args, kwargs = tree_unflatten(leaves, part.step.spec)
        return part.step.function(*args, **kwargs)

    made = torch.func.vmap(once)(*(slots[slot] for slot in part.inputs))
    return tuple(tree_flatten(made)[0])
