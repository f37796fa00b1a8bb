"""Which of many cases run with every test, and which with the long ones."""

from collections.abc import Collection, Iterable
from typing import Any

import pytest

PARAM = type(pytest.param())


def mostly_long(cases: Iterable[Any], often: Collection[Any]) -> list[Any]:
    """Mark cases that are much like others.

    Args:
        cases: The values of a parameter, tuples of those of several, or what ``pytest.param`` returns.
        often: Those that run with every test; of what ``pytest.param`` returns, the ids.

    Returns:
        The values; all others run by ``pytest -m long``.
    """
    rare = pytest.mark.long
    marked = []
    for case in cases:
        if isinstance(case, PARAM):
            marks = case.marks if case.id in often else (*case.marks, rare)
            marked.append(pytest.param(*case.values, id=case.id, marks=marks))
        elif case in often:
            marked.append(case)
        else:
            marked.append(pytest.param(*(case if isinstance(case, tuple) else (case,)), marks=rare))
    return marked
