"""The processes of a sweep, which may be killed at any moment.

One kill is made by default, and a hundred by ``pytest -m long``, with a sweep of bundled models.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.support import fork_server
from tests.sweep.conftest import REAL
from tests.sweep.test_sweep import OUT, content, sweep
from zoo.cli import INTERRUPTED, run
from zoo.sweep.folder import SweepFolder
from zoo.sweep.places import place_at
from zoo.sweep.watch import Watch

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows knows no SIGKILL")


@contextmanager
def killing(kills: int) -> Iterator[list[int]]:
    """Kill processes of this one at random moments, so many times, or until the body ends.

    After a kill, some cell is finished before the next one: else, where all is slow, none would ever be.
    """
    killed: list[int] = []
    end = threading.Event()
    moments = random.Random(0)

    def kill() -> None:
        finished = -1
        while len(killed) < kills and not end.wait(0.5 * moments.random()):
            children = [child.pid for child in multiprocessing.active_children() if child.pid]
            if children and len(SweepFolder(place_at(OUT)).finished()) > finished:
                with suppress(ProcessLookupError):
                    finished = len(SweepFolder(place_at(OUT)).finished())
                    killed.append(moments.choice(children))
                    os.kill(killed[-1], signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield killed
    finally:
        end.set()
        thread.join()


def test_interrupted_and_killed_processes_lose_nothing(
    registry: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as interrupted:
        interrupted.setattr(Watch, "finish", interrupt)
        assert sweep(registry, "--jobs", "2") == INTERRUPTED
    assert "the same command computes the rest" in capsys.readouterr().err
    assert not list(OUT.rglob("*.partial")) and not list(OUT.glob("running/*"))
    assert not multiprocessing.active_children()
    with killing(1) as killed:
        assert sweep(registry, "--jobs", "2") == 0
    assert killed and "finished\t6" in capsys.readouterr().out
    assert not list(OUT.rglob("*.partial"))


@pytest.mark.long
@pytest.mark.real
def test_a_hundred_kills_and_one_of_the_driver(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("s.yaml").write_text(REAL)
    driver = fork_server.start(["-m", "zoo", "sweep", "s.yaml", "--jobs", "2"], tmp_path, dict(os.environ))
    while not len(list(OUT.glob("cells/*"))) > 10:
        time.sleep(0.05)
    os.kill(driver.pid, signal.SIGKILL)
    driver.wait()
    with killing(100) as killed:
        assert run(["sweep", "s.yaml", "--jobs", "2"]) == 0
    assert len(killed) == 100 and "finished\t126" in capsys.readouterr().out
    assert not list(OUT.rglob("*.partial"))
    assert content(OUT) == content(shards)
