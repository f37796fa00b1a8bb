"""A check that the declared projections are the weights by which a network reads the code, whatever it is made of.

The results of all torch operations are recorded while the network renders a code, and again with the code moved a
little along each axis. Results that are affine in the code, such as those of the first dense layer, differ by exactly
the rows of their weight. The measurement does not use what the adapter declares.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from zoo._utils.dispatch import EagerDispatchMode
from zoo.core.adapter import Adapter
from zoo.core.codes import Codes
from zoo.testing.assertions import draw, render, require
from zoo.testing.network_checks import in_float64

# The step h of central differences. Where a result is affine in the code they are exact but for rounding, 1e-16 / h
# relative to what the layer adds; where the code is normalised first, they are exact to h².
_STEP = 1e-4

# Relative to the length of a row.
_TOLERANCE = 1e-6


def check_first_steps(adapter: Adapter, seed: int = 0) -> None:
    """Check that the declared projections are the weights by which the network reads the code.

    Args:
        adapter: the adapter; a copy of it is moved to float64.
        seed: the seed of the code.

    Raises:
        ContractError: the network does not compute a declared row, or a layer has rows that are not declared.

    """
    exact = in_float64(adapter)
    projections = exact.projections()
    if not projections:
        return
    normalized = exact.normalize(draw(exact, 1, seed))
    rows_of_code = sorted({projection.layer for projection in projections}) if exact.space.layers > 1 else [None]
    for row in rows_of_code:
        chosen = [projection for projection in projections if row in {None, projection.layer}]
        declared = torch.cat([projection.weight.detach() for projection in chosen]).to(torch.float64)
        # The code is normalised before the weight reads it: d(W n(c)) = W (dn/dc) dc.
        declared = declared @ _normalization(exact, normalized)
        layers = [projection.layer for projection in chosen for _ in projection.weight]
        _compare(declared, layers, list(_measured(exact, normalized, row)))


def _compare(declared: Tensor, layers: list[int], measured: list[Tensor]) -> None:
    """Require that every declared row, (out, dim), is measured, and every row of an operation with one is declared."""
    lengths = declared.norm(dim=1)
    missing = lengths > _TOLERANCE * lengths.max()  # rows of zeros are not looked for
    for rows in measured:
        matched = _distance_to_nearest(declared, rows) <= _TOLERANCE * lengths.clamp(
            min=float(lengths.max()) * _TOLERANCE
        )
        first_seen = matched & missing
        if bool(first_seen.any()):
            count = _count_undeclared(rows, declared)
            contract = f"the projections of layer {layers[_first(first_seen)]} have all rows that read the code there"
            require(count == 0, contract, f"{count} of {len(rows)} rows are not declared")
            missing &= ~matched
    if bool(missing.any()):
        index = _first(missing)
        contract = f"the network reads the code by the {len(declared)} rows that are declared for layer {layers[index]}"
        seen = f"{int(missing.sum())} of them are not in what it computes{_hint(declared[index], measured)}"
        require(False, contract, seen)


def _count_undeclared(rows: Tensor, declared: Tensor) -> int:
    """Count the measured rows, other than zeros, that no declared row equals."""
    lengths = rows.norm(dim=1)
    undeclared = lengths > _TOLERANCE * lengths.max()
    undeclared &= _distance_to_nearest(rows, declared) > _TOLERANCE * lengths
    return int(undeclared.sum())


def _first(flags: Tensor) -> int:
    return int(flags.nonzero()[0, 0])


def _hint(row: Tensor, measured: list[Tensor]) -> str:
    """Say so if the network computes a multiple of the row, which points to a forgotten factor."""
    for rows in measured:
        lengths = rows.norm(dim=1) * row.norm()
        parallel = ((rows @ row).abs() >= (1 - _TOLERANCE) * lengths) & (lengths > 0)
        if bool(parallel.any()):
            factor = float(rows[_first(parallel)] @ row / (row @ row))
            return f"; one is, times {factor:.4g}: declare the weight with every factor applied"
    return ""


def _measured(adapter: Adapter, code: Codes, row: int | None) -> Iterator[Tensor]:
    """Yield, for each operation whose result depends on the code, its Jacobian by central differences, (m, dim)."""
    # One column for each axis, of all results of all operations: (r(c + h eᵢ) - r(c - h eᵢ)) / 2h.
    columns = []
    for axis in torch.eye(adapter.space.dim, dtype=torch.float64, device=adapter.device) * _STEP:
        ends = [_results(adapter, _shifted(code, delta, row)) for delta in (axis, -axis)]
        shapes = [[result.shape for result in end] for end in ends]
        require(shapes[0] == shapes[1], "the same operations for every code", "other operations for another code")
        columns.append([(high - low) / (2 * _STEP) for high, low in zip(*ends, strict=True)])
    for results in zip(*columns, strict=True):
        rows = torch.stack(results, dim=1)
        if bool((rows.abs() > _TOLERANCE).any()) and bool(torch.isfinite(rows).all()):
            yield rows


def _shifted(code: Codes, delta: Tensor, row: int | None) -> Codes:
    """Add delta (dim,) to one row of a code, or to all rows."""
    latents = code.latents.clone()
    latents[:, slice(None) if row is None else row] += delta
    return replace(code, latents=latents)


def _results(adapter: Adapter, codes: Codes) -> list[Tensor]:
    """Render, and return every floating point result of every operation, flattened."""
    recorder = _Recorder()
    with recorder:
        render(adapter, codes)
    return recorder.results


class _Recorder(EagerDispatchMode):
    """Copies all floating point results."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.results: list[Tensor] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for value in result if isinstance(result, tuple | list) else (result,):
            if isinstance(value, Tensor) and value.is_floating_point():
                self.results.append(value.detach().flatten().clone())
        return result


def _normalization(adapter: Adapter, code: Codes) -> Tensor:
    """Return the Jacobian of `Adapter.normalize`, (dim, dim); it is the identity for most adapters."""
    columns = []
    for axis in torch.eye(adapter.space.dim, dtype=torch.float64, device=adapter.device) * _STEP:
        ends = [adapter.normalize(_shifted(code, delta, None)).latents.flatten() for delta in (axis, -axis)]
        columns.append((ends[0] - ends[1])[: adapter.space.dim] / (2 * _STEP))
    return torch.stack(columns, dim=1)


def _distance_to_nearest(rows: Tensor, candidates: Tensor) -> Tensor:
    """Return each row's distance to the nearest candidate, exact for rows that have an equal candidate up to rounding.

    Comparing all pairs takes too much memory. Instead, candidates are sorted along one fixed direction, and a row is
    compared with the two neighbours of its own position: an equal row is one of them.
    """
    direction = torch.linspace(1, 2, rows.shape[1], dtype=rows.dtype, device=rows.device).sin()
    keys, order = (candidates @ direction).sort()
    positions = torch.searchsorted(keys, rows @ direction)
    distance = torch.full((len(rows),), torch.inf, dtype=rows.dtype, device=rows.device)
    for shift in (-1, 0):
        neighbours = candidates[order[(positions + shift).clamp(0, len(keys) - 1)]]
        distance = torch.minimum(distance, (rows - neighbours).norm(dim=1))
    return distance
