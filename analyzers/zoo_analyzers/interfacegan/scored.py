"""Codes with scores: drawn, rendered and scored, or read from a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from zoo import Adapter, CheckpointError, Codes, CodesError, ContractError, Probe
from zoo.checkpoints import read_checkpoint
from zoo.core import as_rgb
from zoo_analyzers.interfacegan.options import InterFaceGANOptions

# What the keys of scores begin with in a file of labelled codes.
_PREFIX = "score/"

_NO_SCORER = "no installed scorer fits this model: install one, or pass -o labelled=FILE"


@dataclass(frozen=True, eq=False)
class DirectionScores:
    """Codes and the scores of their images, in float64 on the CPU.

    Attributes:
        latents: (n, dim) or (n, layers, dim).
        scores: (n, attributes); higher means more of the attribute.
        attributes: the names of the columns of `scores`.
        source: the name of the scorer or of the file.

    """

    latents: Tensor
    scores: Tensor
    attributes: tuple[str, ...]
    source: str


def draw_scored(adapter: Adapter, probe: Probe, options: InterFaceGANOptions) -> DirectionScores:
    """Draw codes with the truncation and, in turn, the classes of the probe's codes; render them and score the images.

    Args:
        adapter: the generator.
        probe: the codes to follow, the scorers that fit the model, and the generator of random numbers.
        options: the number of codes, the batch size and the scorer.

    Returns:
        The codes and their scores.

    Raises:
        CapabilityError: no scorer fits the model, or several do and none is named.
        UnknownNameError: the named scorer does not fit the model.
        ContractError: the scorer returns something other than finite scores.

    """
    name, scorer = probe.choose_scorer(options.scorer, _NO_SCORER)
    latents: list[Tensor] = []
    scores: list[Tensor] = []
    for done in range(0, options.draws, options.batch):
        probe.progress(done, options.draws, f"scoring images by {name}")
        count = min(options.batch, options.draws - done)
        codes = _draw(adapter, probe, count, done)
        with torch.no_grad():
            images = as_rgb(adapter.synthesize(codes).clamp(-1, 1))
            batch_scores = scorer.score(images).detach().cpu().double()
        shape = (count, len(scorer.attributes))
        if tuple(batch_scores.shape) != shape or not bool(torch.isfinite(batch_scores).all()):
            raise ContractError(f"the scorer {name} must return finite scores of shape {shape}")
        latents.append(codes.latents.cpu().double())
        scores.append(batch_scores)
    probe.progress(options.draws, options.draws, f"scoring images by {name}")
    return DirectionScores(torch.cat(latents), torch.cat(scores), tuple(scorer.attributes), name)


def _draw(adapter: Adapter, probe: Probe, count: int, start: int) -> Codes:
    """Draw codes number `start` and on; the classes of the probe's codes take turns."""
    codes = probe.codes
    labels = None
    if codes.labels is not None:
        labels = codes.labels.cpu()[torch.arange(start, start + count) % len(codes)]
    with torch.no_grad():
        return adapter.sample(count, probe.generator, labels, codes.truncation).to(adapter.device, adapter.dtype)


def read_scored(path: Path, adapter: Adapter) -> DirectionScores:
    """Read labelled codes.

    Args:
        path: a safetensors file with `latents`, and a tensor ``score/NAME`` (n,) for each attribute.
        adapter: the generator that the codes are of.

    Returns:
        The codes and their scores.

    Raises:
        CodesError: the file is missing, broken, or of another space.

    """
    try:
        tensors = read_checkpoint(path, bare=True).state
    except CheckpointError as error:
        raise CodesError(f"cannot read labelled codes: {error}") from None
    names = sorted(key for key in tensors if key.startswith(_PREFIX))
    if "latents" not in tensors or not names:
        raise CodesError(f"{path} holds no tensor 'latents', or none called 'score/NAME': labelled codes have both")
    latents = tensors["latents"].double()
    if tuple(latents.shape[1:]) != adapter.space.shape:
        raise CodesError(f"{path} holds codes of shape {tuple(latents.shape[1:])}, but the space is {adapter.space}")
    scores = [tensors[name].double() for name in names]
    if any(tuple(column.shape) != (len(latents),) for column in scores):
        raise CodesError(f"{path}: each score/NAME holds a number for each of the {len(latents)} codes")
    stacked = torch.stack(scores, dim=1)
    if not bool(torch.isfinite(latents).all()) or not bool(torch.isfinite(stacked).all()):
        raise CodesError(f"{path} holds numbers that are not finite")
    return DirectionScores(latents, stacked, tuple(name.removeprefix(_PREFIX) for name in names), path.name)
