"""The pictures and the page of an analysis: `sheet.png` and a self-contained `report.html`."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2
import torch
from markupsafe import Markup
from PIL import Image
from torch import Tensor

from zoo._utils.progress import Progress, silent
from zoo.core.codes import Codes
from zoo.core.region import Region
from zoo.editing.changes import Changes
from zoo.editing.steps import CODES_FOR_STEPS, VISIBLE_CHANGE
from zoo.errors import printable
from zoo.imaging.background import InBackground
from zoo.imaging.contact_sheet import draw_pages, save_pages, size_note
from zoo.imaging.images import OutlinedImage, data_url, sprite, strip, to_picture
from zoo.report.filmstrips import (
    MIDDLE,
    SHARES,
    STRIP,
    ScaleStrip,
    moved_rows_by_scale,
    render_filmstrip,
    render_scales,
    shown_codes,
)
from zoo.report.plots import colour_bar, heat_map, outline_path, plot_spectrum
from zoo.report.table import NOTHING, DirectionSummary, format_number, format_rows, format_signed, format_value
from zoo.scoring.effects import CLEAR_EFFECT

if TYPE_CHECKING:
    from zoo.analysis.run import Run

_TILE = 128

# A picture is encoded at the first of these qualities for which its address is short enough; with that limit, five
# directions at three codes stay below 6 MB.
_QUALITIES = (80, 60, 40, 20)
_MAX_CHARACTERS = 15_000

_COLUMNS = {
    "name": "suggested name",
    "score": "score",
    "retained": "kept norm",
    "step": "step",
    "own": "locality, own codes",
    "unseen": "locality, unseen codes",
    "part": "locality, part",
    "repeats": "repeats",
    "redundancy": "redundancy",
    "consistency": "consistency",
}

# Parts of the record that have a place of their own on the page.
_SHOWN_ELSEWHERE = {
    "locality",
    "command",
    "kept",
    "measured",
    "names",
    "notes",
    "redundancy",
    "repeats",
    "spectrum",
    "spectrum_of",
}

_TEMPLATES = Path(__file__).with_name("templates")


def write_report(folder: Path, run: Run, progress: Progress = silent) -> None:
    """Write `sheet.png` and `report.html` into a folder; without any direction, there is no sheet.

    Args:
        folder: The folder, which exists.
        run: The analysis.
        progress: Called while the pictures are rendered.

    Raises:
        CheckpointError: If an image is not finite.
    """
    summaries = run.table()
    codes, titles = shown_codes(run.codes, run.unseen_codes)
    tick = _ImageCounter(progress, run, codes)
    steps = [] if run.measures.steps is None else run.measures.steps.tolist()
    scales = render_scales(run, tick)
    captions = [_caption(run, codes, title, index) for index, title in enumerate(titles)]
    sections, rows, names = [], [], []
    with InBackground() as background:  # pictures of one direction are encoded while those of the next are rendered
        for index, step in enumerate(steps):
            film = render_filmstrip(run, index, step, codes, tick)
            strips = [_strip(run.region, film, code) for code in range(len(codes))]
            pictures = background.start(_pictures, film, step, strips, captions)
            facts = {"index": index, "heat": _heat_maps(run, index), "parts": _scale_parts(scales[index])}
            sections.append(({**facts, **_texts(run, summaries[index], index)}, pictures))
            rows.append([tile for tiles in strips for tile in tiles])
            names.append(_sheet_name(summaries[index]))
        if rows:
            note = size_note(run.model.adapter.resolution, to_picture(rows[0][0]).size)
            pages = draw_pages(names, rows, captions, group=len(STRIP), note=note)
            background.start(save_pages, folder, "sheet", pages)
        page = _page(run, [{**facts, **pictures()} for facts, pictures in sections])
    (folder / "report.html").write_text(page, encoding="utf-8", errors="replace")  # of paths that are not UTF-8


class _ImageCounter:
    """Counts the images of a report and reports progress."""

    def __init__(self, progress: Progress, run: Run, codes: Codes) -> None:
        scales = moved_rows_by_scale(run.directions, run.model.adapter.layer_names())
        each = (len(SHARES) - 3) * len(codes) + 3 * len(scales)
        self.progress = progress
        self.total = each * len(run.shown)
        self.done = 0
        self(0)

    def __call__(self, count: int) -> None:
        self.done += count
        self.progress(self.done, self.total, "pictures of the report")


def _strip(region: Region, film: Tensor, code: int) -> list[OutlinedImage]:
    """Take the pictures of one code; the unmoved one in the middle has the region's border drawn over it."""
    outline = None if region.whole else region.mask
    return [OutlinedImage(film[frame, code], outline if frame == MIDDLE else None) for frame in STRIP]


def _sheet_name(summary: DirectionSummary) -> str:
    texts = summary.texts()
    lines = [f"direction {texts['label']}"]
    if summary.name is not None:
        lines.append(texts["name"])
    lines += [f"steps to ±{texts['step']}", f"score {texts['score']}"]
    if summary.own is not None:
        lines.append(f"locality {texts['own']}")
    if summary.unseen is not None:
        lines.append(f"unseen {texts['unseen']}")
    return "\n".join(lines).replace("–", "-")  # the font of sheets has no dash


def _texts(run: Run, summary: DirectionSummary, index: int) -> dict[str, str | None]:
    """Return the text of each of `_COLUMNS`, and the effect that the direction is named after, in words."""
    changes = run.measures.typical
    consistency = None if changes is None or changes.consistency is None else float(changes.consistency[index])
    return {
        **summary.texts(),
        "effect": None if summary.name is None else summary.name.sentence(),
        "consistency": format_number(consistency).replace("-", "−"),
    }


def _pictures(
    film: Tensor, step: float, strips: Sequence[Sequence[OutlinedImage]], captions: Sequence[str]
) -> dict[str, Any]:
    """Encode the pictures of one direction."""
    return {
        "end": format_number(step),
        "strengths": [format_signed(share * step) for share in SHARES],
        "codes": [
            {
                "title": caption,
                "sprite": _encode(sprite(film[:, code]), len(SHARES)),
                "strip": _encode(strip(strips[code], _TILE), len(STRIP)),
            }
            for code, caption in enumerate(captions)
        ],
    }


def _scale_parts(scales: Sequence[ScaleStrip]) -> list[dict[str, str]]:
    return [
        {
            "name": scale.name,
            "rows": format_rows(scale.rows),
            "step": format_number(scale.step),
            "strip": _encode(strip([OutlinedImage(pixels) for pixels in scale.pixels], _TILE), len(scale.pixels)),
        }
        for scale in scales
    ]


def _encode(picture: Image.Image, count: int) -> str:
    """Encode `count` pictures side by side, at the best quality for which their address is short enough."""
    for quality in _QUALITIES:
        url = data_url(picture, "webp", quality=quality, method=2)
        if len(url) <= count * _MAX_CHARACTERS:
            break
    return url


def _heat_maps(run: Run, index: int) -> list[dict[str, str]]:
    """Draw where one direction changes the analysed codes and the unseen ones, as its locality is measured."""
    own, unseen = run.measures.own, run.measures.unseen
    measured = {"analysed": None if run.region.whole and unseen is not None else own, "unseen": unseen}
    return [_heat(changes, index, which) for which, changes in measured.items() if changes is not None]


def _heat(changes: Changes, index: int, which: str) -> dict[str, str]:
    heat = heat_map(changes.by_pixel[index].numpy())
    count = changes.by_code.shape[1]
    inside, outside = changes.by_code[index].mean(dim=0).tolist()
    return {
        "codes": f"{count} {which} code{'s' if count > 1 else ''}",
        "image": data_url(heat.picture),
        "top": format_number(heat.top),
        "peak": f"row {heat.row}, column {heat.column}",
        "inside": format_number(inside),
        "outside": format_number(None if changes.region.whole else outside),
    }


def _caption(run: Run, codes: Codes, title: str, index: int) -> str:
    """Add the class of a shown code, if it has one, to its title."""
    return title if codes.labels is None else f"{title} ({run.model.adapter.classes[int(codes.labels[index])]})"


def _page(run: Run, sections: Sequence[Mapping[str, Any]]) -> str:
    region, scores, record = run.region, run.scores, run.shown.metadata()
    columns = {key: title for key, title in _COLUMNS.items() if any(row[key] != NOTHING for row in sections)}
    height, width = region.mask.shape
    frame = to_picture(OutlinedImage(torch.zeros(height, width, 3, dtype=torch.uint8)))
    return render_page(
        card=run.model.card,
        analyzer=record.get("analyzer"),
        region=region.text,
        height=height,
        width=width,
        transparent=run.model.adapter.channels == 4,
        frame=frame,
        outline=None if region.whole else outline_path(region.mask),
        columns=columns,
        sections=sections,
        visible_change=VISIBLE_CHANGE,
        codes_for_steps=min(CODES_FOR_STEPS, len(run.codes)),
        notes=run.notes,
        redundancy=format_number(record.get("redundancy")),
        clear_effect=CLEAR_EFFECT,
        scores=scores,
        colour_bar=data_url(colour_bar()),
        spectrum=plot_spectrum(record.get("spectrum") or [], record.get("rank")),
        spectrum_of=record.get("spectrum_of", "The spectrum"),
        command=record.get("command"),
        record={key: format_value(value) for key, value in record.items() if key not in _SHOWN_ELSEWHERE},
    )


@cache
def _environment() -> jinja2.Environment:
    """Return what compiles templates, and keeps the compiled ones."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        finalize=_printable,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
    )


def _printable(value: Any) -> Any:
    """Make a text safe to show, unless it is part of the page: escaping alone leaves the order of its signs open."""
    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def render_page(name: str = "report", *, scripts: Sequence[str] = ("report",), **values: Any) -> str:
    """Fill a template, with the style of all pages and a script inside it and a Content-Security-Policy.

    The policy allows pictures from ``data:`` addresses, and this style and this script by their hashes: nothing else.

    Args:
        name: The name of the template, without its ending.
        scripts: The names of the files that make up the script, without their ending.
        **values: The values of the template.

    Returns:
        The page.
    """
    style = (_TEMPLATES / "report.css").read_text(encoding="utf-8")
    script = "".join((_TEMPLATES / f"{part}.js").read_text(encoding="utf-8") for part in scripts)
    policy = (
        "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; "
        f"style-src {_hash(style)}; script-src {_hash(script)}"
    )
    return (
        _environment()
        .get_template(f"{name}.html.j2")
        .render(style=Markup(style), script=Markup(script), policy=policy, **values)
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')}'"
