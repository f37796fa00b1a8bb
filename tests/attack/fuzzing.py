"""Many fuzzed inputs, one after another in forked processes, with the cost of each."""

from __future__ import annotations

import functools
import json
import mmap
import os
import random
import re
import shutil
import signal
import struct
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from tests.attack.attack import ERROR, EXECUTED, FACTOR, LARGE, MEGABYTES, READ, REFUSED, SLOW, Fuzzed
from tests.attack.child import TooSlowError, called, give_back, limit, resident, watch

# How many inputs one process reads.
BATCH = 2000
# Files in memory, where there are such: the disk is not what is tried.
_MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


@dataclass
class Counts:
    """What came of the inputs of one `Fuzzed`.

    Attributes:
        outcomes: How often each came.
        seconds: The longest that one took.
        memory: The highest peak of one above what there was before the first, in bytes.
        beyond: The same, less four times the input.
        failures: Number of the input, outcome and words, of those that were neither read nor refused.
    """

    outcomes: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    memory: int = 0
    beyond: int = 0
    failures: list[tuple[int, str, str]] = field(default_factory=list)

    def add(self, other: Counts) -> None:
        """Add the counts of further inputs."""
        self.outcomes = dict(Counter(self.outcomes) + Counter(other.outcomes))
        self.seconds = max(self.seconds, other.seconds)
        self.memory = max(self.memory, other.memory)
        self.beyond = max(self.beyond, other.beyond)
        self.failures += other.failures


@dataclass(frozen=True)
class Batch:
    """The inputs of one process, from `begin` up to `end`."""

    fuzzed: Fuzzed
    seed: int
    begin: int
    end: int

    @property
    def name(self) -> str:
        """The name of the file of its counts."""
        words = "-".join([*self.fuzzed.row, str(self.seed), f"{self.begin}-{self.end}"])
        return re.sub(r"[^\w-]+", "-", words) + ".json"


def input_of(fuzzed: Fuzzed, files: Sequence[bytes], seed: int, index: int) -> bytes:
    """Make input number `index` of a seed."""
    return fuzzed.mutate(files, random.Random(f"{seed}:{fuzzed.reader}:{fuzzed.name}:{index}"))


@functools.cache
def seeds_of(fuzzed: Fuzzed) -> Sequence[bytes]:
    """The inputs that are damaged."""
    return fuzzed.seeds()


def batches(all_fuzzed: Sequence[Fuzzed], count: int, seed: int) -> list[Batch]:
    """Split a number of inputs over all readers and over processes, in turn, so that each comes early."""
    whole = sum(one.share for one in all_fuzzed)
    made = []
    for fuzzed in all_fuzzed:
        most = max(1, round(count * fuzzed.share / whole))
        made += [Batch(fuzzed, seed, begin, min(begin + BATCH, most)) for begin in range(0, most, BATCH)]
    return sorted(made, key=lambda batch: batch.begin / batch.fuzzed.share)


def run_batches(todo: Sequence[Batch], jobs: int, state: Path, until: float = float("inf")) -> Iterator[Batch]:
    """Run what has no counts in the folder `state` yet, several at a time, and say which are done."""
    running: dict[int, Batch] = {}
    waiting = [batch for batch in todo if not (state / batch.name).exists()]
    yield from (batch for batch in todo if batch not in waiting)
    while waiting or running:
        while waiting and len(running) < jobs and time.monotonic() < until:
            batch = waiting.pop(0)
            seeds_of(batch.fuzzed)  # once, for all processes
            pid = os.fork()
            if pid == 0:
                _conduct(batch, state)
            running[pid] = batch
        if not running:
            return
        time.sleep(0.02)
        ended = [pid for pid in running if os.waitpid(pid, os.WNOHANG)[0]]
        yield from (batch for batch in map(running.pop, ended) if (state / batch.name).exists())


def counts_of(batch: Batch, state: Path) -> Counts:
    """Read the counts of a batch that is done."""
    return Counts(**json.loads((state / batch.name).read_text("utf-8")))


def _conduct(batch: Batch, state: Path) -> NoReturn:
    """Fork a reader of the batch, and another behind each input that kills it; write the counts once all are read."""
    code = 1
    with suppress(BaseException):
        counts, shared, begin = Counts(), mmap.mmap(-1, 8), batch.begin
        while begin < batch.end:
            with tempfile.TemporaryDirectory(prefix="zoo-fuzz-", dir=_MEMORY) as folder:
                begin = _one_reader(batch, begin, Path(folder), shared, counts)
        partial = state / f"{batch.name}.{os.getpid()}"
        partial.write_text(json.dumps(asdict(counts)), "utf-8")
        partial.rename(state / batch.name)
        code = 0
    os._exit(code)


def _one_reader(batch: Batch, begin: int, folder: Path, shared: mmap.mmap, counts: Counts) -> int:
    """Let one process read from `begin` on; return the number of the first input that nobody has read."""
    shared[:] = struct.pack("<q", begin)
    pid = os.fork()
    if pid == 0:
        with suppress(BaseException):
            _read_all(batch, begin, folder, shared)
            os._exit(0)
        os._exit(1)
    _, status = os.waitpid(pid, 0)
    for line in (folder / "lines").read_text("utf-8").splitlines() if (folder / "lines").exists() else []:
        counts.add(Counts(*json.loads(line)))
    if status == 0:
        return batch.end
    index: int = struct.unpack("<q", shared[:])[0]
    code = os.waitstatus_to_exitcode(status)
    outcome = SLOW if code in {-signal.SIGXCPU, -signal.SIGALRM} else ERROR
    counts.add(Counts({outcome: 1}, failures=[(index, outcome, f"the process ended with {code}")]))
    return index + 1


def _read_all(batch: Batch, begin: int, folder: Path, shared: mmap.mmap) -> None:
    """Read one input after another, and write a line for each."""
    null = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(null, number)
    work = folder / "work"
    work.mkdir()
    os.chdir(work)
    own = {"ZOO_CACHE": "cache", "ZOO_CONFIG": "config", "HOME": "home", "ZOO_JACOBIANS": "jacobians"}
    os.environ.update({variable: str(folder / name) for variable, name in own.items()})
    watch(folder / "started")
    signal.signal(signal.SIGPROF, _ring)
    files = seeds_of(batch.fuzzed)
    limit(max(map(len, files), default=0), seconds=86_400)  # alarms limit the time of each input
    give_back()
    gauge = Gauge(resident())
    with (folder / "lines").open("w", encoding="utf-8") as lines:
        for index in range(begin, batch.end):
            shared[:] = struct.pack("<q", index)
            content = input_of(batch.fuzzed, files, batch.seed, index)
            lines.write(json.dumps(_read_one(batch.fuzzed, index, content, work, gauge)) + "\n")
            lines.flush()


@dataclass(frozen=True)
class Gauge:
    """Measures the peaks of this process, again and again.

    Attributes:
        baseline: The memory before the first input, in bytes. What one input leaves to the next counts for both.
    """

    baseline: int
    _status: int = field(default_factory=lambda: os.open("/proc/self/status", os.O_RDONLY))
    _clear: int = field(default_factory=lambda: os.open("/proc/self/clear_refs", os.O_WRONLY))

    def begin(self) -> None:
        """Let the peak start anew."""
        os.pwrite(self._clear, b"5", 0)

    def peak(self) -> int:
        """The peak above the baseline since then, in bytes."""
        status = os.pread(self._status, 4096, 0)
        return max(0, int(status.split(b"VmHWM:")[1].split(None, 1)[0]) * 1024 - self.baseline)


def _read_one(fuzzed: Fuzzed, index: int, content: bytes, work: Path, gauge: Gauge) -> list[Any]:
    """Read one input; return the arguments of its `Counts`."""
    file = work / f"file{fuzzed.suffix}"
    file.write_bytes(content)
    gauge.begin()
    start = time.process_time()
    signal.alarm(int(12 * fuzzed.seconds) + 10)
    signal.setitimer(signal.ITIMER_PROF, fuzzed.seconds + 1)
    try:
        outcome, words = called(lambda: fuzzed.read(file))
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.alarm(0)
    seconds, memory = time.process_time() - start, gauge.peak()
    beyond = memory - FACTOR * len(content)
    if seconds > fuzzed.seconds:
        outcome, words = SLOW, f"{seconds:.1f} s"
    elif beyond > MEGABYTES << 20:
        outcome, words = LARGE, f"{beyond >> 20} MB beyond"
    left = [name for name in os.listdir(work) if name != file.name]  # noqa: PTH208 paths of all would take as long as reading
    if left or (work.parent / "started").exists():
        outcome, words = EXECUTED, f"{left}"
        _clear(work)
    failed = outcome not in {READ, REFUSED}
    return [{outcome: 1}, seconds, memory, beyond, [(index, outcome, words[:2000])] if failed else []]


def _clear(work: Path) -> None:
    """Remove what an input left, so that the next is not blamed."""
    for path in [*work.iterdir(), work.parent / "started"]:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _ring(*_: object) -> NoReturn:
    raise TooSlowError("it takes too long")
