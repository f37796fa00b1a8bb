"""A page that holds everything it needs: a template with its style and its script, and a policy that allows no more."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

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
