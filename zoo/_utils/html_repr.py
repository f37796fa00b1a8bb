"""What results show of themselves in a notebook: small tables, all text escaped, in the notebook's own colours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

_CELL = "padding:2px 12px 2px 0;text-align:left;vertical-align:top"
_LONGEST = 300
_MOST_ROWS = 10


def facts_html(title: str, facts: Mapping[str, object]) -> str:
    """Lay out a title, and facts a row each; names and values are text, never markup."""
    rows = "".join(
        f'<tr><td style="{_CELL};opacity:.65">{_text(name)}</td><td style="{_CELL}">{_text(value)}</td></tr>'
        for name, value in facts.items()
    )
    return f"<div><b>{_text(title)}</b><table>{rows}</table></div>"


def table_html(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Lay out a table of text, its first rows if there are many."""
    head = "".join(f'<th style="{_CELL}">{_text(column)}</th>' for column in columns)
    body = "".join(
        "<tr>" + "".join(f'<td style="{_CELL}">{_text(cell)}</td>' for cell in row) + "</tr>"
        for row in rows[:_MOST_ROWS]
    )
    more = len(rows) - _MOST_ROWS
    rest = f'<div style="opacity:.65">and {more} more</div>' if more > 0 else ""
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{rest}"


def image_html(address: str, description: str) -> str:
    """Show a picture by its (data) address, at most as wide as the page."""
    return f'<img alt="{_text(description)}" style="max-width:100%" src="{escape(address)}">'


def plain(value: object) -> str:
    """Make one short line of a value: records come from files that anybody may have written."""
    line = "".join(sign if sign.isprintable() else "?" for sign in str(value)[: _LONGEST + 1])
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]} …"


def _text(value: object) -> str:
    return escape(plain(value))
