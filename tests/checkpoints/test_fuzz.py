"""A short run of the fuzzer; `python -m tests.fuzz` makes long ones."""

from tests import fuzz


def test_damaged_files_are_read_or_refused_and_nothing_else() -> None:
    outcomes = fuzz.fuzz(fuzz.numbered(seed=1, count=1000))
    assert [(index, outcome) for index, outcome, _ in outcomes.failures] == []
    assert outcomes.counts.total() == 1000
    assert outcomes.counts["read"] > 20 and sum(outcome.startswith("was refused") for outcome in outcomes.counts) > 10


def test_an_input_is_the_same_whenever_it_is_made() -> None:
    files = fuzz.seeds()
    assert [fuzz.mutated(files, 2, index) for index in range(50)] == [
        fuzz.mutated(files, 2, index) for index in range(50)
    ]
