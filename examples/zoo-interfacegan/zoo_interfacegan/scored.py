"""Codes with scores: from images that a scorer saw, or from a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from zoo import Adapter, CapabilityError, Codes, CodesError, ContractError, Probe, Scorer, unknown_name
from zoo_interfacegan.options import InterFaceGANOptions

_MARK = "score/"


@dataclass(frozen=True, eq=False)
class DirectionScores:
    """Latents (n, dim) or (n, layers, dim), and for each the scores (n, attributes); higher is more. On the CPU."""

    latents: Tensor
    scores: Tensor
    attributes: tuple[str, ...]
    source: str


def draw_scored(adapter: Adapter, probe: Probe, options: InterFaceGANOptions) -> DirectionScores:
    """Draw codes of the truncation and, in turn, the classes of the probe's codes, render them and score the images.

    Raises `CapabilityError` or `UnknownNameError` where there is no such scorer, `ContractError` for what is no score.
    """
    name, scorer = choose_scorer(probe, options.scorer)
    latents, scores = [], []
    for done in range(0, options.draws, options.batch):
        probe.progress(done, options.draws, f"scoring images by {name}")
        count = min(options.batch, options.draws - done)
        codes = _draw(adapter, probe, count, done)
        with torch.no_grad():
            images = adapter.synthesize(codes).clamp(-1, 1)
            found = scorer.score(images).detach().cpu().double()
        if tuple(found.shape) != (count, len(scorer.attributes)) or not bool(torch.isfinite(found).all()):
            raise ContractError(f"the scorer {name} must give finite scores ({count}, {len(scorer.attributes)})")
        latents.append(codes.latents.cpu().double())
        scores.append(found)
    probe.progress(options.draws, options.draws, f"scoring images by {name}")
    return DirectionScores(torch.cat(latents), torch.cat(scores), tuple(scorer.attributes), name)


def choose_scorer(probe: Probe, name: str | None) -> tuple[str, Scorer]:
    """Take the scorer of a name, or the only one there is."""
    fitting = probe.scorers
    if not fitting:
        raise CapabilityError("no installed scorer fits this model: install one, or pass -o labelled=FILE")
    if name is None and len(fitting) > 1:
        raise CapabilityError(f"several scorers fit this model: choose one with -o scorer=, of {', '.join(fitting)}")
    chosen = name or next(iter(fitting))
    if chosen not in fitting:
        raise unknown_name("scorer that fits this model", chosen, fitting)
    return chosen, fitting[chosen]


def _draw(adapter: Adapter, probe: Probe, count: int, place: int) -> Codes:
    codes, labels = probe.codes, None
    if codes.labels is not None:
        labels = codes.labels.cpu()[torch.arange(place, place + count) % len(codes)]
    with torch.no_grad():
        return adapter.sample(count, probe.generator, labels, codes.truncation).to(adapter.device, adapter.dtype)


def read_scored(path: Path, adapter: Adapter) -> DirectionScores:
    """Read labelled codes: `latents` as the space has them, and a tensor ``score/NAME`` (n,) for each attribute.

    Raises `CodesError` for a file that is missing, broken, or of another space.
    """
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise CodesError(f"cannot read labelled codes from {path}: {' '.join(str(error).split())}") from None
    names = sorted(key for key in tensors if key.startswith(_MARK))
    if "latents" not in tensors or not names:
        raise CodesError(f"{path} holds no tensor 'latents', or none called 'score/NAME': labelled codes have both")
    latents = tensors["latents"].double()
    if tuple(latents.shape[1:]) != adapter.space.shape:
        raise CodesError(f"{path} holds codes of shape {tuple(latents.shape[1:])}, but the space is {adapter.space}")
    scores = [tensors[name].double() for name in names]
    if any(tuple(one.shape) != (len(latents),) for one in scores):
        raise CodesError(f"{path}: each score/NAME holds a number for each of the {len(latents)} codes")
    stacked = torch.stack(scores, dim=1)
    if not bool(torch.isfinite(latents).all()) or not bool(torch.isfinite(stacked).all()):
        raise CodesError(f"{path} holds numbers that are not finite")
    return DirectionScores(latents, stacked, tuple(name.removeprefix(_MARK) for name in names), path.name)
