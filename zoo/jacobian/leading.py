"""The choice between a whole Jacobian and an iterative search for its leading directions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from zoo.core.adapter import Adapter
from zoo.core.analyzer import Probe
from zoo.core.compute import ComputeBudget
from zoo.core.region import Region
from zoo.errors import OptionError
from zoo.jacobian.columns import max_tangents
from zoo.jacobian.gram import Grams, gram_matrices, is_large
from zoo.jacobian.gram_request import union_of
from zoo.jacobian.operator import RegionJacobian
from zoo.jacobian.outputs import Output
from zoo.linalg import krylov
from zoo.linalg.davidson import block_davidson
from zoo.linalg.krylov import PartialEigen

# Directions that are searched for in a large space where nobody says how many.
DEFAULT_RANK = 10
# Products that are computed at a time there: the networks of large spaces have large maps.
_MOST_OF_LARGE = 4


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
    """Search for the leading directions of a region, or compute the regions' Gram matrices.

    A search finds the leading eigenvectors of M = JᵀJ / p of one region or, with `tau`, the leading directions of the
    quotient nᵀ M_F n / nᵀ (M_B + τ tr(M_B) I) n of two. The choice does not depend on what is cached.

    In a large space (see `is_large`), a search is the only way, and its directions are returned whether it converged or
    not.

    Args:
        adapter: The network.
        probe: The codes, the layers, the budget and the generator of random numbers.
        regions: One region or, with `tau`, two: F and B.
        rank: How many directions are wanted; None means that their number is not known beforehand.
        method: ``exact`` computes Gram matrices. ``sketched`` searches, and gives up once that has cost four times as
            much as the whole Jacobian. ``auto`` searches where that is likely to be cheaper, for one code without a
            budget, and gives up at half the cost of the whole Jacobian; in a large space it always searches, and gives
            up at `search_budget`.
        output: The map of a region's pixels that is differentiated.
        tau: The regularisation τ of a quotient, above 0; None for eigenvectors.
        obstacle: Why no search is possible with the analyzer's options; None if one is.

    Returns:
        The directions of a search that converged, or that had no alternative, or else Gram matrices; and what a
        directions file records about the method.

    Raises:
        OptionError: A search was demanded that is not possible, or the budget does not suffice.
        CapabilityError: The network has no forward-mode derivative.
        CheckpointError: A derivative is not finite.
        OutputError: Columns that do not fit into memory cannot be written to disk.
    """
    record: dict[str, Any] = {}
    large = is_large(adapter.space.dim)
    demanded = method == "sketched" or (method == "auto" and large)
    if demanded:
        require_searchable(probe, obstacle)
    searches = demanded or (method == "auto" and rank and not obstacle and _pays(adapter, probe, rank, tau))
    if searches and probe.budget.spread is not None:
        raise OptionError("a search for leading directions is not spread: pass -o method=exact, or leave --on out")
    if searches:
        rank = rank or DEFAULT_RANK
        max_cost = None
        if demanded:
            max_cost = 4.0 * adapter.space.dim if method == "sketched" else search_budget(rank)
        eigen = _search(adapter, probe, regions, rank, output=output, tau=tau, max_cost=max_cost)
        record = {"residual": eigen.residual, "cost": round(eigen.cost() / adapter.space.dim, 3)}
        if eigen.trace_error is not None:
            record["trace_error"] = eigen.trace_error
        if eigen.converged or large:
            return eigen, {"method": "sketched", **record}
    grams = gram_matrices(
        adapter,
        probe.codes,
        regions,
        layers=probe.layers,
        output=output,
        budget=probe.budget,
        progress=probe.progress,
    )
    return grams, {"method": "exact", **({"search": record} if record else {})}


def require_searchable(probe: Probe, obstacle: str | None) -> None:
    """Require that a search for leading directions is possible.

    Args:
        probe: The codes and the budget.
        obstacle: Why the analyzer's options allow none; None if they do.

    Raises:
        OptionError: There is an obstacle, or a limit on memory, which no search keeps to.
    """
    dim = probe.codes.latents.shape[-1]
    instead = "" if is_large(dim) else ", or take method=exact"
    said = f"a space of {dim:,} numbers is searched" if is_large(dim) else "method=sketched"
    if probe.budget.memory is not None:
        raise OptionError(f"{said}: a search keeps to no budget; leave --memory out{instead}")
    if obstacle:
        raise OptionError(f"{said}: {obstacle}{instead and f';{instead[1:]}'}")


def search_chunk(adapter: Adapter, budget: ComputeBudget) -> int:
    """Choose how many products a search computes at a time: few in a large space, whose network is large too.

    Args:
        adapter: The network.
        budget: What may be used; its chunk, if it has one, is the answer.

    Returns:
        The number.
    """
    most = max_tangents(adapter)
    return budget.chunk or (min(most, _MOST_OF_LARGE) if is_large(adapter.space.dim) else most)


def search_budget(rank: int) -> float:
    """Choose the cost at which a search in a large space ends: three times what searches of real generators cost.

    Args:
        rank: How many directions are searched for.

    Returns:
        The cost in products with J.
    """
    return 3 * krylov.expected_cost(rank)


def note_on_search(eigen: PartialEigen) -> list[str]:
    """Say that directions of a search that did not converge are approximate.

    Args:
        eigen: What the search found.

    Returns:
        A note, or none.
    """
    if eigen.converged:
        return []
    return [
        f"the search ended after {eigen.jvps + eigen.vjps} products at a residual of {eigen.residual:.2g}: the "
        "last directions are approximate, and -o method=sketched searches longer"
    ]


def _pays(adapter: Adapter, probe: Probe, rank: int, tau: float | None) -> bool:
    """Return whether a search is likely to cost less than the whole Jacobian."""
    is_allowed = len(probe.codes) == 1 and probe.budget.memory is None and probe.budget.chunk is None
    return is_allowed and krylov.is_worthwhile(rank, adapter.space.dim, quotient=tau is not None)


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
    """Search for the leading directions of the Jacobian of all regions."""
    union = union_of(regions)
    dim = adapter.space.dim
    at_a_time = search_chunk(adapter, probe.budget)
    operator = RegionJacobian(adapter, probe.codes, union, layers=probe.layers, output=output, at_a_time=at_a_time)
    problem = operator.jvp, operator.vjp, dim, min(rank, dim)
    if tau is None:
        return krylov.block_krylov_eigsh(*problem, generator=probe.generator, max_cost=max_cost)
    # The rows of J are those of the first region's pixels or of the second's, for each code.
    mask = np.repeat(regions[0].mask[union.mask], output.per_pixel)
    inside = torch.from_numpy(np.tile(mask, len(probe.codes))).to(adapter.device)
    return block_davidson(*problem, inside=inside, tau=tau, generator=probe.generator, max_cost=max_cost)
