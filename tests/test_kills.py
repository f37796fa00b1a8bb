"""Killed at any moment, zoo leaves nothing torn: the same command again ends as if nothing had happened.

A few kills are made by default, and a hundred by ``pytest -m long``.
"""

from __future__ import annotations

import contextlib
import os
import random
import re
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import fork_server
from tests.support.network import CONTENT, Home, Server, serving, source_of
from tests.support.toys import write_tiny

FILES = {".zoo-run.json", "codes.safetensors", "directions.safetensors", "report.html", "sheet.png"}

pytestmark = [
    pytest.mark.skipif(os.name == "nt", reason="Windows knows no SIGKILL"),
    pytest.mark.parametrize("kills", [2, pytest.param(100, marks=pytest.mark.long)]),
]


def killed(arguments: list[str], home: Home, server: Server | None, when: Callable[[], bool]) -> bool:
    """Run zoo and kill its process group as soon as `when` says so; True if that was before its end."""
    process = fork_server.start(["-m", "zoo", *arguments], home.folder, home.environment(server))
    while process.poll() is None and not when():
        time.sleep(0.002)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    return process.wait() == -signal.SIGKILL


def after(seconds: float) -> Callable[[], bool]:
    end = time.monotonic() + seconds
    return lambda: time.monotonic() > end


def soon_after(sign: Callable[[], bool], seconds: float) -> Callable[[], bool]:
    """Wait for a sign that the interesting part has begun, and then a moment longer."""
    begun: list[float] = []

    def when() -> bool:
        if not begun and sign():
            begun.append(time.monotonic())
        return bool(begun) and time.monotonic() > begun[0] + seconds

    return when


def timed(home: Home, server: Server) -> float:
    """Measure how long a pull takes here, and undo it."""
    started = time.monotonic()
    assert home.zoo("pull", "dcgan.thing", server=server).returncode == 0
    seconds = time.monotonic() - started
    assert home.zoo("cache", "--forget", "dcgan.thing").returncode == 0
    return seconds


def test_pull(kills: int, tmp_path: Path) -> None:
    draw, before_the_end, seconds = random.Random(0), 0, 0.0
    with serving(pause=0.01) as server:
        for number in range(kills):
            kind = ("https", "hf", "gdrive", "pypi")[number % 4]
            home = Home(tmp_path / str(number))
            home.write_card(source_of(kind, server), content=CONTENT if number % 3 else None)
            if not number:
                seconds = timed(home, server)
            bodies = server.bodies
            begun = soon_after(lambda bodies=bodies: server.bodies > bodies, draw.uniform(0, 0.6))  # type: ignore[misc]
            when = begun if number % 2 else after(draw.uniform(0, seconds))
            before_the_end += killed(["pull", "dcgan.thing"], home, server, when)
            time.sleep(0.05)
            assert all(path.read_bytes() == CONTENT for path in home.weights()), "a torn file in its final place"
            done = home.zoo("pull", "dcgan.thing", server=server)
            assert done.returncode == 0, done.stderr
            [path] = home.weights()
            assert path.read_bytes() == CONTENT
            assert home.files() == [str(path.relative_to(home.folder / "cache"))]
            assert home.zoo("cache", "--verify").returncode == 0
    print(f"pull: {kills} kills, {before_the_end} before the end")
    assert before_the_end >= kills / 4


def test_analyze(kills: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_JACOBIANS", "1GB")  # what a killed run has computed is there for the next one
    draw, before_the_end = random.Random(1), 0
    home = Home(tmp_path)
    write_tiny(tmp_path / "netG.safetensors")
    runs = tmp_path / "runs"
    arguments = ["analyze", "./netG.safetensors", "--analyzer", "lowrank", "--region", "center", "--out", "runs/a"]
    arguments += ["--samples", "4", "--unseen", "1"]
    started = time.monotonic()
    assert home.zoo(*arguments).returncode == 0
    seconds = time.monotonic() - started
    wanted = contents(runs / "a")
    for number in range(kills):
        again = [*arguments, "--force"] if number % 4 else arguments
        if number % 4 < 2 and (tmp_path / "cache" / "jacobians").exists():
            shutil.rmtree(tmp_path / "cache" / "jacobians")
        if number % 4 == 0:
            for file in sorted(runs.rglob("*"), reverse=True):
                file.rmdir() if file.is_dir() else file.unlink()
        writing = soon_after(lambda: any(runs.glob(".*.partial/new")), draw.uniform(0, 0.5))
        when = writing if number % 2 else after(draw.uniform(0, seconds))
        before_the_end += killed(again, home, None, when)
        if (runs / "a").exists():
            assert contents(runs / "a") == wanted, "a torn run folder in its final place"
        done = home.zoo(*arguments, "--force")
        assert done.returncode == 0, done.stderr
        assert contents(runs / "a") == wanted
        assert [path.name for path in runs.iterdir()] == ["a"], "something was left beside the run folder"
    print(f"analyze: {kills} kills, {before_the_end} before the end")
    assert before_the_end >= kills / 4


def contents(folder: Path) -> dict[str, bytes]:
    """Read a run folder; it must be complete."""
    found = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert set(found) == FILES
    found.pop(".zoo-run.json")  # it has the hash of the report, which may say --force
    return {name: re.sub(rb"--force", b"", content) for name, content in found.items()}
