"""Which of many cases run with every test, and which with the long ones."""

from collections.abc import Collection, Iterable
from typing import Any

import pytest


def mostly_long(cases: Iterable[Any], often: Collection[Any]) -> list[Any]:
    """Mark cases that are much like others.

    Args:
        cases: The values of a parameter, or tuples of those of several.
        often: Those that run with every test.

    Returns:
        The values; all others run by ``pytest -m long``.
    """
    rare = pytest.mark.long
    return [
        case if case in often else pytest.param(*(case if isinstance(case, tuple) else (case,)), marks=rare)
        for case in cases
    ]
