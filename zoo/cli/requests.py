"""From options that several commands share to requests. torch is imported inside, never before."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zoo.editing.requests import CodesRequest, OpeningRequest


def opening_request(space: str | None, device: str, dtype: str, options: list[str] | None = None) -> OpeningRequest:
    """Make the request for a model of the options that say how it is opened."""
    from zoo.core.options import parse_pairs
    from zoo.editing.requests import OpeningRequest

    return OpeningRequest(space=space, device=device, dtype=dtype, options=parse_pairs(options or []))


def codes_request(
    codes: Path | None,
    codes_as: str | None,
    samples: int | None,
    seed: int | None,
    seeds: str | None,
    label: str | None,
    truncation: float | None,
    usual: int = 1,
) -> CodesRequest:
    """Make the request for codes of the options that say which; `usual` is how many are drawn otherwise."""
    from zoo.editing.requests import CodesRequest

    return CodesRequest(
        codes=codes,
        read_as=codes_as,
        samples=samples,
        seed=seed,
        seeds=seeds,
        label=label,
        truncation=truncation,
        usual=usual,
    )
