"""What scorers say of some directions, as a table, as plain values and as files."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from zoo._utils.files import atomic_folder
from zoo._utils.html_repr import facts_html, plain, table_html
from zoo.scoring.dci import Disentanglement, disentangle
from zoo.scoring.effects import Attribute, Effect, strongest

FORMAT = "zoo-scores/1"


@dataclass(frozen=True)
class DirectionScores:
    """One direction: how far it was moved each way, what it does to each attribute, and how it changes the picture.

    `inside` and `outside` are the mean squared changes of pixels within the region and beyond it, over both ends and
    all codes, for images in [-1, 1]; `outside` is None where the region is the whole image. `changes` are the means
    over codes of every score at +step less that at −step, as the scorer gives it, column by column.
    """

    step: float
    effects: tuple[Effect, ...]
    inside: float
    outside: float | None
    changes: tuple[float, ...]

    @property
    def name(self) -> Effect | None:
        """The effect that the direction can be named after, None where none is clear."""
        return strongest(self.effects)


@dataclass(frozen=True)
class Scores:
    """What scorers say of directions of `model`, measured at `samples` codes; see the page Scores.

    `found_by` says where the directions came from; `region` is the text of the region that changes of pixels are
    measured in. For each of `attributes`, `chance` has the share of pairs of unedited images that differ in it, None
    where it is no categorical one. `columns` are the scorers' own, in the order of `DirectionScores.changes`.
    """

    model: str
    found_by: str
    region: str
    samples: int
    attributes: tuple[Attribute, ...]
    columns: tuple[str, ...]
    chance: tuple[float | None, ...]
    directions: tuple[DirectionScores, ...]

    @cached_property
    def disentanglement(self) -> Disentanglement:
        """Disentanglement, completeness and coverage of the strengths of all effects."""
        return disentangle(torch.tensor([[one.strength for one in row.effects] for row in self.directions]))

    def table(self) -> tuple[list[str], list[list[str]]]:
        """Lay out columns and rows of text: a row a direction, then completeness and chance of the attributes."""
        whole, measured = self.directions[0].outside is None, self.disentanglement
        several = len({attribute.scorer for attribute in self.attributes}) > 1
        names = [f"{one.scorer}: {one.name}" if several else one.name for one in self.attributes]
        pixels = ["change"] if whole else ["change inside", "outside"]
        columns = ["direction", "step", *names, *pixels, "disentanglement", "suggested name"]
        rows = [
            [
                *(str(index), f"{one.step:.3g}", *(effect.text() for effect in one.effects)),
                *(_figure(value) for value in ([one.inside] if whole else [one.inside, one.outside])),
                *(_share(measured.directions[index]), _named(one.name)),
            ]
            for index, one in enumerate(self.directions)
        ]
        blank = [""] * (len(columns) - 2 - len(names))
        rows.append(["completeness", "", *map(_share, measured.attributes), *blank])
        if any(value is not None for value in self.chance):
            rows.append(["by chance", "", *map(_share, self.chance), *blank])
        return columns, rows

    def facts(self) -> dict[str, str]:
        """Say in short what was scored, and what the table says as a whole."""
        measured = self.disentanglement
        whole = [
            f"disentanglement {_share(measured.disentanglement)}",
            f"completeness {_share(measured.completeness)}",
            f"coverage {_share(measured.coverage)}",
        ]
        return {
            "model": self.model,
            "directions": self.found_by or "unknown",
            "measured": f"at {self.samples} codes, region {self.region}",
            "as a whole": ", ".join(whole),
        }

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        measured = self.disentanglement
        return {
            "format": FORMAT,
            "model": self.model,
            "found_by": self.found_by,
            "region": self.region,
            "samples": self.samples,
            "attributes": [
                {
                    "name": one.name,
                    "scorer": one.scorer,
                    "values": list(one.values),
                    "chance": chance,
                    "completeness": completeness,
                }
                for one, chance, completeness in zip(self.attributes, self.chance, measured.attributes, strict=True)
            ],
            "directions": [
                {
                    "step": one.step,
                    "name": None if one.name is None else one.name.as_json(),
                    "effects": [effect.as_json() for effect in one.effects],
                    "inside": one.inside,
                    "outside": one.outside,
                    "disentanglement": disentanglement,
                    "changes": dict(zip(self.columns, one.changes, strict=True)),
                }
                for one, disentanglement in zip(self.directions, measured.directions, strict=True)
            ],
            "disentanglement": measured.disentanglement,
            "completeness": measured.completeness,
            "coverage": measured.coverage,
        }

    def markdown(self) -> str:
        """Write the facts and the table as Markdown."""
        columns, rows = self.table()
        lines = [columns, ["---"] * len(columns), *rows]
        facts = "\n".join(f"- {name}: {_escaped(text)}" for name, text in self.facts().items())
        return facts + "\n\n" + "\n".join(f"| {' | '.join(map(_escaped, line))} |" for line in lines) + "\n"

    def save(self, folder: str | Path, *, force: bool = False) -> None:
        """Write a new folder: `scores.json` and `scores.md`. Raises `OutputError`."""
        with atomic_folder(Path(folder), force=force) as partial:
            (partial / "scores.json").write_text(json.dumps(self.as_json(), indent=2, allow_nan=False), "utf-8")
            (partial / "scores.md").write_text(self.markdown(), encoding="utf-8")

    def __repr__(self) -> str:
        names = ", ".join(_named(one.name) for one in self.directions)
        return f"Scores({len(self.directions)} directions of {self.model}: {names})"

    def _repr_html_(self) -> str:
        """Show a notebook the facts and the table."""
        return facts_html("Scores", self.facts()) + table_html(*self.table())


def _named(name: Effect | None) -> str:
    """Write a suggested name with its strength, such as ``hair colour, 0.82``."""
    return "–" if name is None else f"{name}, {name.strength:.2f}"


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.2g}"


def _escaped(text: str) -> str:
    return plain(text).replace("|", "\\|")
