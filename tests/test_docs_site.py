"""The site is built without a warning, its generated parts are fresh, and its pages ask no other host for anything."""

import re
import subprocess
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.support import fork_server

ROOT = Path(__file__).parents[1]
# What a browser loads by itself when it shows a page: tags and their attributes.
LOADED = {"link": "href", "script": "src", "img": "src", "iframe": "src", "source": "src", "form": "action"}


def call(*command: str) -> None:
    done = subprocess.run([fork_server.python(), *command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the pages; strict: any warning is an error, broken links and anchors too."""
    folder = tmp_path_factory.mktemp("site")
    call("-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder))
    return folder


def test_generated_parts_are_fresh() -> None:
    call("docs/generate.py", "--check")


def test_every_page_is_built(site: Path) -> None:
    pages = {path.stem for path in (ROOT / "docs").glob("*.md")}
    assert pages <= {path.stem for path in site.glob("*.html")}
    assert not list(site.rglob("*.py"))


def test_pages_load_nothing_from_other_hosts(site: Path) -> None:
    for page in site.glob("*.html"):
        found = [address for address in loaded_by(page.read_text("utf-8")) if re.match(r"(https?:)?//", address)]
        assert not found, f"{page.name} loads {found}"
    for sheet in site.rglob("*.css"):
        assert not re.search(r"""(url\(|@import)\s*["']?(https?:)?//""", sheet.read_text("utf-8")), sheet.name


def test_the_reference_shows_every_public_name(site: Path) -> None:
    import zoo

    text = (site / "python.html").read_text("utf-8")
    for name in zoo.__all__:
        if not name.startswith("__") and not name.endswith("Error") and name != "CONTRACT":
            assert re.search(rf">\s*zoo\.{name}\s*<", text), name


def loaded_by(text: str) -> Iterator[str]:
    parser = _Loads()
    parser.feed(text)
    yield from parser.addresses


class _Loads(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [value for name, value in attrs if value and name == LOADED.get(tag)]
