"""From what the page asks for to codes: drawn or read, moved, and in batches that a network takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from zoo.core.codes import Codes, join
from zoo.core.moves import Move
from zoo.editing.move_list import move_codes
from zoo.editing.render import render, render_pixels
from zoo.studio.bodies import Code, Step
from zoo.studio.shown.opened import OpenModel, Origin


@dataclass(frozen=True)
class Along:
    """One step of a code along a direction of a file; `layers` are the rows that are moved, None for its own."""

    path: Path
    index: int
    strength: float
    layers: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Scene:
    """What pictures show: codes, all of them moved in the same way.

    Attributes:
        codes: Where each code comes from.
        moves: What all of them are moved along.
    """

    codes: tuple[Origin, ...]
    moves: tuple[Along, ...] = ()

    def unmoved(self) -> Scene:
        """Return the same codes, unmoved."""
        return Scene(self.codes)


def origin_of(code: Code, find: Callable[[str], Path]) -> Origin:
    """Read where a code comes from.

    Args:
        code: The code.
        find: Finds the file of an upload.

    Returns:
        The origin.
    """
    path = None if code.upload is None else find(code.upload)
    return Origin(code.seed if path is None else None, path, code.index, code.label, code.truncation)


def along_of(step: Step, find: Callable[[str], Path]) -> Along:
    """Read a step.

    Args:
        step: The step.
        find: Finds the directions of a result.

    Returns:
        The same, with the path of its file.
    """
    return Along(find(step.result), step.index, step.strength, step.layers)


def moves_of(opened: OpenModel, moves: Sequence[Along]) -> list[tuple[Move, float]]:
    """Make the moves of some steps, as `zoo.editing.move_list.move_codes` takes them.

    Args:
        opened: The model.
        moves: The steps; those of strength 0 are left out.

    Returns:
        Moves, each with its step.
    """
    steps = []
    for along in moves:
        if along.strength:
            move = opened.directions(along.path).move(along.index, along.strength)
            steps.append((move if along.layers is None else move.in_layers(along.layers), 1.0))
    return steps


def batches(opened: OpenModel, scene: Scene) -> list[tuple[list[int], Codes]]:
    """Take the codes of a scene and move them, in batches that can be joined.

    Args:
        opened: The model.
        scene: The scene.

    Returns:
        For each batch the places of its codes in the scene, and the codes.
    """
    steps = moves_of(opened, scene.moves)
    places: dict[tuple[float | None, bool], list[int]] = {}
    drawn = [opened.code(origin) for origin in scene.codes]
    for place, code in enumerate(drawn):
        places.setdefault((code.truncation, code.labels is None), []).append(place)
    return [
        (group, move_codes(opened.model, join([drawn[place] for place in group]), steps)) for group in places.values()
    ]


def draw_pixels(opened: OpenModel, scene: Scene) -> Tensor:
    """Render a scene to pixels.

    Args:
        opened: The model.
        scene: The scene.

    Returns:
        (n, h, w, channels), uint8, in the order of the codes.
    """
    return _in_order([(group, render_pixels(opened.model, codes)) for group, codes in batches(opened, scene)])


def draw_images(opened: OpenModel, scene: Scene) -> Tensor:
    """Render a scene to numbers.

    Args:
        opened: The model.
        scene: The scene.

    Returns:
        (n, channels, h, w), nominally in [-1, 1], in the order of the codes.
    """
    return _in_order([(group, render(opened.model, codes)) for group, codes in batches(opened, scene)])


def _in_order(parts: list[tuple[list[int], Tensor]]) -> Tensor:
    if len(parts) == 1:
        return parts[0][1]
    order = [place for group, _ in parts for place in group]
    joined = torch.cat([images for _, images in parts])
    return joined[torch.tensor(order).argsort()]
