"""Declared projections against what a network does: its first steps, measured by differences, whatever it is made of.

Every result of every operation is recorded while the network renders a code, and again with the code moved a little
along each axis. Results that are affine in the code, such as the first dense layer's, differ by exactly the rows of
their weight. So nothing that the adapter declares enters the measurement.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from zoo.core.adapter import Adapter
from zoo.core.codes import Codes
from zoo.testing.network_checks import in_float64
from zoo.testing.require import draw, render, require

_STEP = 1e-4
_TOLERANCE = 1e-6
"""Relative to a row's length. Of an affine step central differences are exact but for rounding, 1e-16 / 1e-4 of what is
added to it; of the normalisation of a code before it, to the step's square."""


def check_first_steps(adapter: Adapter, seed: int = 0) -> None:
    """The network's first steps read the code by the declared projections: the same rows, all of them."""
    exact = in_float64(adapter)
    parts = exact.projections()
    if not parts:
        return
    code = draw(exact, 1, seed)
    normalized = exact.normalize(code)
    several = exact.space.layers > 1
    for row in sorted({part.layer for part in parts}) if several else [None]:
        chosen = [part for part in parts if row is None or part.layer == row]
        declared = torch.cat([part.weight.detach() for part in chosen]).to(torch.float64)
        declared = declared @ _normalization(exact, normalized)
        owners = [part.layer for part in chosen for _ in part.weight]
        _compare(declared, owners, list(_measured(exact, normalized, row)))


def _compare(declared: Tensor, owners: list[int], measured: list[Tensor]) -> None:
    """Find every declared row (out, dim) among the measured ones, and nothing else in the steps where they are."""
    lengths = declared.norm(dim=1)
    missing = lengths > _TOLERANCE * lengths.max()  # a row of zeros is read by nobody
    for rows in measured:
        known = _nearest(declared, rows) <= _TOLERANCE * lengths.clamp(min=float(lengths.max()) * _TOLERANCE)
        first = known & missing
        if bool(first.any()):
            norms = rows.norm(dim=1)
            strange = norms > _TOLERANCE * norms.max()
            strange &= _nearest(rows, declared) > _TOLERANCE * norms
            count = int(strange.sum())
            layer = owners[int(first.nonzero()[0, 0])]
            contract = f"a projection of layer {layer} holds every row of its step"
            require(count == 0, contract, f"{count} of {len(rows)} rows of the step are not declared")
            missing &= ~known
    if not bool(missing.any()):
        return
    place = int(missing.nonzero()[0, 0])
    require(
        False,
        f"the network reads the code by the {len(declared)} rows that are declared for layer {owners[place]}",
        f"{int(missing.sum())} of them are nowhere in what it computes{_hint(declared[place], measured)}",
    )


def _hint(row: Tensor, measured: list[Tensor]) -> str:
    """Say so where a missing row is there but for its length; the first such one is the network's first step."""
    for rows in measured:
        lengths = rows.norm(dim=1) * row.norm()
        along = (rows @ row).abs() >= (1 - _TOLERANCE) * lengths
        parallel = (along & (lengths > 0)).nonzero()
        if len(parallel):
            factor = float(rows[int(parallel[0, 0])] @ row / (row @ row))
            return f"; one is, times {factor:.4g}: declare the weight that acts, every factor applied"
    return ""


def _measured(adapter: Adapter, code: Codes, row: int | None) -> Iterator[Tensor]:
    """Yield, for every operation whose result follows the code, how each number of it does: (m, dim)."""
    columns = []
    for axis in torch.eye(adapter.space.dim, dtype=torch.float64, device=adapter.device) * _STEP:
        ends = [_results(adapter, _shifted(code, delta, row)) for delta in (axis, -axis)]
        shapes = [[result.shape for result in end] for end in ends]
        require(shapes[0] == shapes[1], "the same operations whatever the code", "others for another code")
        columns.append([(high - low) / (2 * _STEP) for high, low in zip(*ends, strict=True)])
    for results in zip(*columns, strict=True):
        rows = torch.stack(results, dim=1)
        if bool((rows.abs() > _TOLERANCE).any()) and bool(torch.isfinite(rows).all()):
            yield rows


def _shifted(code: Codes, delta: Tensor, row: int | None) -> Codes:
    """Add delta (dim,) to one row of a code, or to all of it."""
    latents = code.latents.clone()
    latents[:, slice(None) if row is None else row] += delta
    return replace(code, latents=latents)


def _results(adapter: Adapter, codes: Codes) -> list[Tensor]:
    """Render, and list every result of every operation, flat."""
    recorder = _Recorder()
    with recorder:
        render(adapter, codes)
    return recorder.results


class _Recorder(TorchDispatchMode):
    """Keeps a copy of all floating point results."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.results: list[Tensor] = []

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # torch would import its compiler, for seconds, to tell it that there is nothing to compile

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for value in result if isinstance(result, tuple | list) else (result,):
            if isinstance(value, Tensor) and value.is_floating_point():
                self.results.append(value.detach().flatten().clone())
        return result


def _normalization(adapter: Adapter, code: Codes) -> Tensor:
    """Differentiate what the adapter does to a code of a file before it is used: (dim, dim), the identity for most."""
    columns = []
    for axis in torch.eye(adapter.space.dim, dtype=torch.float64, device=adapter.device) * _STEP:
        ends = [adapter.normalize(_shifted(code, delta, None)).latents.flatten() for delta in (axis, -axis)]
        columns.append((ends[0] - ends[1])[: adapter.space.dim] / (2 * _STEP))
    return torch.stack(columns, dim=1)


def _nearest(rows: Tensor, among: Tensor) -> Tensor:
    """Measure how far each row lies from the nearest one of `among`, for rows that are as good as there.

    Rows are compared along a fixed direction first, so that few have to be compared whole.
    """
    sign = torch.linspace(1, 2, rows.shape[1], dtype=rows.dtype, device=rows.device).sin()
    keys, order = (among @ sign).sort()
    places = torch.searchsorted(keys, rows @ sign)
    found = torch.full((len(rows),), torch.inf, dtype=rows.dtype, device=rows.device)
    for shift in (-1, 0):
        candidates = among[order[(places + shift).clamp(0, len(keys) - 1)]]
        found = torch.minimum(found, (rows - candidates).norm(dim=1))
    return found
