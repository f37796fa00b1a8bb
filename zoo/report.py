"""What a person looks at after an analysis: `sheet.png` and a self-contained `report.html`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zoo.codes import Codes, join
from zoo.directions import Directions
from zoo.editing import render
from zoo.measures import Locality, consistency, visible_steps
from zoo.model import Model
from zoo.pictures import Tile, data_url, save_sheet, strip, to_pixels
from zoo.region import Region

VISIBLE_CHANGE = 0.02
"""The mean squared change inside the region that strips show at their ends, for images in [-1, 1]."""

_STEPS = (-1.0, -0.5, 0.0, 0.5, 1.0)
_MOST_CODES = 3
_ELSEWHERE = {"locality", "command", "kept"}


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What was measured of a direction: score, kept norm, median locality on own and on unseen codes; None for not."""

    score: float
    kept: float | None
    own: Locality | None
    unseen: Locality | None

    def texts(self) -> dict[str, str]:
        """Return the figures as people read them; a locality that did not reach its change ends with a star."""
        return {
            "score": figure(self.score),
            "kept": figure(self.kept),
            "own": _locality(self.own),
            "unseen": _locality(self.unseen),
        }


@dataclass(frozen=True, eq=False)
class Finding:
    """What the report shows: shown directions, the codes analysed, unseen ones, and a row of figures a direction."""

    model: Model
    region: Region
    codes: Codes
    unseen: Codes | None
    directions: Directions
    figures: Sequence[Figures]


@dataclass(frozen=True, eq=False)
class _Strip:
    title: str
    tiles: list[Tile]


@dataclass(frozen=True, eq=False)
class _Row:
    """One direction's strips, a code each, and how consistent the changes at their ends are."""

    strips: list[_Strip]
    consistency: float | None


def write_report(folder: Path, finding: Finding) -> None:
    """Write `sheet.png` and `report.html` into a folder."""
    codes, titles = _shown_codes(finding)
    steps = _steps(finding)
    rows = [_row(finding, codes, titles, index, float(step)) for index, step in enumerate(steps)]
    if rows:
        tiles = [[tile for part in row.strips for tile in part.tiles] for row in rows]
        names = [_name(index, float(step), finding.figures[index]) for index, step in enumerate(steps)]
        save_sheet(folder / "sheet.png", tiles, names, titles, group=len(_STEPS))
    (folder / "report.html").write_text(_page(finding, rows, steps), encoding="utf-8")


def _shown_codes(finding: Finding) -> tuple[Codes, list[str]]:
    """Show the first analysed code or codes, and unseen ones beside them."""
    own = finding.codes[:1] if finding.unseen is not None else finding.codes[:_MOST_CODES]
    titles = [f"code {index}, analysed" for index in range(len(own))]
    if finding.unseen is None:
        return own, titles
    unseen = finding.unseen[: _MOST_CODES - 1]
    return join([own, unseen]), [*titles, *(f"unseen code {index}" for index in range(len(unseen)))]


def _steps(finding: Finding) -> Tensor:
    """Choose each direction's largest strength so that the change inside the region is equally visible in all."""
    directions = finding.directions
    if len(directions) == 0:
        return torch.zeros(0)
    adapter = finding.model.adapter
    return visible_steps(
        adapter, finding.codes[0], directions.vectors, finding.region, directions.layers, change=VISIBLE_CHANGE
    )


def _row(finding: Finding, codes: Codes, titles: list[str], index: int, step: float) -> _Row:
    adapter, directions = finding.model.adapter, finding.directions
    vector = directions.vectors[index].to(adapter.device, adapter.dtype)
    outline: NDArray[np.bool_] | None = None if finding.region.whole else finding.region.mask
    moves = [adapter.move(codes, share * step * vector, directions.layers) for share in _STEPS]
    images = render(finding.model, join(moves))
    images = images.view(len(_STEPS), len(codes), *images.shape[1:])
    pixels = to_pixels(images)
    strips = [
        _Strip(title, [Tile(pixels[s, c], outline if share == 0 else None) for s, share in enumerate(_STEPS)])
        for c, title in enumerate(titles)
    ]
    return _Row(strips, consistency(images[-1] - images[_STEPS.index(0.0)]))


def _name(index: int, step: float, figures: Figures) -> str:
    texts = figures.texts()
    lines = [f"direction {index}", f"steps to ±{step:.2g}", f"score {texts['score']}"]
    if figures.own is not None:
        lines.append(f"locality {texts['own']}")
    if figures.unseen is not None:
        lines.append(f"  unseen {texts['unseen']}")
    return "\n".join(lines)


def _page(finding: Finding, rows: Sequence[_Row], steps: Tensor) -> str:
    shown = [
        {
            "index": index,
            "step": figure(float(step)),
            "strips": [{"title": part.title, "image": data_url(strip(part.tiles))} for part in rows[index].strips],
            "consistency": figure(rows[index].consistency),
            **finding.figures[index].texts(),
        }
        for index, step in enumerate(steps)
    ]
    record = finding.directions.card()
    spectrum = record.pop("spectrum", None)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
    )
    return environment.get_template("report.html.j2").render(
        card=finding.model.card,
        region=finding.region.text,
        rows=shown,
        spectrum=_bars(spectrum) if spectrum else None,
        rank=record.get("rank"),
        spectrum_of=record.get("spectrum_of", "Eigenvalues"),
        record={key: _shown(value) for key, value in record.items() if key not in _ELSEWHERE},
        command=record.get("command"),
        analyzer=record.get("analyzer"),
    )


def _bars(spectrum: Sequence[float]) -> list[dict[str, Any]]:
    """Lay out a log plot of a spectrum, 0 to 100 high: the leading 128 values, six decades at most."""
    values = np.asarray(spectrum[:128], dtype=np.float64)
    top = values.max(initial=0.0)
    if top <= 0:
        return []
    heights = 100 + 100 / 6 * np.log10(np.maximum(values / top, 1e-6))
    return [
        {"value": f"{value:.3g}", "height": round(float(height), 2)}
        for value, height in zip(values, heights, strict=True)
    ]


def figure(value: float | None) -> str:
    """Write a number with three figures, and a dash for none."""
    if value is None:
        return "–"
    return f"{value:.0f}" if 100 <= abs(value) < 1e6 else f"{value:.3g}"


def _locality(found: Locality | None) -> str:
    return figure(None) if found is None else figure(found.value) + ("" if found.reached else "*")


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
