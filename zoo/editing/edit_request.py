"""An edit in the words of the command line, from the texts of its moves to its folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

from zoo._utils.lookups import is_file
from zoo._utils.progress import Progress, silent
from zoo.core.codes import Codes
from zoo.core.files.arrays import DIRECTIONS
from zoo.editing.edit import USUAL_CODES, check_region, edit
from zoo.editing.move_syntax import MoveSpec, arrange, parse_move_spec, read_moves
from zoo.editing.onto.record import find_photographs
from zoo.editing.render import reduced_note
from zoo.editing.requests import USUAL_OPENING, CodesRequest, OpeningRequest, codes_command
from zoo.editing.run_folder import (
    Written,
    claimed_run_folder,
    short_file_name,
    short_model_name,
    usual_run_folder,
)
from zoo.errors import OptionError
from zoo.imaging.animation import FRAMES_PER_SECOND, check_animation
from zoo.imaging.images import picture_side
from zoo.models.model import Model
from zoo.registry.registry import Installation

# How many of a run folder's own codes an edit shows.
MOST_CODES_OF_A_RUN = 4


@dataclass(frozen=True, kw_only=True, eq=False)
class EditRequest:
    """An edit in the words of the command line.

    Attributes:
        model: The name of a card, or the path of a weights file.
        directions: ``FILE`` or ``FILE:terms`` for each file; see `zoo.editing.move_syntax`.
        opening: How the model is opened.
        index: The terms of a file that is given without any.
        together: Move along all directions at once.
        grid: Move along the first direction across and along the second down.
        strengths: Steps along the unit direction, with commas between.
        layers: The rows of the code that are moved; None is those that each direction was found for.
        video: The animations to write; see `Edit.save`.
        frames: The number of frames of an animation.
        fps: Frames a second.
        each: Write a PNG of every picture in the size that the network draws.
        size: The size of pictures on the sheet and in the animation; see `Edit.save`.
        codes: The codes to move. Where nothing says which, and the first of `directions` is a run folder, its own first
            codes are moved.
        read_as: How to read arrays of directions; see `Directions.load`.
        onto: Photographs of a projection that the edit is carried over to; `codes` are then that projection's.
        region: Where they may change; None is the region that the directions were found for.
        out: The folder to write; None is one under ``runs/``.
        force: Replace an existing run folder.
    """

    model: str
    directions: Sequence[str]
    opening: OpeningRequest = USUAL_OPENING
    index: str = "0"
    together: bool = False
    grid: bool = False
    strengths: str = "-3,-2,-1,0,1,2,3"
    layers: str | None = None
    video: str = "auto"
    frames: int = 50
    fps: float = FRAMES_PER_SECOND
    each: bool = False
    size: str | None = None
    codes: CodesRequest = field(default_factory=lambda: CodesRequest(usual=USUAL_CODES))
    read_as: str | None = None
    onto: Sequence[Path] = ()
    region: str | None = None
    out: Path | None = None
    force: bool = False

    def run(self, installation: Installation, progress: Progress = silent) -> Written:
        """Open the model, make the edit, and write its folder.

        Args:
            installation: The plugins and the registry.
            progress: Called while the work goes on.

        Returns:
            What was written.

        Raises:
            ZooError: Whatever is wrong with the request. What its words alone show is refused before anything is
                fetched.
        """
        specs = [parse_move_spec(text, self.index) for text in self.directions]
        folder = self.out or self._usual_folder(specs)
        with claimed_run_folder(folder, force=self.force):
            return self._write(folder, specs, installation, progress)

    def _write(
        self, folder: Path, specs: Sequence[MoveSpec], installation: Installation, progress: Progress
    ) -> Written:
        strengths = parse_numbers("--strengths", self.strengths)
        formats = check_animation(self.video, self.frames, self.fps)
        picture_side(self.size, 1)
        self.codes.check()
        DIRECTIONS.check_reading(self.read_as)
        check_region(self.region, self.onto)
        photographs = find_photographs(self.codes.codes, self.onto)
        model = self.opening.open(self.model, installation, progress)
        moves = read_moves(specs, model.adapter.space, self.read_as)
        across, down = arrange(moves, together=self.together, grid=self.grid)
        result = edit(
            model,
            across,
            down=down,
            codes=self.codes.codes if photographs else self._take_codes(model, specs[0].path),
            label=self.codes.label if photographs else None,
            strengths=strengths,
            layers=self.layers,
            onto=photographs,
            region=self.region,
            progress=progress,
        )
        replace(result, command=self._command(model)).save(
            folder,
            each=self.each,
            size=self.size,
            force=self.force,
            video=self.video,
            frames=self.frames,
            fps=self.fps,
            progress=progress,
        )
        shown = " and ".join([*(() if self.each else ("sheet.png",)), *(f"edit.{one}" for one in formats)])
        return Written(folder, reduced_note(model, shown, self.size) if shown else ())

    def _command(self, model: Model) -> str | None:
        names = ("index", "together", "grid", "strengths", "layers", "region", "video", "frames", "fps", "each", "size")
        words = {**{name: getattr(self, name) for name in names}, "as": self.read_as}
        usual = {field.name: field.default for field in fields(self) if field.name in words}
        command = ["zoo", "edit", model.opening.name, *self.directions, *(f"--onto={path}" for path in self.onto)]
        return codes_command(command, self.codes, words, usual, model)

    def _usual_folder(self, specs: Sequence[MoveSpec]) -> Path:
        names = "+".join(dict.fromkeys(spec.title for spec in specs))
        choices = {
            "layers": self.layers,
            **{name: getattr(self, name) or None for name in ("together", "grid", "each")},
            **{name: getattr(self, name) for name in ("strengths", "region", "video", "frames", "fps", "size")},
            "as": self.read_as,
            "onto": [short_file_name(path) for path in self.onto] or None,
            **self.codes.choices(),
            **self.opening.choices(),
        }
        usual = {field.name: field.default for field in fields(self)}
        return usual_run_folder((short_model_name(self.model), "edit", names), choices, usual)

    def _take_codes(self, model: Model, first: Path) -> Codes:
        """Read or draw the codes; `first` is the first file of directions."""
        own = first / "codes.safetensors"
        if not self.codes.given and is_file(own):
            self.codes.refuse_truncation("those of the run (--samples draws others)")
            return model.read_codes(own, label=self.codes.label)[:MOST_CODES_OF_A_RUN]
        return self.codes.take(model)


def parse_numbers(option: str, text: str) -> list[float]:
    """Read numbers with commas between.

    Args:
        option: The option that the text was given to, for the message.
        text: The text.

    Returns:
        The numbers.

    Raises:
        OptionError: If a part of the text is not a number.
    """
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise OptionError(f"{option} {text}: write numbers with commas between, such as 0,2") from None
