"""Every example of the documents is run, page by page, and what it prints is compared with what the page shows."""

import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml
from _pytest.mark import ParameterSet
from pydantic import TypeAdapter

from tests.support import fork_server, pages
from tests.support.hub import TOKEN, local_hub
from tests.support.once import shared_folder
from zoo._utils.paths import cache_folder
from zoo.registry.cards import Card
from zoo.registry.registry import load_installation
from zoo.weights.fetch import fetch

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
# This page is short, and takes derivatives; its commands are processes of their own.
TRUE_PROCESSES = "formats"
# This page's whole benches take a quarter of an hour; tests/bench runs one of half the size.
ONLY_QUICK = "bench"
# These take longest, and are run with the long tests only.
LONG = (
    *("analyses", "bench", "bundled", "commands", "concepts", "errors", "examples", "first-adapter"),
    *("first-analyzer", "first-steps", "formats", "photographs", "python", "scores", "share", "sweeps", "tasks"),
    "which-file",
)
# The commands of these pages talk to a Hub on this machine.
ON_HUB = ("share", "commands")
WHOLE = "-whole"
MODELS = tuple(load_installation().registry.cards)


def params() -> Sequence[ParameterSet]:
    """The pages; those whose examples name a real model need its weights. Some are run again with all their codes."""
    found = []
    for page in PAGES:
        runs = [(block, out) for block, out in pages.with_outputs(pages.blocks(page.read_text("utf-8"))) if block.runs]
        real = any(re.search(rf"{re.escape(model)}[ \"]", block.body + " ") for block, _ in runs for model in MODELS)
        marks = [pytest.mark.real] if real else []
        whole = page.stem != ONLY_QUICK and any(block.long or block.quick(out) != block.body for block, out in runs)
        if page.stem not in LONG:
            found.append(pytest.param(page, id=page.stem, marks=marks))
        elif not whole:
            found.append(pytest.param(page, id=page.stem, marks=[*marks, pytest.mark.long]))
        if whole:
            found.append(pytest.param(page, id=f"{page.stem}{WHOLE}", marks=[*marks, pytest.mark.long]))
    return found


@pytest.fixture(scope="session")
def cached() -> None:
    """Fetch the real weights beforehand: what pip installs for the pages comes without an index."""
    for card in load_installation().registry.cards.values():
        if card.weights.verified:
            fetch(card)


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache in which pages share kept Jacobians, as several ask the same; its weights are those of the machine."""
    folder = shared_folder(tmp_path_factory) / "cache-of-pages"
    weights = cache_folder() / "weights"
    folder.mkdir(exist_ok=True)
    weights.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):  # another process was first
        (folder / "weights").symlink_to(weights)
    return folder


def run(page: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a page; its commands are forked, except those of one page."""
    true = page.stem == TRUE_PROCESSES
    python, commands = (sys.executable, []) if true else (fork_server.python(), [str(fork_server.commands())])
    command = [python, "-P", "-W", "error", pages.__file__, str(page), str(folder), *commands]
    return subprocess.run(
        command, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("page", params())
def test_the_examples_of_a_page_run(
    page: Path, request: pytest.FixtureRequest, shared_cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ZOO_CACHE", str(shared_cache))
    monkeypatch.delenv("ZOO_JACOBIANS")
    if request.node.get_closest_marker("real"):
        request.getfixturevalue("cached")
    if request.node.callspec.id.endswith(WHOLE):
        monkeypatch.setenv(pages.WHOLE, "1")
    with local_hub() if page.stem in ON_HUB else contextlib.nullcontext() as hub:
        if hub is not None:
            monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
            monkeypatch.setenv("HF_TOKEN", TOKEN)
        done = run(page, tmp_path / "page")
    assert done.returncode == 0, done.stdout + done.stderr


def test_only_commands_whose_output_is_not_shown_take_fewer_codes(tmp_path: Path) -> None:
    command = "zoo score {} --samples 32 -o k=4"
    (tmp_path / "page.md").write_text(
        f"```sh\nzoo() {{ echo $@ | tee -a told; }}\n{command.format('one')}\nzoo analyze one\n```\n\n"
        f"```sh\nzoo() {{ echo $@ | tee -a told; }}\n{command.format('two')}\n```\n\n"
        "```text\nscore two --samples 32 -o k=4\n```\n"
    )
    done = run(tmp_path / "page.md", tmp_path / "folder")
    assert done.returncode == 0, done.stderr
    told = (tmp_path / "folder" / "work" / "told").read_text()
    assert told == "score one --samples 2 -o k=4\nanalyze --show 2 --unseen 2 one\nscore two --samples 32 -o k=4\n"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_blocks_are_of_known_kinds(page: Path) -> None:
    """Every block has a language, and every fence is one that the runner sees."""
    text = page.read_text("utf-8")
    found = pages.blocks(text)
    assert {block.language for block in found} <= pages.LANGUAGES
    assert len(re.findall(r"^ *```", text, flags=re.MULTILINE)) == 2 * len(found)


def test_few_blocks_are_left_out() -> None:
    left_out = [block for page in PAGES for block in pages.blocks(page.read_text("utf-8")) if block.reason]
    assert len(left_out) <= 17


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_cards_are_cards(page: Path) -> None:
    """All but the one that shows an error; the files of sweeps, of Kubernetes and of words hold none."""
    for block in pages.blocks(page.read_text("utf-8")):
        if block.language == "yaml" and block.title not in {"bad.yaml", "my-words.txt"}:
            content = yaml.safe_load(block.body)
            for card in () if {"analyzers", "kind"} & {*content} else content["models"]:
                TypeAdapter(Card).validate_python(card)


@pytest.mark.parametrize("name", ["commands.md", "errors.md", "analyses.md"])
def test_every_generated_section_has_an_example(name: str) -> None:
    text = (ROOT / "docs" / name).read_text("utf-8")
    sections = [part for part in re.split(r"^## ", text, flags=re.MULTILINE) if "<!-- generated: " in part]
    for section in sections:
        for kind, subject in re.findall(r"<!-- generated: (command|error|analyzer) (.*?) -->", section):
            runs = [block for block in pages.blocks(section) if block.runs]
            if subject == "InterruptedSearchError":  # what it says depends on the moment of Ctrl-C
                continue
            assert runs, f"docs/{name} has no example in the section of {subject}"
            assert kind != "command" or any(re.search(rf"zoo .*\b{subject}\b", block.body) for block in runs), subject
            assert kind != "error" or "*Cure:*" in section, subject


def test_every_page_says_where_to_go_next() -> None:
    for page in PAGES[1:]:
        assert "\n## Where to go next\n" in page.read_text("utf-8"), page.name


# The runner itself


@pytest.mark.parametrize(
    ("wanted", "found", "same"),
    [
        ("a  b", "a b\n", True),
        ("a b", "a c", False),
        ("a", "a b", False),
        ("score 1.00", "score 1.005", True),
        ("score 1.00", "score 1.02", False),
        ("12*", "12.05*", True),
        ("…", "", True),
        ("a … z", "a z", True),
        ("a … z", "a b c z", True),
        ("a … z", "a b c", False),
        ("a … m … z", "a l m n z", True),
        ("a … m … z", "a l n z", False),
        ("a … a", "a", False),
        ("… b …", "a b", True),
    ],
)
def test_outputs_are_compared(wanted: str, found: str, same: bool) -> None:
    assert pages.agree(wanted, found) is same


WRONG = {
    "a command that fails": "```sh\nfalse\n```\n",
    "another output": "```sh\necho one\n```\n\n```text\ntwo\n```\n",
    "another exit code": '```sh\ntrue\n```\n\n```text title="exit code 2"\n```\n',
    "python that fails": "```python\nassert False\n```\n",
    "a name of another page": "```python\nprint(never_given)\n```\n",
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_page_fails(name: str, tmp_path: Path) -> None:
    (tmp_path / "wrong.md").write_text(f"# Wrong\n\n{WRONG[name]}")
    assert run(tmp_path / "wrong.md", tmp_path / "folder").returncode == 1


def test_blocks_run_in_order_and_share_names(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text(
        '```toml title="deep/file.txt"\nx = 1\n```\n\n```python\nx = open("deep/file.txt").read()\n```\n\n'
        "```sh\ncat deep/file.txt\n```\n\n```text\nx = 1\n```\n\n```python\nprint(x)\n```\n\n```text\nx = 1\n```\n\n"
        "<!-- not run: it would fail -->\n```sh\nfalse\n```\n"
    )
    done = run(tmp_path / "page.md", tmp_path / "folder")
    assert done.returncode == 0, done.stderr
