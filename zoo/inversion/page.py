"""The report page of a projection."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.imaging.images import data_url, shown_side, to_picture
from zoo.inversion.solving.candidates import FAR
from zoo.report.report import render_page
from zoo.report.table import format_value

if TYPE_CHECKING:
    from zoo.inversion.result import Inversion

# Of more pictures, the page shows the first; the table has all.
_MOST_SHOWN = 200


def write_page(folder: Path, result: Inversion) -> None:
    """Write `report.html`, which holds everything that it shows.

    Args:
        folder: The folder, which exists.
        result: The projection.
    """
    columns, rows = result.table()
    page = render_page(
        "projection",
        card=result.model.card,
        columns=columns,
        rows=rows,
        notes=result.notes(),
        sections=[_section(result, index) for index in range(min(len(result), _MOST_SHOWN))],
        hidden=max(0, len(result) - _MOST_SHOWN),
        far=FAR if any(fit.distance is not None for fit in result.fits) else None,
        region=result.region.text,
        record={key: format_value(value) for key, value in result.record.items() if key != "command"},
        command=result.record.get("command"),
    )
    (folder / "report.html").write_text(page, encoding="utf-8")


def _section(result: Inversion, index: int) -> dict[str, Any]:
    fit = result.fits[index]
    side = shown_side(max(result.model.adapter.resolution))
    pictures = [
        {"title": title, "image": data_url(to_picture(tile, side), "webp", quality=85)}
        for title, tile in zip(result.tile_names, result.tiles(index), strict=True)
    ]
    return {
        "index": index,
        "name": fit.name,
        "sentence": fit.sentence(),
        "how": fit.how,
        "pictures": pictures,
        "attributes": [(one.name, _text(one.picture), _text(one.found), one.kept) for one in fit.attributes],
    }


def _text(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.3g}"
