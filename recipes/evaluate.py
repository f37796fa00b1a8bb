"""Measure a model of avatars against images that it was not trained on.

    python -m recipes.evaluate MODEL --data DIR [--json FILE] [--sheet FILE.webp]

MODEL is a card's name or a weights file. Distances are taken between features of the attribute predictor (the scorer
`avatars`). Beside each measure stands the same one between two sets of real images, `val` and `test`: the best that a
model can reach.
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

# How many samples of a class are compared with one another, and how many a sheet shows.
SHOWN = 64

# Precision and recall count an image as covered within the distance of this neighbour (Kynkäänniemi et al., 2019).
NEIGHBOURS = 3

# How many training images samples are compared with, at most.
TRAINING = 20_000

# BigGAN's Fréchet distance must be at most so many times that of two real sets, plus 2.5, which is 1.3 % of the
# features' total variance.
HALVES = 4
FLOOR = 2.5

# A value counts as vanished if its share is less than this part of its share among real images.
VANISHED = 0.2

Array = NDArray[np.float64]


def frechet(one: Array, other: Array) -> float:
    """Compute the Fréchet distance of two sets of features (n, d), as normal distributions (Heusel et al., 2017)."""
    # |μ₁ − μ₂|² + tr(Σ₁ + Σ₂ − 2 (Σ₁ Σ₂)^½)
    means = one.mean(axis=0) - other.mean(axis=0)
    first = np.cov(one, rowvar=False)
    second = np.cov(other, rowvar=False)
    root = scipy.linalg.sqrtm(first @ second).real
    return float(means @ means + np.trace(first + second - 2 * root))


def covered(points: Array, by: Array, neighbours: int = NEIGHBOURS) -> float:
    """Return the share of points (n, d) that are covered by others (m, d): each covers up to its k-th neighbour.

    The share of samples that real images cover is their precision, that of real images that samples cover the recall.
    """
    radii = np.partition(_distances(by, by), neighbours, axis=1)[:, neighbours]
    return float((_distances(points, by) <= radii).any(axis=1).mean())


def nearest(points: Array, among: Array) -> Array:
    """Return the distance of each point (n, d) to the nearest of others (m, d)."""
    parts = np.array_split(points, 1 + len(points) // 500)
    return np.concatenate([_distances(part, among).min(axis=1) for part in parts])


def closest(images: Tensor) -> float:
    """Return the smallest root mean square difference between two of the images (n, 3, h, w)."""
    points = images.flatten(1).double().numpy()
    distances = _distances(points, points)
    np.fill_diagonal(distances, np.inf)
    return float(distances.min()) / float(points.shape[1] ** 0.5)


def _distances(one: Array, other: Array) -> Array:
    squares = (one**2).sum(axis=1)[:, None] + (other**2).sum(axis=1) - 2 * one @ other.T
    distances: Array = np.sqrt(np.maximum(squares, 0))
    return distances


def pixels(images: NDArray[np.uint8]) -> Tensor:
    """Convert images (n, h, w, 3) of uint8 to (n, 3, h, w) in [-1, 1]."""
    return to_images(torch.from_numpy(images))


def in_batches(function: Any, images: Tensor, size: int = 250) -> Tensor:
    """Apply a function to images in batches."""
    return torch.cat([function(batch) for batch in images.split(size)])


@torch.no_grad()
def draw(model: Model, count: int, seed: int, label: int | None = None) -> tuple[Tensor, Tensor | None]:
    """Draw images (count, 3, h, w), rounded to 8 bits, and their labels."""
    labels = None if label is None or not model.adapter.classes else torch.full((count,), label)
    codes = model.adapter.sample(count, torch.Generator().manual_seed(seed), labels)
    images = [model.adapter.synthesize(codes[start : start + 50]) for start in range(0, count, 50)]
    return ((torch.cat(images).clamp(-1, 1) + 1) * 127.5).round() / 127.5 - 1, codes.labels


def measure(model: Model, train: Avatars, val: Avatars, test: Avatars) -> dict[str, Any]:
    """Take every measure of a model, and, under ``real``, the same measures of `val` in its place."""
    scorer = AvatarsScorer()
    samples, labels = draw(model, len(test.images), seed=1)
    real = pixels(test.images)
    other_real = pixels(val.images)
    compared = min(len(train.images), TRAINING)
    training_features = _features(scorer, pixels(train.images[np.arange(compared) * len(train.images) // compared]))
    sample_values = predicted(scorer, samples)
    real_values = predicted(scorer, real)
    shares = {
        name: _shares(sample_values[name], real_values[name], values) for name, values in train.attributes.items()
    }
    measures: dict[str, Any] = {
        "samples": len(samples),
        **_compared(_features(scorer, samples), _features(scorer, real), training_features),
        "real": _compared(_features(scorer, other_real), _features(scorer, real), training_features),
        "shares": shares,
        "vanished": [
            f"{name}={value}" for name, pairs in shares.items() for value in pairs if _vanished(*pairs[value])
        ],
    }
    correct = None if labels is None else sample_values["style"] == labels
    measures["styles"] = {}
    for label, style in enumerate(train.attributes["style"]):
        style_measures = {"closest_real": closest(pixels(test.images[test.labels[:, 0] == label][:SHOWN]))}
        if model.adapter.classes and labels is not None and correct is not None:
            style_measures["recognized"] = float(correct[labels == label].float().mean())
            style_measures["closest"] = closest(draw(model, SHOWN, seed=2, label=label)[0])
        measures["styles"][style] = style_measures
    return measures


def predicted(scorer: AvatarsScorer, images: Tensor) -> dict[str, Tensor]:
    """Return the index of the likeliest value of each attribute, (n,), for images (n, 3, h, w)."""
    scores = in_batches(scorer.score, images)
    return {attribute.name: attribute.predicted(scores) for attribute in read_attributes({"avatars": scorer})}


def _features(scorer: AvatarsScorer, images: Tensor) -> Array:
    features: Array = in_batches(scorer.features, images).double().numpy()
    return features


def _compared(fake: Array, real: Array, training: Array) -> dict[str, Any]:
    """Compare features of samples with those of real images, and with those of the training images."""
    return {
        "frechet": frechet(fake, real),
        "precision": covered(fake, real),
        "recall": covered(real, fake),
        "nearest": _quantiles(nearest(fake, training)),
    }


def _vanished(share: float, real: float) -> bool:
    return share < VANISHED * real


def _shares(samples: Tensor, real: Tensor, values: Sequence[str]) -> dict[str, tuple[float, float]]:
    """Return the share of each value among the indices predicted for samples (n,) and for real images (n,)."""
    of_samples, of_real = (torch.bincount(index, minlength=len(values)) / len(index) for index in (samples, real))
    return {value: (float(of_samples[index]), float(of_real[index])) for index, value in enumerate(values)}


def _quantiles(distances: Array) -> dict[str, float]:
    return {f"{part:.0%}": float(np.quantile(distances, part)) for part in (0.0, 0.01, 0.1, 0.5)}


def main() -> None:
    """Measure a model, and print the measures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--sheet", type=Path)
    args = parser.parse_args()
    model = zoo.load(args.model)
    if args.sheet:
        images = draw(model, SHOWN, seed=0)[0]
        tiled(images, 8, enlarge=2 if images.shape[-1] > 32 else 3).save(args.sheet, lossless=True, method=6)
    measures = json.dumps(measure(model, *(read(args.data, split) for split in ("train", "val", "test"))), indent=1)
    if args.json:
        args.json.write_text(measures + "\n")
    print(measures)


if __name__ == "__main__":
    main()
