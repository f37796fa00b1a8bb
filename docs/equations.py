"""Turn the equations of a page into MathML while the pages are built: browsers show it without any script."""

import re
from typing import Any

from latex2mathml.converter import convert

_BLOCK = re.compile(r"^```math\n(.*?)^```$", flags=re.DOTALL | re.MULTILINE)


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replace every fenced block ``math``, LaTeX inside, before the page is read as Markdown."""
    return _BLOCK.sub(lambda block: convert(block[1].strip(), display="block"), markdown)
