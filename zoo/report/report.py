"""What a person looks at after an analysis: `sheet.png` and a self-contained `report.html`."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import torch
from markupsafe import Markup
from PIL import Image

from zoo._utils.progress import Progress, silent
from zoo.core.codes import Codes
from zoo.core.directions import Directions
from zoo.core.region import Region
from zoo.editing.locality import VISIBLE_CHANGE
from zoo.imaging.images import OutlinedImage, data_url, save_sheet, sprite, strip, to_picture
from zoo.models.model import Model
from zoo.report.filmstrips import (
    MIDDLE,
    SHARES,
    STRIP,
    Filmstrip,
    Part,
    Scene,
    film,
    moved_rows_by_scale,
    parts,
    shown_codes,
)
from zoo.report.plots import colour_bar, heat_map, outline_path, plot_spectrum
from zoo.report.table import DirectionSummary, figure, row_numbers, shown, signed
from zoo.scoring.effects import CLEAR_EFFECT
from zoo.scoring.scores import Scores

_TILE = 128
_QUALITIES = (80, 60, 40, 20)
_MOST_CHARACTERS = 15_000
"""How long the address of one picture may be: with it, five directions at three codes stay below 6 MB."""

_COLUMNS = {
    "name": "suggested name",
    "score": "score",
    "kept": "kept norm",
    "own": "locality, own codes",
    "unseen": "locality, unseen codes",
    "consistency": "consistency",
}
_ELSEWHERE = {"locality", "command", "kept", "names", "spectrum", "spectrum_of"}


@dataclass(frozen=True, eq=False)
class Finding:
    """What the report shows: shown directions, the codes analysed, unseen ones, figures of each direction, scores."""

    model: Model
    region: Region
    codes: Codes
    unseen: Codes | None
    directions: Directions
    figures: Sequence[DirectionSummary]
    scores: Scores | None = None


def write_report(folder: Path, finding: Finding, progress: Progress = silent) -> None:
    """Write `sheet.png` and `report.html` into a folder. Raises `CheckpointError` for images that are not finite."""
    model, directions = finding.model, finding.directions
    scene = Scene(model, finding.region, directions, *shown_codes(finding.codes, finding.unseen))
    tick = _Ticks(progress, scene)
    steps, by_rows = scene.steps(directions.layers), parts(scene, tick)
    sections, rows, names = [], [], []
    for index, step in enumerate(steps):
        made = film(scene, index, float(step), tick)
        strips = [_strip(finding.region, made, code) for code in range(len(scene.codes))]
        sections.append(_section(finding.figures[index], scene, made, strips, by_rows[index]))
        rows.append([tile for tiles in strips for tile in tiles])
        names.append(_name(directions.label(index), float(step), finding.figures[index]))
    if rows:
        save_sheet(folder / "sheet.png", rows, names, scene.titles, group=len(STRIP))
    (folder / "report.html").write_text(_page(finding, sections), encoding="utf-8")


class _Ticks:
    """Count images and tell of them."""

    def __init__(self, progress: Progress, scene: Scene) -> None:
        each = len(SHARES) * len(scene.codes) + 3 * len(moved_rows_by_scale(scene.directions))
        self.progress, self.total, self.done = progress, each * len(scene.directions), 0
        self(0)

    def __call__(self, count: int) -> None:
        self.done += count
        self.progress(self.done, self.total, "pictures of the report")


def _strip(region: Region, made: Filmstrip, code: int) -> list[OutlinedImage]:
    """Take the tiles of one code; the middle one, which is not moved, has the region's border drawn over it."""
    outline = None if region.whole else region.mask
    return [OutlinedImage(made.pixels[frame, code], outline if frame == MIDDLE else None) for frame in STRIP]


def _name(label: str, step: float, figures: DirectionSummary) -> str:
    texts = figures.texts()
    lines = [f"direction {label}", f"steps to ±{step:.2g}", f"score {texts['score']}"]
    if figures.own is not None:
        lines.append(f"locality {texts['own']}")
    if figures.unseen is not None:
        lines.append(f"  unseen {texts['unseen']}")
    return "\n".join(lines)


def _section(
    figures: DirectionSummary,
    scene: Scene,
    made: Filmstrip,
    strips: Sequence[Sequence[OutlinedImage]],
    by_rows: Sequence[Part],
) -> dict[str, Any]:
    """Gather what the page says and shows of one direction."""
    name = figures.name
    return {
        "index": made.index,
        "label": scene.directions.label(made.index),
        "name": None if name is None else str(name),
        "effect": None if name is None else name.sentence(),
        "step": figure(made.step),
        "strengths": [signed(share * made.step) for share in SHARES],
        "codes": [
            {
                "title": _titled(scene, code),
                "sprite": _compact(sprite(made.pixels[:, code]), len(SHARES)),
                "strip": _compact(strip(strips[code], _TILE), len(STRIP)),
            }
            for code in range(len(scene.codes))
        ],
        "parts": [
            {
                "name": part.name,
                "rows": row_numbers(part.rows),
                "step": figure(part.step),
                "strip": _compact(strip([OutlinedImage(pixels) for pixels in part.pixels], _TILE), len(part.pixels)),
            }
            for part in by_rows
        ],
        "heat": _heat(scene.region, made),
        **figures.texts(),
        "consistency": figure(made.consistency).replace("-", "−"),
    }


def _compact(picture: Image.Image, count: int) -> str:
    """Encode `count` pictures side by side at the best quality for which they are not too long."""
    for quality in _QUALITIES:
        url = data_url(picture, "webp", quality=quality, method=2)
        if len(url) <= count * _MOST_CHARACTERS:
            break
    return url


def _heat(region: Region, made: Filmstrip) -> dict[str, str]:
    heat = heat_map(made.change.numpy())
    inside, outside = made.change.numpy()[region.mask], made.change.numpy()[~region.mask]
    return {
        "image": data_url(heat.picture),
        "top": figure(heat.top),
        "peak": f"row {heat.row}, column {heat.column}",
        "inside": figure(float(inside.mean())),
        "outside": figure(float(outside.mean()) if outside.size else None),
    }


def _titled(scene: Scene, code: int) -> str:
    """Add the class of a shown code, if it has one, to its title."""
    labels, classes = scene.codes.labels, scene.model.adapter.classes
    return scene.titles[code] + ("" if labels is None else f" ({classes[int(labels[code])]})")


def _page(finding: Finding, sections: Sequence[Mapping[str, Any]]) -> str:
    model, region, record = finding.model, finding.region, finding.directions.metadata()
    columns = {key: title for key, title in _COLUMNS.items() if any(row[key] not in {None, "–"} for row in sections)}
    height, width = region.mask.shape
    frame = to_picture(OutlinedImage(torch.zeros(height, width, 3, dtype=torch.uint8)))
    return render_page(
        card=model.card,
        analyzer=record.get("analyzer"),
        region=region.text,
        height=height,
        width=width,
        frame=frame,
        outline=None if region.whole else outline_path(region.mask),
        columns=columns,
        sections=sections,
        visible_change=VISIBLE_CHANGE,
        clear_effect=CLEAR_EFFECT,
        scores=None if finding.scores is None else finding.scores.table(),
        scored=None if finding.scores is None else finding.scores.facts(),
        colour_bar=data_url(colour_bar()),
        spectrum=plot_spectrum(record.get("spectrum") or [], record.get("rank")),
        spectrum_of=record.get("spectrum_of", "The spectrum"),
        command=record.get("command"),
        record={key: shown(value) for key, value in record.items() if key not in _ELSEWHERE},
    )


_TEMPLATES = Path(__file__).with_name("templates")


def render_page(name: str = "report", **values: Any) -> str:
    """Fill the template `name`.html.j2, with `name`.css and `name`.js inside it and a Content-Security-Policy.

    The policy allows pictures from ``data:`` addresses, and this style and this script by their hashes: nothing else.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
    )
    style, script = ((_TEMPLATES / f"{name}.{kind}").read_text(encoding="utf-8") for kind in ("css", "js"))
    policy = (
        "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; "
        f"style-src {_hash(style)}; script-src {_hash(script)}"
    )
    return environment.get_template(f"{name}.html.j2").render(
        style=Markup(style), script=Markup(script), policy=policy, **values
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')}'"
