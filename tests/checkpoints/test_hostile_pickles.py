"""Hostile pickles: every payload is proved to run where files are trusted, and does nothing here.

With ``HOSTILE_LISTING=FILE`` in the environment, the outcome of each file is appended to that file.
"""

import json
import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.support.hostile_pickles import BOMB, Hostile, corpus
from zoo import CheckpointError
from zoo.checkpoints.reader import read_checkpoint

ROOT = Path(__file__).parents[2]
# Processor time and memory that reading one file may take.
SECONDS = 5
MEGABYTES = 700
FILES = corpus()


def in_a_process(call: str, folder: Path) -> str:
    """Run a function of the corpus in an empty folder; return what it printed last."""
    command = [sys.executable, "-c", f"from tests.support import hostile_pickles; hostile_pickles.{call}"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, sys.path)])}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout.splitlines()[-1]


@pytest.mark.long
def test_every_payload_is_live(tmp_path: Path) -> None:
    ran = json.loads(in_a_process("trust_all()", tmp_path))
    assert [hostile.id for hostile in FILES if hostile.live is not None and hostile.id not in ran] == []


@pytest.mark.parametrize("hostile", [pytest.param(one, id=one.id) for one in FILES if one.kind != BOMB])
def test_nothing_is_run(hostile: Hostile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(hostile.content)
    monkeypatch.chdir(tmp_path)
    start = time.process_time()
    try:
        outcome = f"read: {', '.join(read_checkpoint(Path('file')).state)}"
    except CheckpointError as error:
        outcome = str(error)
    check(hostile, outcome, time.process_time() - start)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.long
def test_bombs_stay_within_time_and_memory(tmp_path: Path) -> None:
    outcomes = json.loads(in_a_process(f"read_bombs({MEGABYTES})", tmp_path))
    for bomb in (hostile for hostile in FILES if hostile.kind == BOMB):
        check(bomb, *outcomes[bomb.id])


def check(hostile: Hostile, outcome: str, seconds: float) -> None:
    """Assert that a file was read if it may be, and else refused with one line, and how much processor time it took."""
    assert outcome.startswith(
        "read: " if hostile.reads else ("file was refused: ", "file is ", "file holds ", "file, a zip archive, holds ")
    ), outcome
    assert hostile.words in outcome and outcome.isprintable() and len(outcome) < 300
    assert seconds < SECONDS, outcome
    if listing := os.environ.get("HOSTILE_LISTING"):
        with Path(listing).open("a", encoding="utf-8") as file:
            file.write(f"{hostile.kind}\t{hostile.id}\t{seconds:.2f} s\t{outcome}\n")


def test_no_two_files_share_a_name_and_the_guide_counts_them() -> None:
    assert len({hostile.id for hostile in FILES}) == len(FILES)
    guide = (ROOT / "docs" / "trust.md").read_text(encoding="utf-8")
    read = Counter(hostile.kind for hostile in FILES if hostile.reads)
    for kind, count in Counter(hostile.kind for hostile in FILES).items():
        row = f"| {kind} | {count} | {read[kind] if kind in read or kind.startswith('a call') else '–'} |"
        assert row in guide, row
