"""Edited images: a sheet of them, a file each, and an animation."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path

from PIL import Image
from torch import Tensor

from zoo._utils.html_repr import facts_html, image_html
from zoo._utils.pixels import to_pixels
from zoo._utils.progress import Progress, silent
from zoo.core.codes import Codes, join
from zoo.core.moves import Move, Plan
from zoo.editing.move_list import move_codes
from zoo.editing.onto.carried import Onto
from zoo.editing.onto.writing import MOST_ANIMATED_MOVES, save_onto
from zoo.editing.render import MOST_BYTES, check_memory_limit, render, render_pixels
from zoo.editing.run_folder import new_run_folder, picture_name
from zoo.errors import OptionError
from zoo.imaging.animation import FRAMES_PER_SECOND, check_animation, draw_loop, frame_side, save_animation, to_frame
from zoo.imaging.background import InBackground
from zoo.imaging.contact_sheet import draw_pages, save_pages
from zoo.imaging.images import OutlinedImage, data_url, picture_side, save_picture
from zoo.models.model import Model
from zoo.models.rendering import render_batch_size

# How many pictures the sheets of an edit show.
MOST_PICTURES = 6_000

# How many pictures an animation shows: of at most 8 moves, and of at most 8 codes.
MOST_ANIMATED = 16
_MOST_ANIMATED_CODES = 8


@dataclass(frozen=True, eq=False)
class Edit:
    """Edited images, and what they are made from.

    Without `down`, each of `moves` is a row of images, one for each strength. With `down`, the strengths of `down` are
    the rows, those of the only one of `moves` the columns, and every image is moved along both.

    Attributes:
        codes: The codes, unmoved.
        moves: What the codes are moved along.
        strengths: The steps along each move.
        model: The model that renders them.
        down: The second move of a grid, or None.
        progress: Called after each batch of `images`.
        onto: The photograph that each code stands for, if the edit is carried over to photographs.
        region: Where the photographs may change; None is the regions that the directions were found for.
        command: The command line that writes the same again; None where it is not from one.
    """

    codes: Codes
    moves: tuple[Move, ...]
    strengths: tuple[float, ...]
    model: Model
    down: Move | None = None
    progress: Progress = silent
    onto: tuple[Onto, ...] = ()
    region: str | None = None
    command: str | None = None

    @property
    def plan(self) -> Plan:
        """What the codes are moved along."""
        return Plan(self.moves, self.strengths, self.down)

    @cached_property
    def images(self) -> Tensor:
        """Images (rows, codes, strengths, channels, h, w), never clamped; they are made when first asked for.

        Raises:
            OptionError: If they do not fit into memory; `save` needs no more than a page of them at a time.
            CheckpointError: If an image is not finite.
        """
        adapter, codes, strengths = self.model.adapter, self.codes, self.strengths
        numbers_each = adapter.channels * math.prod(adapter.resolution)
        fewer = "codes, directions or strengths"
        check_memory_limit(self.model, self._count, numbers_each * adapter.dtype.itemsize, fewer)
        plan = [self.plan.steps(row, column) for row in range(self.plan.rows) for column in range(len(strengths))]
        images = render(self.model, join([move_codes(self.model, codes, steps) for steps in plan]), self.progress)
        return images.view(-1, len(strengths), len(codes), *images.shape[1:]).transpose(1, 2)

    def save(
        self,
        folder: str | Path,
        *,
        each: bool = False,
        size: str | int | None = None,
        force: bool = False,
        video: str = "auto",
        frames: int = 50,
        fps: float = FRAMES_PER_SECOND,
        progress: Progress = silent,
    ) -> None:
        """Write a new folder: `sheet.png` (and further pages), `edit.gif`, `edit.mp4` and `codes.safetensors`.

        The animation moves the strength smoothly through its range and back; with `down`, it circles through both
        ranges. It shows at most 16 pictures: the first codes, moved along the first moves.

        With `each`, every picture is written to a PNG as well, in the size that the network draws, such as
        ``code-0000_direction-2_00_-3.png`` (the first strength, −3), or ``seed-0007_…`` where each code has another
        seed. Pictures are made and written one after the other, so that their number is not bounded by memory; of
        more than 6,000, the sheet shows the first.

        Args:
            folder: The folder to write.
            each: Write a PNG of every picture.
            size: Pixels of the longer side of each picture on the sheet and in the animation, or ``native`` for the
                size that the network draws. None is 128 to 256 pixels, and a frame of about 1024 at most.
            force: Replace an existing run folder.
            video: ``auto`` (a GIF, and an MP4 where imageio-ffmpeg is installed), ``none``, ``gif``, ``mp4`` or
                ``both``.
            frames: The number of frames, there and back.
            fps: Frames a second, 1 to 120; a GIF has at most 50.
            progress: Called while pictures are drawn and written.

        Raises:
            OptionError: If an argument is not one of the choices, the pictures are too many for a sheet and `each` is
                false, or the animation does not fit into memory.
            CheckpointError: If an image is not finite.
            OutputError: If the folder exists and may not be replaced, or cannot be written.
        """
        formats = check_animation(video, frames, fps)
        shown = self._rows_shown(each=each)
        self._check_frames(frames, size, formats)
        with new_run_folder(folder, force=force) as partial, InBackground() as background:
            rows = self._draw_rows(progress)
            if each:
                rows = self._saved(rows, partial, background)
            save_pages(partial, "sheet", self._pages(rows, shown, size))
            for _ in rows:  # beyond those that the sheet shows, for their files
                pass
            self.model.save_codes(partial / "codes.safetensors", self.codes, self.command)
            if formats:
                save_animation(partial, self._animation(frames, size, progress), formats, progress, fps)
            save_onto(partial, self, size=size, formats=formats, frames=frames, fps=fps, progress=progress)

    def __repr__(self) -> str:
        return (
            f"Edit({self._title()}: {len(self.codes)} codes, strengths {', '.join(map('{:g}'.format, self.strengths))})"
        )

    def _repr_html_(self) -> str:
        """Show a notebook the sheet's first page."""
        page = next(self._pages(self._draw_rows(silent), len(self._places()), None))
        return facts_html("Edit", {"of": self._title()}) + image_html(data_url(page), self._title())

    def _title(self) -> str:
        across = ", ".join(map(str, self.moves))
        return f"{self.model.name} along {across}{f' and {self.down}' if self.down else ''}"

    @property
    def _count(self) -> int:
        return self.plan.rows * len(self.codes) * len(self.strengths)

    @property
    def _block(self) -> int:
        """How many rows of the sheet stay together: a grid."""
        return 1 if self.down is None else len(self.strengths)

    def _places(self) -> list[tuple[int, int]]:
        """List the row and the code of each row of the sheet: a grid keeps the rows of a code together."""
        rows, codes = range(self.plan.rows), range(len(self.codes))
        if self.down is None:
            return [(row, code) for row in rows for code in codes]
        return [(row, code) for code in codes for row in rows]

    def _rows_shown(self, *, each: bool) -> int:
        """Return how many rows the sheet shows; refuse more than fit, unless pictures have files of their own."""
        if self._count <= MOST_PICTURES:
            return len(self._places())
        if not each:
            raise OptionError(
                f"a sheet has at most {MOST_PICTURES:,} pictures, and this edit {self._count:,}: take fewer codes, "
                "directions or strengths, or pass --each (from Python, each=True)"
            )
        return MOST_PICTURES // len(self.strengths) // self._block * self._block

    def _pages(self, rows: Iterator[list[OutlinedImage]], shown: int, size: str | int | None) -> Iterator[Image.Image]:
        places = self._places()
        return draw_pages(
            [self._row_name(row, code) for row, code in places[:shown]],
            islice(rows, shown),
            self.plan.headers,
            block=self._block,
            side=picture_side(size, max(self.model.adapter.resolution)),
            note=f"The first {shown:,} of {len(places):,} rows." if shown < len(places) else "",
        )

    def _row_name(self, row: int, code: int) -> str:
        return f"{self.plan.name_row(row)}\n{self.model.code_name(self.codes, code)}"

    def _draw_rows(self, progress: Progress) -> Iterator[list[OutlinedImage]]:
        """Make one row of the sheet after the other."""
        pictures = self._pictures(progress)
        for _ in self._places():
            yield [OutlinedImage(pixels) for pixels in islice(pictures, len(self.strengths))]
        progress(self._count, self._count, "images")

    def _saved(
        self, rows: Iterator[list[OutlinedImage]], folder: Path, background: InBackground
    ) -> Iterator[list[OutlinedImage]]:
        """Write the pictures of each row to files while the next ones are drawn."""
        for tiles, (row, code) in zip(rows, self._places(), strict=True):
            for column, tile in enumerate(tiles):
                background.start(save_picture, folder / self._file_name(row, code, column), tile.pixels)
            yield tiles

    def _pictures(self, progress: Progress) -> Iterator[Tensor]:
        """Render pixels (h, w, channels) in the order of the sheet, a batch at a time, or take them from `images`."""
        columns = range(len(self.strengths))
        if "images" in self.__dict__:
            yield from (to_pixels(self.images[row, code, column]) for row, code in self._places() for column in columns)
            return
        plan = [(code, self.plan.steps(row, column)) for row, code in self._places() for column in columns]
        size = render_batch_size(self.model.adapter)
        for start in range(0, len(plan), size):
            progress(start, len(plan), "images")
            batch = [move_codes(self.model, self.codes[code], steps) for code, steps in plan[start : start + size]]
            yield from render_pixels(self.model, join(batch))

    def _file_name(self, row: int, code: int, column: int) -> str:
        return picture_name(self.codes, code, *self.plan.name_file(row, column))

    def _animated(self) -> tuple[tuple[Move, ...], Codes]:
        moves = self.moves[:MOST_ANIMATED_MOVES]
        return moves, self.codes[: min(_MOST_ANIMATED_CODES, MOST_ANIMATED // len(moves))]

    def _check_frames(self, count: int, size: str | int | None, formats: Sequence[str]) -> None:
        """Refuse an animation that does not fit into memory: three bytes a pixel of a frame, and one more of a GIF."""
        moves, codes = self._animated()
        height, width = self.model.adapter.resolution
        side = frame_side(len(moves), len(codes), max(height, width), size)
        pixels = len(moves) * len(codes) * height * width * (side / max(height, width)) ** 2
        needed = pixels * (3 * self.plan.count_frames(count) + ("gif" in formats) * count)
        if formats and needed > MOST_BYTES:
            raise OptionError(
                f"--frames {count} with pictures of {side} pixels, {len(moves) * len(codes)} in a frame, are too many "
                "to hold in memory: take fewer frames or codes, a smaller --size, or --video none"
            )

    def _animation(self, count: int, size: str | int | None, progress: Progress) -> list[Image.Image]:
        """Render the frames of a loop."""
        moves, codes = self._animated()

        def draw(phase: float) -> Image.Image:
            moved = [move_codes(self.model, codes, self.plan.steps_at(phase, move)) for move in moves]
            pixels = render_pixels(self.model, join(moved))
            return to_frame(pixels.view(len(moved), len(codes), *pixels.shape[1:]), size)

        return draw_loop(draw, count, self.plan.count_frames(count), progress)
