"""A handful of run folders ranked: their directions in one table, as on the page of a sweep, and in one sheet."""

from __future__ import annotations

import csv
import math
import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from zoo._utils.html_repr import plain
from zoo._utils.paths import expand_home
from zoo._utils.pictures import PictureError, open_picture
from zoo.core.directions import Directions
from zoo.core.files.hub_address import shown_path
from zoo.editing.run_folder import new_run_folder, short_file_name, usual_run_folder
from zoo.errors import DirectionsError, OptionError
from zoo.imaging.images import blank_sheet, write_png
from zoo.imaging.lettering import LINE_HEIGHT, write
from zoo.scoring.appearance import recorded_name
from zoo.sweep.page import render_directions

USUAL_TOP = 10
# Runs that are ranked together; a sweep has a table for more.
_MOST_RUNS = 100
# Pixels between the sheets of two runs, and of the longer side of the sheet.
_GAP = 12
_MOST_SIDE = 20_000
_COLUMNS = (
    *("run", "index", "model", "analyzer", "options", "region", "layers", "seed", "samples", "truncation"),
    *("score", "kept_norm", "step", "locality_own", "locality_unseen", "repeats", "name"),
)
# What is printed of a row, by its column.
SHOWN = {
    "run": "run",
    "index": "direction",
    "score": "score",
    "locality_own": "locality, own",
    "locality_unseen": "locality, unseen",
    "name": "suggested name",
}


@dataclass(frozen=True, kw_only=True)
class RankRequest:
    """Runs to rank, in the words of the command line.

    Attributes:
        runs: Run folders of analyses, at least one.
        out: The folder to write; None is one under ``runs/``.
        force: Replace an existing run folder.
    """

    runs: Sequence[Path]
    out: Path | None = None
    force: bool = False

    @property
    def folder(self) -> Path:
        """The folder that is written."""
        return self.out or usual_run_folder(("rank", *(short_file_name(path) for path in self.runs)), {}, {})

    def run(self) -> list[dict[str, Any]]:
        """Read the runs, and write the folder: `report.html`, `table.csv`, and `sheet.png` of those that have one.

        Returns:
            The rows of the table, the most local direction first: at unseen codes, or else at its own. What was
            measured of no direction is None.

        Raises:
            DirectionsError: If a run cannot be read, or was not written by an analysis.
            OptionError: If there are too many.
            OutputError: If the folder exists and may not be replaced, or cannot be written.
        """
        if len(self.runs) > _MOST_RUNS:
            raise OptionError(f"{len(self.runs)} runs: at most {_MOST_RUNS} are ranked; 'zoo sweep' ranks more")
        folder = expand_home(self.folder)
        names = [str(path) for path in self.runs]
        rows = sorted((row for path in self.runs for row in _read_run(path)), key=_rank)
        with new_run_folder(folder, force=self.force) as partial:
            with (partial / "table.csv").open("w", encoding="utf-8", newline="") as file:
                writer = csv.DictWriter(file, _COLUMNS, lineterminator="\n", extrasaction="ignore")
                writer.writeheader()
                writer.writerows(rows)
            page = render_directions(
                [{**row, "report": os.path.relpath(Path(row["run"]) / "report.html", folder)} for row in rows],
                title=", ".join(short_file_name(path) for path in self.runs),
                kind="a ranking",
                summary=f"{len(rows):,} directions of {len(names):,} analyses.",
                command=shlex.join(["zoo", "compare", *names, "--rank"]),
            )
            (partial / "report.html").write_text(page, encoding="utf-8", errors="replace")
            order = list(dict.fromkeys(row["run"] for row in rows))
            _merge_sheets(order, partial / "sheet.png")
        return rows


def _rank(row: Mapping[str, Any]) -> tuple[bool, float]:
    local = row["locality_unseen"] if row["locality_unseen"] is not None else row["locality_own"]
    return local is None, -(local or 0.0)


def _read_run(path: Path) -> Iterator[dict[str, Any]]:
    """Yield a row for each direction of a run that was measured, or for all where none was."""
    run = expand_home(path)
    if not run.is_dir():
        raise DirectionsError(f"{shown_path(path)} is no run folder: --rank takes those that 'zoo analyze' wrote")
    directions = Directions.load(run)
    record = directions.provenance
    if not isinstance(record.get("analyzer"), str):
        raise DirectionsError(f"{path} was not written by 'zoo analyze': its directions have no record of an analysis")
    local = record.get("locality")
    measured = {key: _localities(local, key) for key in ("own", "unseen")}
    given = directions.given_names
    names, steps, repeats = (_listed(part) for part in (record.get("names"), _steps(record), record.get("repeats")))
    for index in range(max(map(len, (*measured.values(), names, steps))) or len(directions)):
        if index >= len(directions):
            return
        yield {
            "run": str(path),
            "index": index,
            **{key: _text(record.get(key)) for key in ("model", "analyzer", "region")},
            "options": _options(record.get("options")),
            "layers": None if directions.layers is None else ",".join(map(str, directions.layers)),
            **{key: _number(record.get(key)) for key in ("seed", "samples", "truncation")},
            "score": _number(float(directions.scores[index])),
            "kept_norm": None if directions.retained is None else float(directions.retained[index]),
            "step": _number(_at(steps, index)),
            "locality_own": _number(_at(measured["own"], index)),
            "locality_unseen": _number(_at(measured["unseen"], index)),
            "repeats": _number(_at(_listed(_at(repeats, index)), 0)),
            "name": given[index] if given and given[index] else _text(recorded_name(_at(names, index))),
        }


# The record comes from a file, whose values may be of any kind.


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else ()


def _at(values: Sequence[Any], index: int) -> Any:
    return values[index] if index < len(values) else None


def _number(value: Any) -> float | int | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) else None


def _text(value: Any) -> str | None:
    return plain(value) if isinstance(value, str) else None


def _options(value: Any) -> str | None:
    given = value.items() if isinstance(value, Mapping) else ()
    return " ".join(plain(f"{key}={one}") for key, one in given if one is not None) or None


def _steps(record: Mapping[str, Any]) -> Any:
    measured = record.get("measured")
    return measured.get("steps") if isinstance(measured, Mapping) else None


def _localities(local: Any, key: str) -> list[Any]:
    values = _listed(local.get(key)) if isinstance(local, Mapping) else ()
    return [one.get("value") if isinstance(one, Mapping) else None for one in values]


def _merge_sheets(runs: Sequence[str], path: Path) -> None:
    """Put the sheets of some runs under each other, each with the name of its run; without any, write nothing."""
    sheets = []
    for run in runs:
        try:
            sheets.append((run, open_picture(expand_home(Path(run)) / "sheet.png")))
        except (OSError, PictureError):
            continue
    if not sheets:
        return
    heights = [LINE_HEIGHT + 2 * _GAP + sheet.height for _, sheet in sheets]
    kept = [index for index in range(len(sheets)) if sum(heights[: index + 1]) <= _MOST_SIDE] or [0]
    width = max(sheets[index][1].width for index in kept)
    merged: Image.Image = blank_sheet((width, sum(heights[index] for index in kept)), ["RGB"])
    draw, top = ImageDraw.Draw(merged), 0
    for index in kept:
        name, sheet = sheets[index]
        write(draw, (4, top + _GAP), [plain(name)])
        merged.paste(sheet.convert("RGB"), (0, top + LINE_HEIGHT + _GAP))
        top += heights[index]
    write_png(merged, path)
