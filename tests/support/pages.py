"""Run the fenced examples of a page, in order, in a folder of their own.

``python tests/support/pages.py PAGE.md FOLDER [COMMANDS]``

Where the page does not show what they print, and `WHOLE` is not in the environment, ``zoo analyze``, ``zoo bench`` and
``zoo score`` take two codes instead of eight or more, analysed or unseen; ``zoo analyze`` shows two directions, ``zoo
bench`` compares one analysis, ``zoo project`` begins at one start, and ``zoo edit`` writes no animation.

The commands ``zoo``, ``python`` and ``pytest`` of an example are those of the folder COMMANDS, and otherwise those of
the environment that runs it. What an example installs with pip goes into FOLDER, never into that environment. For the
page `examples.md` FOLDER holds a copy of the repository's `examples`.

::

    ```python                    executed; its names last to the end of the page
    ```sh                        executed by bash, which stops at the first command that fails
    ```LANGUAGE title="FILE"     written to FILE
    ```text                      right after python or sh: everything it prints. `…` stands for anything,
                                 numbers may differ by one per cent, the width of spaces does not count
    ```text title="exit code 2"  the same, and the code that it must end with
    <!-- not run: REASON -->     before a block: leave it out
    <!-- long -->                the same, unless `WHOLE` is in the environment
"""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "examples"
TOLERANCE = 0.01
# The variable with which examples take as many codes as their page says.
WHOLE = "PAGES_WHOLE"
LANGUAGES = {"python", "sh", "text", "yaml", "toml", "math"}

_FENCE = re.compile(
    r"(?P<comments>(?:^<!--[^\n]*-->\n+)*)^```(?P<language>\w*)(?: title=\"(?P<title>[^\"]*)\")?\n(?P<body>.*?)^```$",
    flags=re.DOTALL | re.MULTILINE,
)
_NOT_RUN = re.compile(r"<!-- not run: (.+?) -->")
_LONG = "<!-- long -->"
_MANY_CODES = re.compile(r"^(zoo (?:analyze|score) .*--samples) ([89]|\d\d+)\b(.*)$", flags=re.MULTILINE)
# Options that make a command quick: the command, what it must not say already, and what it says then.
_QUICK = (
    ("analyze", "--unseen", "--unseen 2"),
    ("analyze", "--show", "--show 2"),
    ("bench", "--draws", "--repetitions 1 --draws 1 --samples 2 --unseen 2 --readings 50 --pictures 0 --show 2"),
    ("bench", "--analyzer", "--analyzer sefa"),
    ("edit", "--(?:video|fps|frames)", "--video none"),
    ("project", "--(?:starts|projector)", "--starts 1"),
    ("score", "--(?:samples|seeds|codes)", "--samples 2"),
)
_FIGURE = re.compile(r"\d\.\d")
_EXIT_CODE = re.compile(r"exit code (\d+)")


class PageError(Exception):
    """An example did not do what its page says."""


@dataclass(frozen=True)
class Block:
    """One fenced block.

    Attributes:
        language: as the fence says.
        body: what stands in it.
        title: the file that it is written to, or the exit code of what it shows.
        line: the line that it begins at.
        reason: why it is not run.
        long: whether it is run with `WHOLE` only.
        follows: whether nothing stands before it.
    """

    language: str
    body: str
    title: str = ""
    line: int = 0
    reason: str | None = None
    long: bool = False
    follows: bool = False

    @property
    def runs(self) -> bool:
        """Whether it is executed."""
        return self.language in {"python", "sh"} and not self.title and self.reason is None

    def quick(self, output: Block | None) -> str:
        """The body as it is run by default.

        Args:
            output: What the page shows of its output. If it shows no figures, they may be measured at other codes.

        Returns:
            The body with few codes, directions and starts.
        """
        if self.language != "sh" or (output and _FIGURE.search(output.body)):
            return self.body
        body = self.body if output else _MANY_CODES.sub(_take_two_codes, self.body)
        for command, unless, options in _QUICK[:1] if output else _QUICK:
            body = re.sub(rf"^zoo {command} (?!.*{unless})", f"zoo {command} {options} ", body, flags=re.MULTILINE)
        return body


def _take_two_codes(command: re.Match[str]) -> str:
    """Let a command take two codes; the run folder, which is named after their number, gets the name of the page."""
    few = f"{command[1]} 2{command[3]}"
    if "zoo analyze" not in few or "--out" in few:
        return few
    rename = f'mv "$run" "${{run/-samples-2/-samples-{command[2]}}}"'
    return f"{few}\nfor run in runs/*-samples-2*; do {rename}; done"


def blocks(text: str) -> list[Block]:
    """List the fenced blocks of a page."""
    found, end = [], 0
    for match in _FENCE.finditer(text):
        reason = _NOT_RUN.search(match["comments"])
        found.append(
            Block(
                match["language"],
                match["body"],
                title=match["title"] or "",
                line=text.count("\n", 0, match.start("language")) + 1,
                reason=reason[1] if reason else None,
                long=_LONG in match["comments"],
                follows=not text[end : match.start()].strip(),
            )
        )
        end = match.end()
    return found


def with_outputs(found: Sequence[Block]) -> Iterator[tuple[Block, Block | None]]:
    """Yield every block, and the block that shows its output, if any."""
    for block, after in pairwise([*found, Block("", "")]):
        yield block, after if after.language == "text" and after.follows else None


def run_page(page: Path) -> None:
    """Execute a page's blocks in the current folder. Raises `PageError` at the first that does not do what it says."""
    parts = blocks(page.read_text(encoding="utf-8"))
    names: dict[str, object] = {"__name__": page.stem}
    for block, output in with_outputs(parts):
        try:
            if block.runs and (WHOLE in os.environ or not block.long):
                _execute(block, output, names)
            elif block.title and block.language != "text":
                Path(block.title).parent.mkdir(parents=True, exist_ok=True)
                Path(block.title).write_text(block.body, encoding="utf-8")
        except PageError as error:
            raise PageError(f"{page.name}, line {block.line}: {error}") from None


def _execute(block: Block, output: Block | None, names: dict[str, object]) -> None:
    body = block.body if WHOLE in os.environ else block.quick(output)
    printed, code = _run_python(body, names) if block.language == "python" else _run_shell(body)
    wanted = _EXIT_CODE.fullmatch(output.title) if output else None
    if code != (int(wanted[1]) if wanted else 0):
        raise PageError(f"exit code {code}\n{printed}")
    if output is not None and not agree(output.body, printed):
        raise PageError(f"it printed\n{printed}\nbut the page says\n{output.body}")


def _run_python(body: str, names: dict[str, object]) -> tuple[str, int]:
    importlib.invalidate_caches()
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        exec(compile(body, "<page>", "exec", dont_inherit=True), names)
    return printed.getvalue(), 0


def _run_shell(body: str) -> tuple[str, int]:
    command = ["bash", "-euo", "pipefail", "-c", body]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return done.stdout, done.returncode


def agree(wanted: str, found: str) -> bool:
    """Compare outputs word by word; see the module for what may differ."""
    runs = list(_split(wanted.split()))
    words = found.split()
    if len(runs) == 1:
        return _same(runs[0], words)
    first, *middle, last = runs
    if len(words) < len(first) + len(last) or not _same(first, words[: len(first)]):
        return False
    place, end = len(first), len(words) - len(last)
    for run in middle:
        place = next((at for at in range(place, end) if _same(run, words[at : at + len(run)])), end + 1) + len(run)
    return place <= end and _same(last, words[end:])


def _split(words: list[str]) -> Iterator[list[str]]:
    """Part words at every `…`."""
    run: list[str] = []
    for word in words:
        if word == "…":
            yield run
            run = []
        else:
            run.append(word)
    yield run


def _same(wanted: list[str], found: list[str]) -> bool:
    return len(wanted) == len(found) and all(map(_same_word, wanted, found))


def _same_word(wanted: str, found: str) -> bool:
    try:
        a, b = float(wanted.rstrip("*,;")), float(found.rstrip("*,;"))
    except ValueError:
        return wanted == found
    return abs(a - b) <= TOLERANCE * abs(a)


def enter(folder: Path, commands: Sequence[str] = ()) -> None:
    """Work in a part of `folder`; pip installs into another part, without a network.

    Args:
        folder: a new folder.
        commands: folders whose executables come before those of this environment.
    """
    site = folder / "site"
    site.mkdir(parents=True)
    sys.path.insert(0, str(site))
    tools = str(Path(sys.executable).parent)
    os.environ.update(
        PATH=os.pathsep.join([*commands, tools, os.environ.get("PATH", "")]),
        PYTHONPATH=os.pathsep.join([str(site), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]),
        ZOO_CONFIG=str(folder / "settings"),
        PIP_TARGET=str(site),
        PIP_NO_DEPS="1",
        PIP_NO_INDEX="1",
        PIP_NO_BUILD_ISOLATION="0",  # this is how pip spells "without"
        PIP_DISABLE_PIP_VERSION_CHECK="1",
    )
    (folder / "work").mkdir()
    os.chdir(folder / "work")


if __name__ == "__main__":
    page = Path(sys.argv[1]).absolute()
    enter(Path(sys.argv[2]).absolute(), sys.argv[3:])
    if page.stem == EXAMPLES.name:
        shutil.copytree(EXAMPLES, EXAMPLES.name, ignore=shutil.ignore_patterns("__pycache__"))
    try:
        run_page(page)
    except PageError as error:
        sys.exit(str(error))
