"""How results show themselves in a notebook: small tables, all text escaped, in the notebook's own colours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from zoo.errors import printable

_CELL_STYLE = "padding:2px 12px 2px 0;text-align:left;vertical-align:top"
_MAX_LENGTH = 300
_MAX_ROWS = 10


def facts_html(title: str, facts: Mapping[str, object]) -> str:
    """Lay out a title and a table of names and values.

    Args:
        title: The title.
        facts: A row for each; names and values are text, never markup.

    Returns:
        HTML.
    """
    cell = f'<td style="{_CELL_STYLE}'
    rows = "".join(
        f'<tr>{cell};opacity:.65">{_text(name)}</td>{cell}">{_text(value)}</td></tr>' for name, value in facts.items()
    )
    return f"<div><b>{_text(title)}</b><table>{rows}</table></div>"


def table_html(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Lay out a table of text, or its first ten rows.

    Args:
        columns: The headers.
        rows: The cells of each row, text and never markup.

    Returns:
        HTML.
    """
    head = "".join(f'<th style="{_CELL_STYLE}">{_text(column)}</th>' for column in columns)
    body = "".join(
        "<tr>" + "".join(f'<td style="{_CELL_STYLE}">{_text(cell)}</td>' for cell in row) + "</tr>"
        for row in rows[:_MAX_ROWS]
    )
    more = len(rows) - _MAX_ROWS
    rest = f'<div style="opacity:.65">and {more} more</div>' if more > 0 else ""
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{rest}"


def image_html(address: str, description: str) -> str:
    """Show a picture, at most as wide as the page.

    Args:
        address: Its URL, usually a ``data:`` one.
        description: What it shows, for those who cannot see it.

    Returns:
        HTML.
    """
    return f'<img alt="{_text(description)}" style="max-width:100%" src="{escape(address)}">'


def plain(value: object) -> str:
    """Make one short line of a value that may come from an untrusted file.

    Args:
        value: Anything that `str` takes.

    Returns:
        Its text, cut after 300 characters, with a question mark for each that is not printable.
    """
    line = printable(str(value)[: _MAX_LENGTH + 1])
    return line if len(line) <= _MAX_LENGTH else f"{line[:_MAX_LENGTH]} …"


def _text(value: object) -> str:
    return escape(plain(value))
