"""The choice between a whole Jacobian and a search for its leading directions, at the codes of an analysis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from zoo import sketch
from zoo.adapter import Adapter
from zoo.analyzer import Probe
from zoo.errors import OptionError
from zoo.grams import union_of
from zoo.operator import RegionJacobian
from zoo.outputs import Output
from zoo.region import Region
from zoo.sketch import Sketch


def search_pays(adapter: Adapter, probe: Probe, rank: int, *, quotient: bool = False) -> bool:
    """Say whether a search for `rank` directions is likely to cost less than the whole Jacobian.

    It holds on to what the network made of every code, so it is for one code and without a budget.
    """
    fits = len(probe.codes) == 1 and probe.means.memory is None and probe.means.chunk is None
    return fits and sketch.is_worthwhile(rank, adapter.space.dim, quotient=quotient)


def check_method(method: str, probe: Probe, obstacle: str | None) -> None:
    """Refuse a search that cannot be: with a budget, or for the analysis's own reason. Raises `OptionError`."""
    if method != "sketched":
        return
    if probe.means.memory is not None:
        raise OptionError("method=sketched: a search keeps to no budget; leave --memory out, or take method=exact")
    if obstacle:
        raise OptionError(f"method=sketched: {obstacle}; or take method=exact")


def search(
    adapter: Adapter,
    probe: Probe,
    regions: Sequence[Region],
    rank: int,
    *,
    output: Output,
    tau: float | None = None,
    forced: bool = False,
) -> Sketch:
    """Search for the `rank` leading directions of a region, or, with `tau`, of its quotient with a second one.

    It gives up once it costs more than it should; if `forced`, only when it costs as much as the whole Jacobian.
    """
    operator = RegionJacobian(adapter, probe.codes, union_of(regions), layers=probe.layers, output=output)
    dim = adapter.space.dim
    common: dict[str, Any] = {"generator": probe.generator, "budget": 4.0 * dim if forced else None}
    rank = min(rank, dim)
    if tau is None:
        return sketch.spectrum(operator.push, operator.pull, dim, rank, **common)
    mask = regions[0].mask[union_of(regions).mask]
    inside = torch.from_numpy(np.tile(np.repeat(mask, output.per_pixel), len(probe.codes))).to(adapter.device)
    return sketch.quotients(operator.push, operator.pull, dim, rank, inside=inside, tau=tau, **common)


def account(found: Sketch, dim: int) -> dict[str, Any]:
    """Return what a directions file should say of a search: its residual, and its cost as a share of the exact one."""
    told = {"residual": found.residual, "cost": round(found.cost() / dim, 3)}
    return told if found.trace_error is None else {**told, "trace_error": found.trace_error}
