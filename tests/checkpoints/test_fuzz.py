"""A short run of the fuzzer, and a longer one by `pytest -m long`; `python -m tests.fuzz` makes runs of any length."""

import pytest

from tests import fuzz


@pytest.mark.parametrize("count", [1000, pytest.param(20_000, marks=pytest.mark.long)])
def test_damaged_files_are_read_or_refused_and_nothing_else(count: int) -> None:
    outcomes = fuzz.fuzz(fuzz.numbered(seed=1, count=count))
    assert [(index, outcome) for index, outcome, _ in outcomes.failures] == []
    assert outcomes.counts.total() == count
    assert outcomes.counts["read"] > 20 and sum(outcome.startswith("was refused") for outcome in outcomes.counts) > 10


def test_an_input_is_the_same_whenever_it_is_made() -> None:
    files = fuzz.seeds()
    assert [fuzz.mutated(files, 2, index) for index in range(50)] == [
        fuzz.mutated(files, 2, index) for index in range(50)
    ]
