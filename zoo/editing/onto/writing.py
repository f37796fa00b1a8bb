"""Writing photographs that an edit was carried over to: in their own size, on sheets, and as animations."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from zoo._utils.progress import Progress
from zoo.core.codes import Codes, join
from zoo.core.moves import Move
from zoo.editing.move_list import move_codes
from zoo.editing.onto.carried import Onto, changes
from zoo.imaging.animation import draw_loop, save_animation, to_frame
from zoo.imaging.contact_sheet import draw_pages, save_pages
from zoo.imaging.images import NATIVE, OutlinedImage, picture_side, write_png

if TYPE_CHECKING:
    from zoo.editing.edited import Edit

# Pixels of the longer side of a photograph in an animation, unless a size is asked for.
_USUAL_SIDE = 512
# How many moves an animation shows.
MOST_ANIMATED_MOVES = 8


def save_onto(
    folder: Path,
    edit: Edit,
    *,
    size: str | int | None,
    formats: Sequence[str],
    frames: int,
    fps: float,
    progress: Progress,
) -> None:
    """Write, for each photograph: a PNG of every edit in the photograph's own size, a sheet, and animations.

    Args:
        folder: The folder to write to.
        edit: The edit, with a photograph for each code.
        size: The size of photographs on the sheet and in the animation; see `Edit.save`.
        formats: The animations, of ``gif`` and ``mp4``.
        frames: The number of frames.
        fps: Frames a second.
        progress: Called while photographs are written.
    """
    for index, onto in enumerate(edit.onto):
        stem = _stem(index, onto.name)
        longer = max(onto.photograph.size)
        rows = _draw_rows(folder / stem, edit, index, picture_side(size, longer), progress)
        names = [f"{edit.plan.name_row(row)}\n{onto.name}" for row in range(edit.plan.rows)]
        save_pages(folder, stem, draw_pages(names, rows, edit.plan.headers, side=picture_side(size, longer)))
        if formats:
            side = longer if size == NATIVE else int(size or _USUAL_SIDE)
            pictures = _animation(edit, index, onto.reduced(side), frames, progress)
            save_animation(folder, pictures, formats, progress, fps, stem=stem)


def _stem(index: int, name: str) -> str:
    """Name the files of a photograph: by its place, and by its own name as far as that is plain."""
    return f"onto-{index:02}-{re.sub(r'[^A-Za-z0-9]+', '-', Path(name).stem)[:60].strip('-')}".rstrip("-")


def _draw_rows(start: Path, edit: Edit, index: int, side: int, progress: Progress) -> Iterator[list[OutlinedImage]]:
    """Write the photographs of one row after the other, and yield them reduced for the sheet."""
    onto = edit.onto[index]
    total = edit.plan.rows * len(edit.strengths)
    for row in range(edit.plan.rows):
        steps = [edit.plan.steps(row, column) for column in range(len(edit.strengths))]
        tiles = []
        for column, change in enumerate(_changes(edit, index, steps)):
            progress(row * len(steps) + column, total, "photographs")
            picture = onto.frame.carry(onto.photograph, change)
            parts = (start.name, *edit.plan.name_file(row, column))
            write_png(picture, start.with_name("_".join(parts) + ".png"))
            picture.thumbnail((side, side), Image.Resampling.BOX)
            tiles.append(OutlinedImage(torch.from_numpy(np.array(picture))))
        yield tiles
    progress(total, total, "photographs")


def _animation(edit: Edit, index: int, onto: Onto, count: int, progress: Progress) -> list[Image.Image]:
    """Draw the frames of a loop: a move below the other."""

    def draw(phase: float) -> Image.Image:
        steps = [edit.plan.steps_at(phase, move) for move in edit.moves[:MOST_ANIMATED_MOVES]]
        pictures = [onto.frame.carry(onto.photograph, change) for change in _changes(edit, index, steps)]
        pixels = torch.stack([torch.from_numpy(np.array(picture)) for picture in pictures])
        return to_frame(pixels[:, None], NATIVE)

    return draw_loop(draw, count, edit.plan.count_frames(count), progress)


def _changes(edit: Edit, index: int, steps: Sequence[Sequence[tuple[Move, float]]]) -> Tensor:
    code: Codes = edit.codes[index : index + 1]
    edited = join([move_codes(edit.model, code, along) for along in steps])
    return changes(edit.model, code, edited, [[move for move, _ in along] for along in steps], edit.region)
