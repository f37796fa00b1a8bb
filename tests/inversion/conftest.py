"""Shorter searches, which suffice for the small networks of these tests."""

import pytest

from zoo.inversion.solving import solvers, starts


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starts, "_LEAST_FOR_PRIOR", 512)
    monkeypatch.setattr(starts, "_MOST_STARTS", 64)
    for name, rounds in {"_RIDGE_ROUNDS": 12, "_LONG_ROUNDS": 40, "_LM_ROUNDS": 30}.items():
        monkeypatch.setattr(solvers, name, rounds)
