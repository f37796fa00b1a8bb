"""Damage at random: to any bytes, to pickles by whole instructions, to texts, and to values of JSON or YAML."""

from __future__ import annotations

import functools
import io
import json
import pickletools
import random
import zipfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from tests.support.hostile_pickles import COMMAND, SYSTEM
from zoo.checkpoints.unpickle.limits import BrokenError, RefusedError
from zoo.checkpoints.unpickle.opcodes import read_opcodes

Mutation = Callable[[bytes, Sequence[bytes], random.Random], bytes]

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
# Words that a parser of YAML or JSON may stumble over.
_WORDS = (
    *("null", "true", "-1", "0", "1e999", "-1e999", ".nan", "NaN", "Infinity", "9" * 400, "0x" + "f" * 300, "1_000"),
    *("1:30", "[]", "{}", "[[[[[[", "{a: {a: {a: ", "&a [*a]", "*a", "<<: *a", "!!int ''", "!!bool maybe", "!!set {}"),
    *("!!python/object/apply:os.system ['touch PWNED']", "!!timestamp 0000-99-99", "? ", "- - - ", "%YAML 9.9\n"),
    *('"\\ud800"', "\x1b[2J", "\u202e", "\x00", "'", '"', "|", ">", "\t", "\r", "=", "~", "2020-13-45", "../../.."),
    *("/dev/zero", "---\n", "!!binary x"),
)


def mutated_bytes(files: Sequence[bytes], chance: random.Random) -> bytes:
    """Damage one of the files at one to four places."""
    return damaged(chance.choice(files), files, chance, PLAIN)


def mutated_pickle(files: Sequence[bytes], chance: random.Random) -> bytes:
    """Damage one of the files, most often a whole instruction of the pickle in it."""
    content = chance.choice(files)
    mutations = [*PLAIN, *[_instructed] * 6]
    if content.startswith(b"PK") and chance.random() < 0.8:
        return _within_archive(content, lambda pickled: damaged(pickled, files, chance, mutations))
    return damaged(content, files, chance, mutations)


def mutated_text(files: Sequence[bytes], chance: random.Random) -> bytes:
    """Damage one of the texts, most often by words that parsers stumble over."""
    return damaged(chance.choice(files), files, chance, [*PLAIN, *[_worded] * 6])


def mutated_value(value: Any, chance: random.Random, times: int | None = None) -> Any:
    """Copy a value of JSON and change one to three of its nodes: each becomes a value of another type or size."""
    value = json.loads(json.dumps(value))
    for _ in range(times or chance.choice([1, 1, 2, 3])):
        value = _renode(value, chance)
    return value


def strange_value(near: Any, chance: random.Random) -> Any:
    """A value that no reader expects, or one that it may: near to `near`, or far from it."""
    numbers = [0, -1, 1, 2, 3, 7, 64, 4096, 10**6, 2**31, 2**63, 10**30, 10**400, 0.5, -0.25, 1e-300, 1e300]
    texts = ["", "4", "yes", "nan", "\ud800", "\x1b[31m", "x" * 1000]
    strange: list[Any] = [*texts, None, True, False, [], {}, [[]], {"a": []}]
    if isinstance(near, bool) or not isinstance(near, int | float) or abs(near) > 10**100:
        return chance.choice([*strange, *numbers])
    scaled = [near * 2, near / 2, near * 1000, -near, near + 1, near - 1, str(near), [near], float(near)]
    return chance.choice([*scaled, *scaled, *numbers, *strange, float("inf"), float("nan")])


def _renode(value: Any, chance: random.Random, depth: int = 0) -> Any:
    """Change one node of a value."""
    if isinstance(value, dict) and value and chance.random() < 0.9:
        key = chance.choice(list(value))
        act = chance.random()
        if act < 0.08:
            return {name: part for name, part in value.items() if name != key}
        if act < 0.16:
            return {**value, chance.choice(["", "x", key + "x", "__class__"]): strange_value(value[key], chance)}
        return {**value, key: _renode(value[key], chance, depth + 1)}
    if isinstance(value, list) and value and chance.random() < 0.85:
        place = chance.randrange(len(value))
        act = chance.random()
        if act < 0.06:
            return value[:place]
        if act < 0.12:
            return value[:place] + value[place : place + 1] * chance.choice([2, 3, 50]) + value[place + 1 :]
        return [*value[:place], _renode(value[place], chance, depth + 1), *value[place + 1 :]]
    return strange_value(value, chance)


def damaged(content: bytes, files: Sequence[bytes], chance: random.Random, mutations: Sequence[Mutation]) -> bytes:
    """Apply one to four mutations."""
    for _ in range(chance.choice([1, 1, 1, 2, 4])):
        content = chance.choice(mutations)(content, files, chance)
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


def _worded(content: bytes, files: Sequence[bytes], chance: random.Random) -> bytes:
    """Put a word in place of one, or before or behind it."""
    word = chance.choice(_WORDS).encode("utf-8", "surrogatepass")
    begin, end = _span(content, chance, 12)
    between = chance.choice([b"", b" ", b"\n", b": ", b", "])
    return content[:begin] + between + word + between + content[chance.choice([begin, end]) :]


PLAIN: list[Mutation] = [_flipped, _cut_short, _cut_out, _repeated, _overwritten, _spliced]


@functools.lru_cache(4096)
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
