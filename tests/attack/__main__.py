"""Attack every reader of zoo, and write what came of it.

    python -m tests.attack                        everything: all attacks, and 1,000,000 fuzzed inputs
    python -m tests.attack --count 20000          fewer fuzzed inputs
    python -m tests.attack weights masks          these readers only
    python -m tests.attack --only "alias bomb"    attacks whose name or kind contains these words

With ``--write``, the table goes to ``docs/attacks.json``, from which ``docs/generate.py`` makes that of
``docs/trust.md``. A run that was stopped goes on where it was: what is done lies in the folder ``--state``. Inputs that
fail are kept there too. The exit code is 1 if any input was neither read nor refused.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tests.attack.attack import Attack, Fuzzed
from tests.attack.child import Result, attempt, preload
from tests.attack.fuzzing import Batch, Counts, batches, counts_of, input_of, run_batches

MODULES = ("weights", "settings", "lost", "readers", "registry", "responses", "plugins")
TABLE = Path(__file__).parents[2] / "docs" / "attacks.json"
COUNT = 1_000_000

Row = dict[str, Any]


def collect() -> tuple[list[Attack], list[Fuzzed]]:
    """All attacks and all fuzzed inputs, in the order of `MODULES`."""
    modules = [importlib.import_module(f"tests.attack.{name}") for name in MODULES]
    attacks = [one for module in modules for one in getattr(module, "ATTACKS", [])]
    fuzzed = [one for module in modules for one in getattr(module, "FUZZED", [])]
    names = [(one.reader, one.name) for one in (*attacks, *fuzzed)]
    assert len(set(names)) == len(names), f"two attacks have one name: {[n for n in names if names.count(n) > 1]}"
    return attacks, fuzzed


def first_of_each(attacks: Sequence[Attack]) -> list[Attack]:
    """The first attack of each row, for a run of seconds."""
    return list({one.row: one for one in reversed(attacks)}.values())[::-1]


def tally(attacks: Sequence[Attack], report: Callable[[Attack, Result], object]) -> tuple[list[Row], int]:
    """Run attacks one after another; return the rows of the table, and how many went wrong."""
    rows: dict[tuple[str, str], Row] = {}
    wrong = 0
    for attack in attacks:
        result = attempt(attack)
        report(attack, result)
        wrong += result.outcome not in attack.may
        row = rows.setdefault(attack.row, _row(*attack.row))
        _count(row, {result.outcome: 1}, result.seconds, result.memory)
    return list(rows.values()), wrong


def tally_fuzzed(done: Sequence[Batch], state: Path) -> tuple[list[Row], list[tuple[Batch, int, str, str]]]:
    """Add up the counts of batches; return the rows of the table, and what failed."""
    rows: dict[tuple[str, str], Row] = {}
    failures = []
    for batch in done:
        counts: Counts = counts_of(batch, state)
        row = rows.setdefault(batch.fuzzed.row, {**_row(*batch.fuzzed.row), "fuzzed": True})
        _count(row, counts.outcomes, counts.seconds, counts.memory)
        failures += [(batch, *failure) for failure in counts.failures]
    return list(rows.values()), failures


def _row(reader: str, attack: str) -> Row:
    return {"reader": reader, "attack": attack, "count": 0, "outcomes": {}, "seconds": 0.0, "megabytes": 0}


def _count(row: Row, outcomes: dict[str, int], seconds: float, memory: int) -> None:
    for outcome, count in outcomes.items():
        row["count"] += count
        row["outcomes"][outcome] = row["outcomes"].get(outcome, 0) + count
    row["seconds"] = round(max(row["seconds"], seconds), 2)
    row["megabytes"] = max(row["megabytes"], memory >> 20)


def _tell(attack: Attack, result: Result) -> None:
    right = "   " if result.outcome in attack.may else ">>>"
    cost = f"{result.seconds:6.2f} s {result.memory >> 20:5} MB"
    print(f"{right} {attack.reader:11} {attack.name:45.45} {result.outcome:9} {cost}  {result.words:.150}", flush=True)


def _fuzz(fuzzed: Sequence[Fuzzed], choice: argparse.Namespace) -> tuple[list[Row], int]:
    """Read fuzzed inputs, keep those that fail, and return rows and how many failed."""
    choice.state.mkdir(parents=True, exist_ok=True)
    todo = batches(fuzzed, choice.count, choice.seed)
    done = []
    for batch in run_batches(todo, choice.jobs, choice.state, time.monotonic() + choice.seconds):
        done.append(batch)
        if sys.stderr.isatty():
            print(f"\r{len(done):,} of {len(todo):,} batches", end="", file=sys.stderr, flush=True)
    rows, failures = tally_fuzzed(done, choice.state)
    for batch, index, outcome, words in failures:
        kept = choice.state / f"failure-{batch.fuzzed.reader}-{batch.seed}-{index}{batch.fuzzed.suffix}"
        kept.write_bytes(input_of(batch.fuzzed, batch.fuzzed.seeds(), batch.seed, index))
        print(f">>> {' · '.join(batch.fuzzed.row)}, input {index}: {outcome}, {words}\n    kept as {kept}")
    for row in rows:
        print(f"    {row['reader']:11} {row['attack']:45.45} {row['count']:9,} {row['outcomes']} {row['seconds']} s")
    return rows, len(failures)


def main() -> int:
    """Attack as the command line says, and print what came of it."""
    parser = argparse.ArgumentParser(description="Attack every reader of zoo.")
    parser.add_argument("readers", nargs="*", help="such as weights; all by default")
    parser.add_argument("--only", default="", help="attacks whose name or kind contains these words")
    parser.add_argument("--count", type=int, default=COUNT, help=f"fuzzed inputs of all readers ({COUNT:,})")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="start no further inputs after this time")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1, help="processes that read fuzzed inputs at a time")
    parser.add_argument("--state", type=Path, default=Path("build/attack"), help="a folder for what is done")
    parser.add_argument("--quick", action="store_true", help="only the first attack of each kind")
    parser.add_argument("--write", action="store_true", help=f"write {TABLE.name}")
    choice = parser.parse_args()
    attacks, fuzzed = collect()
    readers = {one.reader for one in attacks} | {one.reader for one in fuzzed}
    if unknown := set(choice.readers) - readers:
        parser.error(f"{', '.join(sorted(unknown))}: no such reader; there are {', '.join(sorted(readers))}")
    attacks = [one for one in attacks if not choice.readers or one.reader in choice.readers]
    fuzzed = [one for one in fuzzed if not choice.readers or one.reader in choice.readers]
    attacks = [one for one in attacks if choice.only in f"{one.name} {one.kind}"]
    fuzzed = [one for one in fuzzed if choice.only in one.name]
    preload()
    attacks = first_of_each(attacks) if choice.quick else attacks
    rows, wrong = tally(attacks, _tell)
    fuzzed_rows, failures = _fuzz(fuzzed, choice) if fuzzed and choice.count else ([], 0)
    rows += fuzzed_rows
    count = sum(row["count"] for row in rows)
    print(f"{count:,} inputs, of which {wrong + failures:,} were neither read nor refused as they should be")
    if choice.write:
        TABLE.write_text(json.dumps({"seed": choice.seed, "rows": rows}, indent=1) + "\n", encoding="utf-8")
    return int(bool(wrong or failures))


if __name__ == "__main__":
    raise SystemExit(main())
