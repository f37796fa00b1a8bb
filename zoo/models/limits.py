"""Numbers of codes, seeds and classes that a model takes."""

import re
from collections.abc import Sequence
from typing import SupportsIndex

from zoo.core.codes import MOST_TRUNCATION
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
