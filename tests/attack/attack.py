"""What an attack is: a hostile input, made in a folder, and what zoo does with it.

A module of this package holds two plain lists, either of which may be missing, and is named in `MODULES` of
``tests/attack/__main__.py``::

    ATTACKS = [
        Attack("registry", "aliases that double", make=write_bomb, run=("list", "--registry", "cards.yaml")),
        Attack("masks", "an EPS named .png", make=write_eps, run=lambda folder: read_mask(folder / "mask.png")),
        Attack("outputs", "a folder made meanwhile", make=toy, run=edit_while_writing, may=(REFUSED,), keeps=("out",)),
    ]
    FUZZED = [
        Fuzzed("registry", "damaged cards", seeds=honest_cards, read=read_cards, mutate=mutated_text),
    ]

Each attack runs in a process of its own, which is forked after zoo and torch are imported, with limits on its
processor time and its memory. The rows of the table in ``docs/trust.md`` are the pairs of `reader` and `kind`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from tests.attack.mutations import mutated_bytes

# What may come of an attack. The first two are right, the others never.
READ = "read"  # a command ended with exit code 0, or a function returned
REFUSED = "refused"  # one line and exit code 2, or a ZooError of one line
ERROR = "internal error"  # another exit code, another exception, a traceback, a second line, a crash
SLOW = "too slow"  # it took more than SECONDS of processor time, or hung
LARGE = "too much memory"  # its peak lay above 4 x the input + MEGABYTES
EXECUTED = "executed"  # a payload made the file PWNED, or a process was started
LOST = "lost"  # what `Attack.keeps` names is gone or changed
WRONG = "wrong"  # `Attack.check` failed, or control signs of the input reached the terminal
OUTCOMES = (READ, REFUSED, ERROR, SLOW, LARGE, EXECUTED, LOST, WRONG)

# Processor time of one attack, and the constant of the bound on memory; a fuzzed input is small, and takes less.
SECONDS = 60.0
FUZZED_SECONDS = 5.0
MEGABYTES = 400
FACTOR = 4

# The file that a payload makes, in the working folder.
PWNED = "PWNED"


class Closable(Protocol):
    """What `Attack.make` may return: something to close after the attack, such as a server."""

    def close(self) -> object: ...


@dataclass(frozen=True)
class Attack:
    """One hostile input.

    Attributes:
        reader: What reads it: ``weights``, ``notes``, ``directions``, ``codes``, ``registry``, ``masks``, ``archives``,
            ``responses``, ``plugins``, ``settings`` (of zoo itself), ``outputs``; the first column of the table.
        name: Its own name, one within its reader.
        make: Writes the input into an empty folder. What it returns is closed after the attack: a server must be a
            process of its own, so that its memory is not counted as zoo's.
        run: The words after ``zoo``, or a function of the folder that calls zoo. Either runs in the forked process,
            with the folder as working folder, and with ``ZOO_CACHE``, ``ZOO_CONFIG`` and ``HOME`` in folders of its
            own. A function may start further processes of zoo where the attack needs several (see `others`).
        kind: The row of the table that it is counted in; `name` by default.
        may: What is right here, of `OUTCOMES`.
        environment: Further variables; a value None removes one.
        keeps: Files and folders, relative to the folder, that must be the same afterwards, byte by byte.
        check: Called with the folder afterwards, in the first process; its `AssertionError` means `WRONG`.
        size: The size of the input in bytes, where it is not that of all files in the folder.
        others: Whether it starts processes itself; otherwise any process that it starts means `EXECUTED`.
    """

    reader: str
    name: str
    make: Callable[[Path], Closable | object]
    run: Sequence[str] | Callable[[Path], object]
    kind: str = ""
    may: tuple[str, ...] = (REFUSED,)
    environment: Mapping[str, str | None] = field(default_factory=dict)
    keeps: tuple[str, ...] = ()
    check: Callable[[Path], object] | None = None
    size: int | None = None
    others: bool = False

    @property
    def row(self) -> tuple[str, str]:
        """Reader and kind."""
        return self.reader, self.kind or self.name


@dataclass(frozen=True)
class Fuzzed:
    """Inputs that are made at random from honest and hostile ones, and read one after another.

    Input number i of a seed is the same on every machine. Right is what returns, and a `ZooError` of one line.

    Attributes:
        reader: As of an `Attack`.
        name: The row of the table.
        seeds: Makes the inputs that are damaged; called once in each process.
        read: Reads one input; it is called with the path of the file, whose folder is the working folder. What it makes
            beside the file counts as a payload that ran.
        suffix: How the name of the file ends, such as ``.yaml``.
        mutate: Makes one input of the seeds.
        share: How many of the inputs of a run are these, relative to the others.
        seconds: The limit on the processor time of one input.
    """

    reader: str
    name: str
    seeds: Callable[[], Sequence[bytes]]
    read: Callable[[Path], object]
    suffix: str = ""
    mutate: Callable[[Sequence[bytes], random.Random], bytes] = mutated_bytes
    share: float = 1.0
    seconds: float = FUZZED_SECONDS

    @property
    def row(self) -> tuple[str, str]:
        """Reader and name."""
        return self.reader, self.name
