"""Measure a model of avatars against pictures that it was not trained on.

    python -m recipes.evaluate MODEL --data DIR [--json FILE] [--sheet FILE.webp]

MODEL is a card's name or a weights file. Distances are taken in the features of the attribute predictor (the scorer
`avatars`); beside each stands the same measure of two real halves, `val` and `test`, which no model can beat but by
chance.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import scipy.linalg
import torch
from numpy.typing import NDArray
from torch import Tensor
from zoo_scorers.avatars.scorer import Avatars as AvatarsScorer

import zoo
from recipes.avatars import Avatars, read
from recipes.pictures import tiled, to_images
from zoo.models.model import Model
from zoo.scoring.effects import read_attributes

SHOWN = 64
"""How many uncurated samples of a class are compared with one another, and how many a sheet shows."""
NEIGHBOURS = 3
"""Precision and recall call a picture near that is within this neighbour's distance (Kynkäänniemi et al., 2019)."""
HALVES, FLOOR = 4, 2.5
"""BigGAN's Fréchet distance is to be at most so many times that of two real halves, and this, which is 1.3 % of the
features' total variance."""
VANISHED = 0.2
"""A value is said to have vanished where it has less than this part of its share among real pictures."""

Array = NDArray[np.float64]


def frechet(one: Array, other: Array) -> float:
    """Compute the Fréchet distance of two sets of features (n, d), as normal distributions (Heusel et al., 2017)."""
    means = one.mean(axis=0) - other.mean(axis=0)
    first, second = np.cov(one, rowvar=False), np.cov(other, rowvar=False)
    root = scipy.linalg.sqrtm(first @ second).real
    return float(means @ means + np.trace(first + second - 2 * root))


def covered(points: Array, by: Array, neighbours: int = NEIGHBOURS) -> float:
    """Say which share of points (n, d) lies within the reach of others (m, d): each reaches its k-th neighbour.

    Of samples by real pictures it is their precision, of real pictures by samples their recall.
    """
    own = _distances(by, by)
    reach = np.partition(own, neighbours, axis=1)[:, neighbours]
    return float((_distances(points, by) <= reach).any(axis=1).mean())


def nearest(points: Array, among: Array) -> Array:
    """Give the distance of each point (n, d) to the nearest of others (m, d)."""
    parts = np.array_split(points, 1 + len(points) // 500)
    return np.concatenate([_distances(some, among).min(axis=1) for some in parts])


def closest(images: Tensor) -> float:
    """Give the smallest difference between two of the images (n, 3, h, w): the root of its mean square."""
    points = images.flatten(1).double().numpy()
    distances = _distances(points, points)
    np.fill_diagonal(distances, np.inf)
    return float(distances.min()) / float(points.shape[1] ** 0.5)


def _distances(one: Array, other: Array) -> Array:
    squares = (one**2).sum(axis=1)[:, None] + (other**2).sum(axis=1) - 2 * one @ other.T
    distances: Array = np.sqrt(np.maximum(squares, 0))
    return distances


def pixels(images: NDArray[np.uint8]) -> Tensor:
    """Bring pictures (n, h, w, 3) of uint8 to what networks make: (n, 3, h, w) in [-1, 1]."""
    return to_images(torch.from_numpy(images))


def in_batches(work: Any, images: Tensor, size: int = 250) -> Tensor:
    """Apply work to images, some at a time."""
    return torch.cat([work(some) for some in images.split(size)])


@torch.no_grad()
def draw(model: Model, count: int, seed: int, label: int | None = None) -> tuple[Tensor, Tensor | None]:
    """Draw images (count, 3, h, w), rounded to what a picture file holds, and their labels."""
    labels = None if label is None or not model.adapter.classes else torch.full((count,), label)
    codes = model.adapter.sample(count, torch.Generator().manual_seed(seed), labels)
    images = [model.adapter.synthesize(codes[start : start + 50]) for start in range(0, count, 50)]
    return ((torch.cat(images).clamp(-1, 1) + 1) * 127.5).round() / 127.5 - 1, codes.labels


def measure(model: Model, train: Avatars, val: Avatars, test: Avatars) -> dict[str, Any]:
    """Take every measure of a model, and, under ``real``, the same of `val` in its place."""
    scorer = AvatarsScorer()
    made, labels = draw(model, len(test.images), seed=1)
    real, also = pixels(test.images), pixels(val.images)
    seen = _features(scorer, pixels(train.images[:: max(1, len(train.images) // 20_000)]))
    ours, theirs = predicted(scorer, made), predicted(scorer, real)
    shares = {name: _shares(ours[name], theirs[name], values) for name, values in train.attributes.items()}
    found: dict[str, Any] = {
        "samples": len(made),
        **_compared(_features(scorer, made), _features(scorer, real), seen),
        "real": _compared(_features(scorer, also), _features(scorer, real), seen),
        "shares": shares,
        "vanished": [f"{name}={value}" for name, some in shares.items() for value in some if _vanished(*some[value])],
    }
    right = None if labels is None else ours["style"] == labels
    found["styles"] = {}
    for label, style in enumerate(train.attributes["style"]):
        own = {"closest_real": closest(pixels(test.images[test.labels[:, 0] == label][:SHOWN]))}
        if model.adapter.classes and labels is not None and right is not None:
            own["recognized"] = float(right[labels == label].float().mean())
            own["closest"] = closest(draw(model, SHOWN, seed=2, label=label)[0])
        found["styles"][style] = own
    return found


def predicted(scorer: AvatarsScorer, images: Tensor) -> dict[str, Tensor]:
    """Give the likeliest value of each attribute, by its place among those, for images (n, 3, h, w): (n,)."""
    scores = in_batches(scorer.score, images)
    return {one.name: one.predicted(scores) for one in read_attributes({"avatars": scorer})}


def _features(scorer: AvatarsScorer, images: Tensor) -> Array:
    found: Array = in_batches(scorer.features, images).double().numpy()
    return found


def _compared(fake: Array, real: Array, seen: Array) -> dict[str, Any]:
    """Compare features of samples with those of real pictures, and with what was seen in training."""
    return {
        "frechet": frechet(fake, real),
        "precision": covered(fake, real),
        "recall": covered(real, fake),
        "nearest": _quantiles(nearest(fake, seen)),
    }


def _vanished(share: float, real: float) -> bool:
    return share < VANISHED * real


def _shares(made: Tensor, real: Tensor, values: Sequence[str]) -> dict[str, tuple[float, float]]:
    """Give the share of each value among those predicted for samples (n,) and for real pictures (n,)."""
    ours, theirs = (torch.bincount(places, minlength=len(values)) / len(places) for places in (made, real))
    return {value: (float(ours[place]), float(theirs[place])) for place, value in enumerate(values)}


def _quantiles(distances: Array) -> dict[str, float]:
    return {f"{part:.0%}": float(np.quantile(distances, part)) for part in (0.0, 0.01, 0.1, 0.5)}


def main() -> None:
    """Measure a model and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--sheet", type=Path)
    asked = parser.parse_args()
    model = zoo.load(asked.model)
    if asked.sheet:
        tiled(draw(model, SHOWN, seed=0)[0], 8).save(asked.sheet, lossless=True, method=6)
    found = json.dumps(measure(model, *(read(asked.data, split) for split in ("train", "val", "test"))), indent=1)
    if asked.json:
        asked.json.write_text(found + "\n")
    print(found)


if __name__ == "__main__":
    main()
