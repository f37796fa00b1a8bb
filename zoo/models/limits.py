"""Numbers of codes, seeds and classes that a model takes."""

import re
from collections.abc import Sequence
from typing import SupportsIndex

from zoo.core.truncation import MOST_TRUNCATION
from zoo.errors import OptionError, unknown_name

MAX_CODES = 100_000


def check_count(option: str, count: int, least: int = 1) -> None:
    """Refuse a number that is too small, or larger than any memory could hold.

    Args:
        option: What the number was given for, such as ``--samples``, for the error message.
        count: The number.
        least: The smallest that is accepted.

    Raises:
        OptionError: If it is no whole number within `least` and 100,000.
    """
    _require_whole(option, count)
    if not least <= count <= MAX_CODES:
        raise OptionError(f"{option} {count}: it is at least {least} and at most {MAX_CODES:,}")


def _require_whole(option: str, number: object) -> None:
    if not isinstance(number, SupportsIndex) or isinstance(number, bool):
        raise OptionError(f"{option}: it is a whole number, not {number!r:.60}")


def check_seed(seed: int) -> int:
    """Refuse a seed that torch's CPU generator would not tell from another one.

    Args:
        seed: The seed.

    Returns:
        The seed.

    Raises:
        OptionError: If it is no whole number within 0 and 2**32 - 1.
    """
    _require_whole("--seed", seed)
    if not 0 <= seed < 2**32:
        raise OptionError(f"--seed {seed}: a seed lies within 0 and {2**32 - 1}")
    return seed


def parse_seeds(seeds: str | Sequence[int]) -> tuple[int, ...]:
    """Read seeds, such as ``1,2,3`` or ``1-8,20``. Both ends of a range are included.

    Args:
        seeds: Their text, or numbers.

    Returns:
        The seeds, in the order that they were given in.

    Raises:
        OptionError: If the text cannot be read, a seed is out of range or there twice, or there are more than 100,000.
    """
    text = seeds if isinstance(seeds, str) else ",".join(map(str, seeds))
    found: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d{1,12})(?:\s*-\s*(\d{1,12}))?\s*", part)
        if not match:
            raise OptionError(f"--seeds {text}: write seeds as 1,2,3 or 1-8")
        first, last = int(match[1]), check_seed(int(match[2] or match[1]))
        if last < first:
            raise OptionError(f"--seeds {text}: {part.strip()} runs backwards; write the smaller seed first")
        check_count("--seeds: the number of seeds", len(found) + last - first + 1)
        found += range(first, last + 1)
    if len(set(found)) < len(found):
        twice = next(seed for seed in found if found.count(seed) > 1)
        raise OptionError(f"--seeds {text}: seed {twice} is there twice")
    return tuple(found)


def check_truncation(truncation: float | None) -> None:
    """Refuse a truncation that no family takes.

    Args:
        truncation: The truncation; None stands for none.

    Raises:
        OptionError: If it is not within 0 and 2.
    """
    if truncation is not None and not 0 <= truncation <= MOST_TRUNCATION:
        raise OptionError(f"--truncation {truncation}: it lies within 0 and {MOST_TRUNCATION:g}")


def find_class(model: str, classes: Sequence[str], label: int | str) -> int:
    """Find a class of a model.

    Args:
        model: The name of the model.
        classes: The names of its classes; none where it is not conditional.
        label: The name of one, in any case if that is unambiguous, or its index.

    Returns:
        Its index.

    Raises:
        OptionError: If there are no classes, or the index is out of range.
        UnknownNameError: If no class has the name.
    """
    if not classes:
        raise OptionError(f"--label {label}: {model} is not conditional and takes no label")
    if isinstance(label, str) and label in classes:
        return classes.index(label)
    folded = [name.casefold() for name in classes]
    if isinstance(label, str) and folded.count(label.casefold()) == 1:
        return folded.index(label.casefold())
    if isinstance(label, int) or re.fullmatch(r"\d{1,9}", label):
        if int(label) >= len(classes) or int(label) < 0:
            raise OptionError(f"--label {label}: {model} has the classes 0 to {len(classes) - 1}")
        return int(label)
    raise unknown_name(f"class of {model}", label, classes)
