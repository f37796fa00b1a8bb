"""Moving codes along directions and rendering what comes out."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from zoo.codes import Codes, join, resolve_layers
from zoo.directions import Directions
from zoo.errors import CheckpointError, DirectionsError, LayersError, OptionError
from zoo.files import whole_folder
from zoo.model import Model
from zoo.pictures import Tile, save_gif, save_grid, save_sheet, to_pixels
from zoo.progress import Progress, silent

_BATCH = 16


@dataclass(frozen=True, eq=False)
class Edit:
    """Edited images (directions, codes, strengths, 3, h, w), never clamped, and what they were made from."""

    images: Tensor
    codes: Codes
    indices: tuple[int, ...]
    strengths: tuple[float, ...]
    model: Model

    def save(self, folder: str | Path, *, force: bool = False) -> None:
        """Write `sheet.png` (a row for each direction and code), `edit.gif` and `codes.safetensors` into a new folder.

        Raises `OutputError`.
        """
        pixels = to_pixels(self.images)
        rows, names = [], []
        for place, index in enumerate(self.indices):
            for code in range(len(self.codes)):
                rows.append([Tile(image) for image in pixels[place, code]])
                names.append(f"direction {index}\ncode {code}")
        with whole_folder(Path(folder), force=force) as partial:
            save_sheet(partial / "sheet.png", rows, names, [f"{strength:+g}" for strength in self.strengths])
            save_gif(partial / "edit.gif", pixels.flatten(0, 1).transpose(0, 1))
            self.model.save_codes(partial / "codes.safetensors", self.codes)


def edit(
    model: Model,
    directions: Directions,
    *,
    codes: Codes | str | Path | None = None,
    samples: int = 4,
    seed: int = 0,
    label: int | str | None = None,
    truncation: float | None = None,
    indices: Sequence[int] = (0,),
    strengths: Sequence[float] = (-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0),
    layers: str | Sequence[int] | None = None,
    progress: Progress = silent,
) -> Edit:
    """Render codes moved along some of the directions, at several strengths (in units of the unit direction).

    Without `codes`, `samples` are drawn with `seed`. `layers` defaults to the rows that the directions were found for.
    Raises `DirectionsError` for directions of another space or an index that is not there, and `OptionError`.
    """
    space = model.adapter.space
    _check_directions(model, directions, indices)
    if not strengths or not all(abs(strength) < float("inf") for strength in strengths):
        raise OptionError("--strengths: at least one finite number is needed")
    if layers is not None and space.layers == 1:
        raise LayersError(f"--layers: {model.name} has a single row of {space}; leave it out")
    asked = resolve_layers(layers, space.layers)
    chosen = _chosen(model, codes) or model.sample(samples, seed, label=label, truncation=truncation)
    rows = asked if asked is not None else directions.layers
    moves = [
        model.adapter.move(chosen, _step(model, directions.vectors[index], strength), rows)
        for index in indices
        for strength in strengths
    ]
    images = render(model, join(moves), progress)
    shape = (len(indices), len(strengths), len(chosen), *images.shape[1:])
    return Edit(images.view(shape).transpose(1, 2), chosen, tuple(indices), tuple(strengths), model)


class OtherModelWarning(UserWarning):
    """Directions found in one model are used in another one whose space looks the same."""


def _check_directions(model: Model, directions: Directions, indices: Sequence[int]) -> None:
    space = model.adapter.space
    if directions.space != space and (directions.space.name != "unknown" or directions.space.dim != space.dim):
        raise DirectionsError(f"directions of {directions.space} cannot move codes of {space}")
    bad = [index for index in indices if not 0 <= index < len(directions)]
    if bad or not indices:
        raise DirectionsError(f"no direction {bad[0] if bad else ''}: the file holds 0 to {len(directions) - 1}")
    home = directions.provenance.get("weights_sha256")
    if home not in {None, model.weights_sha256}:
        other = directions.provenance.get("model", "another model")
        warnings.warn(
            f"these directions were found in {other}, from other weights than those of {model.name}",
            OtherModelWarning,
            stacklevel=3,
        )


def _chosen(model: Model, codes: Codes | str | Path | None) -> Codes | None:
    return codes if codes is None or isinstance(codes, Codes) else model.read_codes(Path(codes))


def save_samples(model: Model, codes: Codes, folder: Path, *, force: bool = False, progress: Progress = silent) -> None:
    """Write `samples.png` and `codes.safetensors` into a new folder. Raises `OutputError`."""
    pixels = to_pixels(render(model, codes, progress))
    with whole_folder(folder, force=force) as partial:
        save_grid(partial / "samples.png", pixels)
        model.save_codes(partial / "codes.safetensors", codes)


def render(model: Model, codes: Codes, progress: Progress = silent) -> Tensor:
    """Render codes in batches: (n, 3, h, w) on the CPU, without derivatives."""
    parts = []
    with torch.no_grad():
        for start in range(0, len(codes), _BATCH):
            progress(start, len(codes), "images")
            parts.append(model.adapter.synthesize(codes[start : start + _BATCH]).cpu())
    progress(len(codes), len(codes), "images")
    images = torch.cat(parts)
    if not bool(torch.isfinite(images).all()):
        raise CheckpointError(
            f"{model.name}: images are not finite: damaged weights, or --codes or --strengths too large"
        )
    return images


def _step(model: Model, vector: Tensor, strength: float) -> Tensor:
    return (strength * vector).to(model.adapter.device, model.adapter.dtype)
