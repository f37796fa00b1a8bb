"""What is recorded of an analysis: everything that its result depends on, and what has to be known about its codes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from zoo._version import __version__
from zoo.analysis.request import command_of
from zoo.analysis.resolved import ResolvedRequest
from zoo.core.codes import Codes


def record_of(resolved: ResolvedRequest) -> dict[str, Any]:
    """Record everything that the result of a request depends on.

    Args:
        resolved: The request.

    Returns:
        Values that fit into JSON, by the names of the entries of a directions file.
    """
    request, model, codes = resolved.request, resolved.model, resolved.codes
    given = request.codes.codes
    return {
        "model": model.name,
        **model.weights,
        "layout": model.layout,
        "channels": model.adapter.channels,
        "licence": str(model.card.licence),
        "analyzer": resolved.plugin.name,
        "options": resolved.analyzer.options.model_dump(mode="json"),
        "region": request.region,
        "seed": request.codes.seed_or_zero if given is None and codes.seeds is None else None,
        "seeds": None if codes.seeds is None else list(codes.seeds),
        "samples": len(codes),
        "codes": "drawn" if given is None else given.name if isinstance(given, Path) else "given",
        "labels": None if codes.labels is None else codes.labels.tolist(),
        "truncation": codes.truncation,
        "device": model.adapter.device.type,
        "dtype": model.dtype,
        "network_options": dict(model.opening.options),
        "threads": torch.get_num_threads(),
        "torch_version": torch.__version__,
        "zoo_version": __version__,
        "command": command_of(request, model),
    }


def notes_on_codes(resolved: ResolvedRequest) -> list[str]:
    """Say where codes that should differ are the same, as with truncation 0.

    Args:
        resolved: The request.

    Returns:
        A sentence, or none.
    """
    codes, derives = resolved.codes, "derivative" in resolved.plugin.requires
    if codes.truncation == 0 and _are_equal(codes):
        return ["with truncation 0 all codes are the mean: the unseen ones are the analysed one"]
    if derives and len(codes) > 1 and _are_equal(codes):
        return [f"all {len(codes)} codes are the same, so that the analysis is that of one code"]
    return []


def _are_equal(codes: Codes) -> bool:
    same_latents = bool((codes.latents == codes.latents[:1]).all())
    return same_latents and (codes.labels is None or bool((codes.labels == codes.labels[:1]).all()))
