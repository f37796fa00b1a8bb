"""Scores of directions, as a table, as plain values and as files."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from zoo._utils.html_repr import facts_html, plain, table_html
from zoo.core.channels import SEEN_AS
from zoo.editing.locality import Locality
from zoo.editing.run_folder import new_run_folder
from zoo.scoring.dci import DCI, measure_dci
from zoo.scoring.effects import Attribute, Effect, ranked, strongest

FORMAT = "zoo-scores/1"


@dataclass(frozen=True)
class DirectionScores:
    """What one direction changes.

    Attributes:
        label: How tables name it, as in the table of its analysis.
        step: How far it was moved each way.
        effects: Its effect on each attribute.
        inside: The mean squared change of pixels within the region, over both ends and all codes, for images in
            [-1, 1].
        outside: The same beyond the region; None where that is the whole image.
        locality: How local the change is, with an interval; None where the region is the whole image.
        changes: For each column of the scorers, the mean over codes of the score at +step minus that at −step.
        redundancy: The mean |cosine| of its changes of the image and those of the others; None for one direction.
        part: How local the change is to the part of each image that the region is named after; None where no scorer
            knows it.
    """

    label: str
    step: float
    effects: tuple[Effect, ...]
    inside: float
    outside: float | None
    locality: Locality | None
    changes: tuple[float, ...]
    redundancy: float | None = None
    part: Locality | None = None

    @property
    def name(self) -> Effect | None:
        """The effect that the direction can be named after, None where none is clear."""
        return strongest(self.effects)

    @property
    def second(self) -> Effect | None:
        """The effect that would come next, or the strongest one where the direction has no name."""
        others = [effect for effect in ranked(self.effects) if effect is not self.name]
        return next(iter(others), None)


@dataclass(frozen=True)
class Scores:
    """Scores of directions; see the page Scores.

    Attributes:
        model: The name of the model.
        found_by: Where the directions came from; may be empty.
        region: The text of the region that changes of pixels are measured in.
        samples: The number of codes.
        attributes: The attributes of all scorers.
        columns: The columns of all scorers, in the order of `DirectionScores.changes`.
        chance: For each attribute, the share of pairs of unedited images that differ in it; None if it is not
            categorical.
        directions: The scores of each direction.
        channels: How many channels the images have; scorers always see RGB (`zoo.core.as_rgb`).
        command: The command line that repeats the scoring; None where it is not from one.
    """

    model: str
    found_by: str
    region: str
    samples: int
    attributes: tuple[Attribute, ...]
    columns: tuple[str, ...]
    chance: tuple[float | None, ...]
    directions: tuple[DirectionScores, ...]
    channels: int = 3
    command: str | None = None

    @cached_property
    def dci(self) -> DCI:
        """Disentanglement, completeness and coverage of the strengths of all effects."""
        return measure_dci(torch.tensor([[one.strength for one in row.effects] for row in self.directions]))

    @property
    def against_random(self) -> bool:
        """Whether a scorer's effects are compared with those of random directions."""
        return any(attribute.against_random for attribute in self.attributes)

    @property
    def redundancy(self) -> float | None:
        """The mean |cosine| of the changes of two directions, from end to end; None for one direction."""
        values = [one.redundancy for one in self.directions if one.redundancy is not None]
        return sum(values) / len(values) if values else None

    def table(self) -> tuple[list[str], list[list[str]]]:
        """Lay out the scores as a table of text.

        Returns:
            The columns, and the rows: one for each direction, then completeness and chance of the attributes.
        """
        whole = self.directions[0].outside is None
        several_scorers = len({attribute.scorer for attribute in self.attributes}) > 1
        shown = self._tabled
        names = [
            f"{one.scorer}: {one.name}" if several_scorers else one.name
            for one in (self.attributes[index] for index in shown)
        ]
        pixels = ["change"] if whole else ["change inside", "locality"]
        pixels += ["locality, part"] if self.directions[0].part is not None else []
        columns = ["direction", "step", *names, *pixels, "redundancy", "disentanglement", "suggested name"]
        rows = [self._row(index) for index in range(len(self.directions))]
        blank = [""] * (len(columns) - 2 - len(names))
        rows.append(["completeness", "", *(_two_decimals(self.dci.by_attribute[index]) for index in shown), *blank])
        if any(value is not None for value in self.chance):
            rows.append(["by chance", "", *(_two_decimals(self.chance[index]) for index in shown), *blank])
        return columns, rows

    @cached_property
    def _tabled(self) -> list[int]:
        """The attributes that have a column: of words, which are many, those that a direction's name or second says."""
        told = {one.attribute for row in self.directions for one in (row.name, row.second) if one is not None}
        return [index for index, one in enumerate(self.attributes) if not one.against_random or one.name in told]

    def _row(self, index: int) -> list[str]:
        row = self.directions[index]
        return [
            row.label,
            f"{row.step:.3g}",
            *(row.effects[shown].text() for shown in self._tabled),
            _two_digits(row.inside),
            *(one.text() for one in (row.locality, row.part) if one is not None),
            _two_decimals(row.redundancy),
            _two_decimals(self.dci.by_direction[index]),
            _named(row),
        ]

    def facts(self) -> dict[str, str]:
        """Summarise what was scored, and the measures of the whole table.

        Returns:
            A text for each fact, by its name.
        """
        measures = [
            f"disentanglement {_two_decimals(self.dci.disentanglement)}",
            f"completeness {_two_decimals(self.dci.completeness)}",
            f"coverage {_two_decimals(self.dci.coverage)}",
            f"redundancy {_two_decimals(self.redundancy)}",
        ]
        return {
            "model": self.model,
            "directions": self.found_by or "unknown",
            "measured": f"at {self.samples} codes, region {self.region}",
            **({"images": SEEN_AS[self.channels]} if self.channels in SEEN_AS else {}),
            "as a whole": ", ".join(measures),
        }

    def names_as_json(self) -> list[dict[str, Any] | None]:
        """Return the suggested names as plain values.

        Returns:
            The name of each direction; None where no effect is clear.
        """
        return [None if row.name is None else row.name.as_json() for row in self.directions]

    def as_json(self) -> dict[str, Any]:
        """Return everything as plain values.

        Returns:
            The content of `scores.json`.
        """
        return {
            "format": FORMAT,
            "model": self.model,
            "found_by": self.found_by,
            "region": self.region,
            "samples": self.samples,
            "channels": self.channels,
            "command": self.command,
            "attributes": [
                {
                    "name": one.name,
                    "scorer": one.scorer,
                    "values": list(one.values),
                    "chance": chance,
                    "completeness": completeness,
                }
                for one, chance, completeness in zip(self.attributes, self.chance, self.dci.by_attribute, strict=True)
            ],
            "directions": [
                {
                    "direction": one.label,
                    "step": one.step,
                    "name": name,
                    "second": None if one.second is None else one.second.as_json(),
                    "effects": [effect.as_json() for effect in one.effects],
                    "inside": one.inside,
                    "outside": one.outside,
                    "locality": None if one.locality is None else one.locality.as_json(),
                    "locality_in_part": None if one.part is None else one.part.as_json(),
                    "redundancy": one.redundancy,
                    "disentanglement": disentanglement,
                    "changes": dict(zip(self.columns, one.changes, strict=True)),
                }
                for one, name, disentanglement in zip(
                    self.directions, self.names_as_json(), self.dci.by_direction, strict=True
                )
            ],
            "disentanglement": self.dci.disentanglement,
            "completeness": self.dci.completeness,
            "coverage": self.dci.coverage,
            "redundancy": self.redundancy,
        }

    def markdown(self) -> str:
        """Write the facts and the table as Markdown.

        Returns:
            The text.
        """
        columns, rows = self.table()
        lines = [columns, ["---"] * len(columns), *rows]
        facts = "\n".join(f"- {name}: {_escaped(text)}" for name, text in self.facts().items())
        return facts + "\n\n" + "\n".join(f"| {' | '.join(map(_escaped, line))} |" for line in lines) + "\n"

    def save(self, folder: str | Path, *, force: bool = False) -> None:
        """Write a new folder: `scores.json` and `scores.md`.

        Args:
            folder: The folder to write.
            force: Replace an existing run folder.

        Raises:
            OutputError: If the folder exists and may not be replaced, or cannot be written.
        """
        with new_run_folder(folder, force=force) as partial:
            (partial / "scores.json").write_text(json.dumps(self.as_json(), indent=2, allow_nan=False), "utf-8")
            (partial / "scores.md").write_text(self.markdown(), encoding="utf-8", errors="replace")

    def __repr__(self) -> str:
        names = ", ".join(map(_named, self.directions))
        return f"Scores({len(self.directions)} directions of {self.model}: {names})"

    def _repr_html_(self) -> str:
        """Show a notebook the facts and the table."""
        return facts_html("Scores", self.facts()) + table_html(*self.table())


def _named(row: DirectionScores) -> str:
    """Write a suggested name with its strength, such as ``hair colour, 0.82``.

    Where effects are compared with those of random directions, the second best is told too.
    """
    name, second = row.name, row.second
    if (name or second) is None or (name or second).z is None:  # type: ignore[union-attr]
        return "–" if name is None else f"{name}, {name.strength:.2f}"
    after = "" if second is None or second.z is None else f"{second}, {second.text()}"
    if name is None:
        return f"no name; nearest: {after}"
    return f"{name}, {name.text()}" + (f"; then {after}" if after else "")


def _two_decimals(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _two_digits(value: float) -> str:
    return f"{value:.2g}"


def _escaped(text: str) -> str:
    return plain(text).replace("|", "\\|")
