"""What is measured of the directions of an analysis, all of it at codes that are moved and rendered once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from zoo._utils.progress import Progress
from zoo.analysis.resolved import ResolvedRequest
from zoo.core.codes import Codes
from zoo.core.directions import Directions
from zoo.editing.changes import ChangeMeter, Changes, Observer, render_ends
from zoo.editing.measured import ENTRY, MeasuredRecord
from zoo.editing.steps import choose_steps
from zoo.report.filmstrips import EndFrames, count_shown
from zoo.report.table import DirectionSummary
from zoo.scoring.appearance import Appearance, AppearanceMeter
from zoo.scoring.chance import FEWEST_CODES, needs_chance
from zoo.scoring.effects import Effect
from zoo.scoring.parts import ScorerImages, part_masks
from zoo.scoring.score import ScoreMeter
from zoo.scoring.scores import Scores

# Directions are measured at so many of the analysed codes, at most, and named at so many unseen ones, at least.
_MOST_OWN_CODES = 16
_FEWEST_CODES_FOR_NAMES = 32


@dataclass(frozen=True, kw_only=True, eq=False)
class Measures:
    """What was measured of the shown directions, all of it at the same steps.

    Attributes:
        steps: How far each direction was moved both ways (k,); None where nothing was measured.
        drawn: The unseen codes that were drawn, also where only names were asked of them; None for none.
        unseen_codes: The same where locality is measured on them and pictures show them, else None.
        own: What changes at the first of the analysed codes; None where nothing was measured.
        unseen: The same at the unseen codes.
        scores: The scores at the unseen codes; None where no scorer fits the model, or each that does failed.
        frames: The pictures of the codes that are shown, unedited and at both ends; empty where none are shown.
        appearances: What each direction does to pixels at the unseen codes, where no scorer fits.
    """

    steps: Tensor | None = None
    drawn: Codes | None = None
    unseen_codes: Codes | None = None
    own: Changes | None = None
    unseen: Changes | None = None
    scores: Scores | None = None
    frames: tuple[EndFrames, ...] = ()
    appearances: tuple[Appearance | None, ...] | None = None

    @property
    def typical(self) -> Changes | None:
        """What changes at unseen codes, or else at the analysed ones."""
        return self.unseen or self.own

    def summary(self, directions: Directions, index: int) -> DirectionSummary:
        """Summarise one direction.

        Args:
            directions: The directions that were measured.
            index: Which of them.

        Returns:
            A row of the table.
        """
        own, unseen = (
            changes.localities[index] if changes is not None and changes.localities else None
            for changes in (self.own, self.unseen)
        )
        redundancies = None if self.typical is None else self.typical.redundancies
        return DirectionSummary(
            label=directions.label(index),
            score=float(directions.scores[index]),
            retained=None if directions.retained is None else float(directions.retained[index]),
            step=None if self.steps is None else float(self.steps[index]),
            own=own,
            unseen=unseen,
            part=self.typical.part_localities[index] if self.typical and self.typical.part_localities else None,
            repeats=None if self.typical is None else self.typical.repeated_by(index),
            redundancy=None if redundancies is None else float(redundancies[index]),
            name=None if self.names is None else self.names[index],
        )

    @property
    def names(self) -> Sequence[Effect | Appearance | None] | None:
        """What each direction can be named after, by scorers or else by its pixels; None where nothing was asked."""
        return self.appearances if self.scores is None else [one.name for one in self.scores.directions]

    def as_json(self, seed: int) -> dict[str, Any]:
        """Return what the record of directions says of it.

        Args:
            seed: The seed that the unseen codes were drawn with.

        Returns:
            Plain values, by the names of the entries.
        """
        localities = {
            name: [] if changes is None else [locality.as_json() for locality in changes.localities]
            for name, changes in {"own": self.own, "unseen": self.unseen}.items()
        }
        if self.typical is not None and self.typical.part_localities:
            localities["part"] = [locality.as_json() for locality in self.typical.part_localities]
        return {
            "locality": localities,
            "repeats": None if self.typical is None else self.typical.repeats_as_json(),
            "redundancy": None if self.typical is None else self.typical.redundancy,
            "names": None if self.names is None else [None if one is None else one.as_json() for one in self.names],
            ENTRY: None if self.steps is None else MeasuredRecord.of(self.steps, self.drawn, seed).as_json(),
        }


def measure(resolved: ResolvedRequest, shown: Directions, *, pictures: bool, progress: Progress) -> Measures:
    """Move analysed and unseen codes along directions, and measure what changes.

    Nothing is rendered where nothing would show it: for the whole image, without scorers and pictures.

    Args:
        resolved: The request on an open model.
        shown: The directions (k).
        pictures: Whether pictures are shown.
        progress: Called while codes are moved.

    Returns:
        What was measured.
    """
    model, codes, region = resolved.model, resolved.codes, resolved.region
    drawn = _draw_unseen(resolved)
    unseen_codes = drawn if resolved.request.unseen else None
    if not len(shown) or (region.whole and not resolved.scorers and not pictures):
        return Measures(drawn=drawn, unseen_codes=unseen_codes)
    steps = choose_steps(model.adapter, codes, shown, region)
    counts = count_shown(codes, unseen_codes) if pictures else ()
    frames = [EndFrames(count, len(shown)) for count in counts if count]

    images = ScorerImages()
    part = part_masks(region.text, model.card, resolved.scorers, images)

    def changes(codes: Codes, what: str, *observers: Observer) -> Changes:
        meter = ChangeMeter(region, steps, part)
        what = f"measuring changes, {what} codes"
        render_ends(model, codes, shown, steps, [meter, *observers], progress=progress, what=what)
        return meter.result()

    # the whole image has no locality, so that only the pictures need analysed codes beside unseen ones
    count = 1 if region.whole and unseen_codes is not None else _MOST_OWN_CODES
    own = changes(codes[:count], "analysed", *frames[:1])
    if drawn is None:
        return Measures(steps=steps, own=own, frames=tuple(frames))
    scores = ScoreMeter(model, resolved.scorers, images)
    appearance = None if resolved.scorers else AppearanceMeter(region, len(shown))
    unseen = changes(drawn, "unseen", scores, *([appearance] if appearance else []), *frames[1:])
    return Measures(
        steps=steps,
        drawn=drawn,
        unseen_codes=unseen_codes,
        own=own,
        unseen=None if unseen_codes is None else unseen,
        scores=scores.result(shown, unseen, drawn, progress),
        frames=tuple(frames),
        appearances=None if appearance is None else appearance.result(),
    )


def _draw_unseen(resolved: ResolvedRequest) -> Codes | None:
    """Draw the unseen codes, at least 32 where names are suggested, and 64 where random directions are compared."""
    fewest = FEWEST_CODES if needs_chance(resolved.scorers) else _FEWEST_CODES_FOR_NAMES
    count = max(resolved.request.unseen, fewest if resolved.scorers else 0)
    return resolved.draw_unseen(count) if count else None
