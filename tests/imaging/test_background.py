"""Tasks beside other work: all of them are done in the end, few wait at a time, and errors are raised."""

from __future__ import annotations

import threading

import pytest

from zoo.imaging.background import InBackground


def test_results_come_in_the_order_in_which_they_are_asked_for() -> None:
    with InBackground() as background:
        results = [background.start(pow, number, 2) for number in range(50)]
        assert [result() for result in results] == [number**2 for number in range(50)]


def test_all_tasks_are_done_at_the_end() -> None:
    done: list[int] = []
    with InBackground() as background:
        for number in range(30):
            background.start(done.append, number)
    assert sorted(done) == list(range(30))


def test_few_tasks_wait_at_a_time() -> None:
    go_on, started = threading.Event(), 0

    def fill() -> None:
        nonlocal started
        with InBackground() as background:
            for _ in range(100):
                background.start(go_on.wait)
                started += 1

    filling = threading.Thread(target=fill)
    filling.start()
    filling.join(0.3)
    assert filling.is_alive()
    assert 1 <= started <= 8
    go_on.set()
    filling.join()
    assert started == 100


def _fail() -> None:
    raise OSError("no space left")


def test_an_error_is_raised_at_the_end() -> None:
    with pytest.raises(OSError, match="no space"), InBackground() as background:
        background.start(_fail)


def test_an_error_ends_what_goes_on() -> None:
    started = 0
    with pytest.raises(OSError, match="no space"), InBackground() as background:
        for _ in range(1000):
            background.start(_fail)
            started += 1
    assert started < 100


def test_after_another_error_that_one_is_raised_and_what_waits_is_dropped() -> None:
    with pytest.raises(KeyboardInterrupt), InBackground() as background:
        background.start(_fail)
        raise KeyboardInterrupt
