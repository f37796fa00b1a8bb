"""Fuzz the reader of weights files: damage honest and hostile files at random and see that each is read or refused.

    python -m tests.fuzz --count 100000 --seed 0

Input number i of a seed is the same on every machine. A failure is anything but tensors or a `CheckpointError` of one
line: another exception, more than five seconds of computing, more memory than allowed, or a payload that ran.
Failures are kept in the folder `--keep`, and the exit code is 1.
"""

from __future__ import annotations

import argparse
import io
import itertools
import os
import pickletools
import random
import re
import resource
import signal
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from tests.support import containers
from tests.support.containers import network
from tests.support.hostile_pickles import COMMAND, SYSTEM, corpus
from zoo import CheckpointError
from zoo.checkpoints.reader import read_checkpoint
from zoo.checkpoints.unpickle.limits import BrokenError, RefusedError
from zoo.checkpoints.unpickle.opcodes import read_opcodes

# Processor time and memory that reading one input may take.
SECONDS = 5
MEGABYTES = 400
_LARGEST_SEED = 20_000
_NUMBERS = [
    b"\x00",
    b"\x7f",
    b"\xff",
    b"\xff\xff\xff\x7f",
    b"\xff" * 4,
    b"\x00" * 8,
    b"\xff" * 7 + b"\x7f",
    b"\xff" * 8,
]
_CODES = bytes(ord(operation.code) for operation in pickletools.opcodes)


@dataclass
class Outcomes:
    """How often each outcome occurred; `failures` are the inputs with a fault: number, outcome, content."""

    counts: Counter[str] = field(default_factory=Counter)
    failures: list[tuple[int, str, bytes]] = field(default_factory=list)
    slowest: float = 0.0


def seeds() -> list[bytes]:
    """The files that are damaged: the smaller hostile ones, and twice as many honest ones of every container."""
    generator = torch.Generator().manual_seed(0)
    state = {"mapping.w_avg": torch.ones(4), "synthesis.b4.weight": torch.randn(4, 3, generator=generator)}
    grown = network(state, init_kwargs={"c_dim": 0}, attributes={"": {"size": np.array([1, 2]), "gain": np.float64(2)}})
    plain = network(state, persistent=False)
    own, parts = containers.split_components({"lod": 0.0, "mapping/w": np.ones((2, 3), np.float32)}, {"mapping": {}})
    module = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2)).state_dict()
    honest = [
        *(containers.nvidia_pickle({"G_ema": grown}, protocol) for protocol in (2, 3, 4, 5)),
        *(containers.plain_class_pickle({"G_ema": plain}, protocol) for protocol in (2, 4)),
        *(containers.tensorflow_pickle(own, {"a": 1}, parts, version) for version in (None, 2, 3, 4, 5)),
        containers.tensorflow_pickle(own, {"a": 1}, parts, 3, python2=True),
        *(containers.torch_with_class(module, "models.Config", {"a": 1}, legacy=legacy) for legacy in (False, True)),
    ]
    hostile = [one.content for one in corpus() if len(one.content) < _LARGEST_SEED]
    return honest * (2 * len(hostile) // len(honest)) + hostile


def mutated(files: Sequence[bytes], seed: int, index: int) -> bytes:
    """Make input number `index`: one file with one to four mutations, most of them of whole instructions."""
    chance = random.Random(f"{seed}:{index}")
    content = chance.choice(files)
    if content.startswith(b"PK") and chance.random() < 0.8:
        return _within_archive(content, lambda pickled: _damaged(pickled, files, chance))
    return _damaged(content, files, chance)


def fuzz(inputs: Iterator[tuple[int, bytes]], seconds: float = float("inf")) -> Outcomes:
    """Read inputs in a temporary folder until they or the time are at an end."""
    outcomes = Outcomes()
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, _working_in(Path(folder)), _alarm():
        for index, content in inputs:
            if time.monotonic() - start > seconds:
                break
            _try(outcomes, index, content)
    return outcomes


def _try(outcomes: Outcomes, index: int, content: bytes) -> None:
    Path("file").write_bytes(content)
    before = _peak()
    start = time.process_time()
    signal.setitimer(signal.ITIMER_REAL, 12 * SECONDS)
    try:
        read_checkpoint(Path("file"))
        outcome = "read"
    except CheckpointError as error:
        outcome = _kind(str(error))
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        outcome = f"FAILURE {type(error).__name__}: {str(error)[:100]}"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    taken = time.process_time() - start
    if taken > SECONDS:
        outcome = "FAILURE it took too long"
    if _peak() - before > MEGABYTES * 2**20:
        outcome = "FAILURE it took too much memory"
    if [path.name for path in Path().iterdir()] != ["file"]:
        outcome = "FAILURE a payload ran"
        for path in Path().iterdir():
            path.unlink()
    outcomes.counts[outcome] += 1
    outcomes.slowest = max(outcomes.slowest, taken)
    if outcome.startswith("FAILURE"):
        outcomes.failures.append((index, outcome, content))


def _kind(message: str) -> str:
    """The kind of a refusal: its message without what differs from file to file."""
    if "\n" in message or len(message) > 400:
        return "FAILURE a message that is not one short line"
    words = re.sub(r"tensor .{0,80}?: |^file ", "", message).split()
    return " ".join(itertools.takewhile(str.isascii, (re.sub(r"\W*[\d'(._].*", "…", word) for word in words[:7])))


# --- damage ----------------------------------------------------------------------------------------------------------


def _damaged(content: bytes, files: Sequence[bytes], chance: random.Random) -> bytes:
    for _ in range(chance.choice([1, 1, 1, 2, 4])):
        content = chance.choice(_MUTATIONS)(content, files, chance)
    return content


def _span(content: bytes, chance: random.Random, most: int = 64) -> tuple[int, int]:
    begin = chance.randrange(len(content) + 1)
    return begin, min(len(content), begin + chance.randint(1, most))


def _flipped(content: bytes, files: Sequence[bytes], chance: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(chance.randint(1, 8) if content else 0):
        changed[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def _cut_short(content: bytes, files: Sequence[bytes], chance: random.Random) -> bytes:
    return content[: chance.randrange(len(content) + 1)]


def _cut_out(content: bytes, files: Sequence[bytes], chance: random.Random) -> bytes:
    begin, end = _span(content, chance)
    return content[:begin] + content[end:]


def _repeated(content: bytes, files: Sequence[bytes], chance: random.Random) -> bytes:
    begin, end = _span(content, chance)
    return content[:end] + content[begin:end] * chance.randint(1, 20) + content[end:]


def _overwritten(content: bytes, files: Sequence[bytes], chance: random.Random) -> bytes:
    begin = chance.randrange(len(content) + 1)
    number = chance.choice(_NUMBERS)
    return content[:begin] + number + content[begin + len(number) :]


def _spliced(content: bytes, files: Sequence[bytes], chance: random.Random) -> bytes:
    other = chance.choice(files)
    begin, end = _span(other, chance, 400)
    position = chance.randrange(len(content) + 1)
    return content[:position] + other[begin:end] + content[position:]


def _instructed(content: bytes, files: Sequence[bytes], chance: random.Random) -> bytes:
    """Change whole instructions: remove, repeat, swap or replace one, or insert a call or a read of the memo."""
    bounds = _instructions(content)
    if len(bounds) < 3:
        return _flipped(content, files, chance)
    first, second = sorted(chance.sample(range(len(bounds) - 1), 2))
    one, other = content[bounds[first] : bounds[first + 1]], content[bounds[second] : bounds[second + 1]]
    between, rest = content[bounds[first + 1] : bounds[second]], content[bounds[second + 1] :]
    call = SYSTEM + COMMAND + b"\x85R"
    changed = chance.choice(
        [
            between + other,
            one + one + between + other,
            other + between + one,
            bytes([chance.choice(_CODES)]) + one[1:] + between + other,
            call + between + other,
            call + one + between + other,
            b"h" + bytes([chance.randrange(40)]) + between + other,
            one + b"0" + between + other,
            one + between + one + other,
        ]
    )
    return content[: bounds[first]] + changed + rest


_MUTATIONS: list[Callable[[bytes, Sequence[bytes], random.Random], bytes]] = [
    _flipped,
    _cut_short,
    _cut_out,
    _repeated,
    _overwritten,
    _spliced,
    *[_instructed] * 6,
]


def _instructions(content: bytes) -> list[int]:
    """Where the instructions of a pickle begin, as far as it can be read."""
    begins = [0]
    with suppress(BrokenError, RefusedError):
        begins.extend(position for _, _, position in read_opcodes(memoryview(content)))
    return begins


def _within_archive(content: bytes, change: Callable[[bytes], bytes]) -> bytes:
    buffer = io.BytesIO()
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(buffer, "w") as new:
            for name in dict.fromkeys(old.namelist()):
                body = old.read(name)
                new.writestr(name, change(body) if name.endswith("data.pkl") else body)
    except (zipfile.BadZipFile, RuntimeError):
        return change(content)
    return buffer.getvalue()


# --- measuring -------------------------------------------------------------------------------------------------------


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@contextmanager
def _working_in(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


@contextmanager
def _alarm() -> Iterator[None]:
    def ring(*_: Any) -> None:
        raise TimeoutError("it hangs")

    before = signal.signal(signal.SIGALRM, ring)
    try:
        yield
    finally:
        signal.signal(signal.SIGALRM, before)


def numbered(seed: int, count: int | None = None) -> Iterator[tuple[int, bytes]]:
    """The inputs of a seed, in order."""
    files = seeds()
    index = 0
    while count is None or index < count:
        yield index, mutated(files, seed, index)
        index += 1


def main() -> int:
    """Fuzz as the command line says; print the counts."""
    parser = argparse.ArgumentParser(description="Fuzz the reader of weights files.")
    parser.add_argument("--count", type=int, help="how many inputs (default: no end)")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="for how long")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, default=Path("fuzz-failures"), help="a folder for inputs that fail")
    choice = parser.parse_args()
    outcomes = fuzz(numbered(choice.seed, choice.count), choice.seconds)
    for outcome, count in outcomes.counts.most_common():
        print(f"{count:9,}  {outcome}")
    summary: Counter[str] = Counter()
    for outcome, count in outcomes.counts.items():
        summary[" ".join(outcome.split()[:2])] += count
    print(", ".join(f"{count:,} {outcome}" for outcome, count in summary.most_common()))
    print(f"{outcomes.counts.total():9,}  in all; the slowest took {outcomes.slowest:.2f} s")
    for index, outcome, content in outcomes.failures:
        choice.keep.mkdir(exist_ok=True)
        (choice.keep / f"{choice.seed}-{index}").write_bytes(content)
        print(f"{outcome} (input {index}, kept in {choice.keep})")
    return int(bool(outcomes.failures))


if __name__ == "__main__":
    raise SystemExit(main())
