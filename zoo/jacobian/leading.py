"""The choice between a whole Jacobian and a search for its leading directions, at the codes of an analysis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from zoo.core.adapter import Adapter
from zoo.core.analyzer import Probe
from zoo.core.region import Region
from zoo.errors import OptionError
from zoo.jacobian.gram import Grams, gram_matrices, kept_gram_matrices, union_of
from zoo.jacobian.operator import RegionJacobian
from zoo.jacobian.outputs import Output
from zoo.linalg import krylov
from zoo.linalg.krylov import PartialEigen


def leading_or_gram(
    adapter: Adapter,
    probe: Probe,
    regions: Sequence[Region],
    rank: int | None,
    *,
    method: str,
    output: Output,
    tau: float | None = None,
    obstacle: str | None = None,
) -> tuple[PartialEigen | Grams, dict[str, Any]]:
    """Search for the `rank` leading directions of a region, or, with `tau`, of its quotient with a second one.

    Returns what was found, or the regions' Gram matrices where that is the way to take, and what a directions file
    should say of it. `method` ``exact`` never searches; ``sketched`` does, and gives up only once it costs four times
    the whole; ``auto`` does where that is likely to be cheaper, for one code without a budget, and the whole is not
    kept. `obstacle` says why no search is possible. Raises `OptionError` for one that is asked for and cannot be, and
    what `zoo.jacobian.gram.gram_matrices` raises.
    """
    asked: dict[str, Any] = {"layers": probe.layers, "output": output, "budget": probe.budget}
    told: dict[str, Any] = {}
    if method == "sketched":
        _require(probe, obstacle)
    if method == "sketched" or (method == "auto" and rank and not obstacle and _pays(adapter, probe, rank, tau)):
        kept = kept_gram_matrices(adapter, probe.codes, regions, **asked) if method == "auto" else None
        if kept is not None:
            return kept, {"method": "exact"}
        max_cost = 4.0 * adapter.space.dim if method == "sketched" else None
        found = _search(adapter, probe, regions, rank or 1, output=output, tau=tau, max_cost=max_cost)
        told = {"residual": found.residual, "cost": round(found.cost() / adapter.space.dim, 3)}
        if found.trace_error is not None:
            told["trace_error"] = found.trace_error
        if found.converged:
            return found, {"method": "sketched", **told}
    grams = gram_matrices(adapter, probe.codes, regions, **asked, progress=probe.progress)
    return grams, {"method": "exact", **({"search": told} if told else {})}


def _require(probe: Probe, obstacle: str | None) -> None:
    if probe.budget.memory is not None:
        raise OptionError("method=sketched: a search keeps to no budget; leave --memory out, or take method=exact")
    if obstacle:
        raise OptionError(f"method=sketched: {obstacle}; or take method=exact")


def _pays(adapter: Adapter, probe: Probe, rank: int, tau: float | None) -> bool:
    """Say whether a search is likely to cost less than the whole Jacobian."""
    fits = len(probe.codes) == 1 and probe.budget.memory is None and probe.budget.chunk is None
    return fits and krylov.is_worthwhile(rank, adapter.space.dim, quotient=tau is not None)


def _search(
    adapter: Adapter,
    probe: Probe,
    regions: Sequence[Region],
    rank: int,
    *,
    output: Output,
    tau: float | None,
    max_cost: float | None,
) -> PartialEigen:
    union, dim = union_of(regions), adapter.space.dim
    operator = RegionJacobian(adapter, probe.codes, union, layers=probe.layers, output=output)
    products = operator.jvp, operator.vjp, dim, min(rank, dim)
    if tau is None:
        return krylov.block_krylov_eigsh(*products, generator=probe.generator, max_cost=max_cost)
    mask = np.repeat(regions[0].mask[union.mask], output.per_pixel)
    inside = torch.from_numpy(np.tile(mask, len(probe.codes))).to(adapter.device)
    return krylov.block_davidson(*products, inside=inside, tau=tau, generator=probe.generator, max_cost=max_cost)
