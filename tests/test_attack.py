"""A short run of all attacks, and a longer one, by `pytest -m long`; `python -m tests.attack` makes the whole."""

import gc
import json
import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from tests.attack.__main__ import TABLE, collect
from tests.attack.attack import LARGE, LOST, READ, REFUSED
from tests.attack.child import attempt
from tests.attack.fuzzing import input_of
from tests.attack.weights import ATTACKS, FUZZED
from tests.support import fork_server

ROOT = Path(__file__).parents[1]
PIECES = 3000


@pytest.mark.long
@pytest.mark.parametrize("words", [("--quick", "--count", "300"), ("--count", "30000")])
def test_attacks_are_read_or_refused_and_nothing_else(words: tuple[str, ...], tmp_path: Path) -> None:
    command = [fork_server.python(), "-m", "tests.attack", *words, "--state", str(tmp_path)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    wrong = [line for line in ended.stdout.splitlines() if line.startswith(">>>")]
    assert (ended.returncode, wrong) == (0, []), ended.stderr[-2000:]
    count = int(re.findall(r"([\d,]+) inputs, of which 0", ended.stdout)[0].replace(",", ""))
    assert count > int(words[-1]) * 0.9


def test_an_input_is_the_same_whenever_it_is_made() -> None:
    [fuzzed] = FUZZED
    files = fuzzed.seeds()
    first, second = ([input_of(fuzzed, files, 2, index) for index in range(50)] for _ in range(2))
    assert first == second and len(set(first)) > 40


def test_the_harness_sees_what_goes_wrong() -> None:
    """An attack that succeeds is seen to: each outcome that is never right."""

    def starts(folder: Path) -> None:
        subprocess.run(["true"], check=False)

    def loses(folder: Path) -> None:
        (folder / "file").unlink()

    def fails(folder: Path) -> None:
        raise KeyError("x")

    def grows(folder: Path) -> None:
        assert len(b"x" * (500 << 20))

    def judges(folder: Path) -> None:
        raise AssertionError("0 of 3 points")

    attack = replace(ATTACKS[0], may=(READ,), keeps=("file",))
    outcomes = [attempt(replace(attack, run=run)).outcome for run in (starts, loses, fails, grows, judges)]
    assert outcomes == ["executed", LOST, "internal error", LARGE, "wrong"]
    assert attempt(attack).outcome == REFUSED


def test_memory_that_was_left_over_before_an_attack_is_no_gift_to_it() -> None:
    """A fork inherits free memory and garbage; what an attack takes out of them is measured all the same."""

    def takes_pieces(folder: Path) -> None:
        assert len([bytearray(2**15) for _ in range(PIECES)]) == PIECES

    def collects(folder: Path) -> None:
        gc.collect()
        assert len(b"x" * (500 << 20))

    class Node:
        me: object

    attack = replace(ATTACKS[0], may=(READ,))
    pieces = [bytearray(2**15) for _ in range(PIECES)]
    last = bytearray(2**15)  # keeps the allocator from giving the free memory back
    del pieces
    garbage = Node()
    garbage.me = [garbage, b"x" * (200 << 20)]
    del garbage
    results = [attempt(replace(attack, run=run)) for run in (takes_pieces, collects)]
    gc.collect()
    assert [one.outcome for one in results] == [READ, LARGE], results
    assert results[0].memory > 0.9 * PIECES * 2**15, len(last)


def test_the_table_of_the_page_has_every_attack_and_all_are_held() -> None:
    rows = json.loads(TABLE.read_text("utf-8"))["rows"]
    attacks, fuzzed = collect()
    assert {(row["reader"], row["attack"]) for row in rows} == {one.row for one in attacks} | {
        one.row for one in fuzzed
    }
    assert {outcome for row in rows for outcome in row["outcomes"]} <= {READ, REFUSED}
