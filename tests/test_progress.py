"""Progress: told truly by everything that takes time, drawn on a terminal only, and gone when the work is done."""

import io
import os
import pty
import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console
from zoo_adapters.dcgan.adapter import DCGAN

import zoo
from tests.support import fork_server
from tests.support.linear import model_of
from tests.support.toys import write_tiny
from zoo import Model
from zoo.cli import console
from zoo.editing.samples import Samples
from zoo.linalg.robust_pca import rpca_lowrankgan_admm
from zoo.models.opening import open_model
from zoo.plugins.discovery import load_plugins
from zoo.registry.registry import load_installation


class Recorder:
    """A progress callback that asserts what is promised of every call, and knows what was finished."""

    def __init__(self) -> None:
        self.under_way: dict[str, tuple[int, int]] = {}
        self.finished: list[str] = []

    def __call__(self, done: int, total: int, what: str) -> None:
        before, whole = self.under_way.get(what, (0, total))
        assert 0 <= before <= done <= total == whole, (done, total, what)
        self.under_way[what] = (done, total)
        if done == total:
            del self.under_way[what]
            self.finished.append(what)


def analyze(analyzer: str, **options: object) -> Callable[[Model, Path, Recorder], object]:
    return lambda model, folder, progress: zoo.analyze(
        model,
        analyzer,
        region="center",
        samples=2,
        out=folder,
        progress=progress,
        **options,  # type: ignore[arg-type]
    )


def edit(model: Model, folder: Path, progress: Recorder) -> None:
    zoo.edit(model, zoo.analyze(model, show=1, unseen=0), samples=20, progress=progress).save(
        folder, frames=6, progress=progress
    )


def compare(model: Model, folder: Path, progress: Recorder) -> None:
    found = zoo.analyze(model, show=1, unseen=0)
    zoo.compare(found, found, model=model, samples=2, progress=progress).save(folder, progress=progress)


def sample(model: Model, folder: Path, progress: Recorder) -> None:
    Samples(model.sample(20), model).save(folder, progress=progress)


def load(model: Model, folder: Path, progress: Recorder) -> None:
    folder.mkdir()
    open_model(write_tiny(folder / "tiny.safetensors"), load_installation(), progress=progress)


LOCALITY = ["measuring changes, analysed codes", "measuring changes, unseen codes", "pictures of the report"]
PURSUIT = "pursuit rounds (it may stop early)"


@pytest.mark.parametrize(
    ("work", "steps"),
    [
        pytest.param(load, ["opening the network"], id="load", marks=pytest.mark.long),
        pytest.param(analyze("sefa"), LOCALITY, id="sefa", marks=pytest.mark.long),
        pytest.param(analyze("lowrank", chunk=5), ["derivatives", *LOCALITY], id="lowrank", marks=pytest.mark.long),
        pytest.param(
            analyze("nullspace", factorization="published"),
            ["derivatives", PURSUIT, PURSUIT, *LOCALITY],
            id="nullspace-published",
            marks=pytest.mark.long,
        ),
        pytest.param(
            analyze("lowrank", factorization="pursuit"),
            ["derivatives", "pursuit, to a gap of 1e-06", LOCALITY[-1]],
            id="lowrank-pursuit",  # whose low-rank part is empty for codes of 12 numbers
        ),
        pytest.param(analyze("resefa"), ["derivatives", *LOCALITY], id="resefa", marks=pytest.mark.long),
        pytest.param(
            edit,
            ["images", "rendering frames", "writing edit.gif", "writing edit.mp4"],
            id="edit",
        ),
        pytest.param(compare, ["choosing strengths", "images", "writing sheets"], id="compare"),
        pytest.param(sample, ["images", "writing samples.png"], id="sample"),
    ],
)
def test_every_step_is_told_in_order_and_to_its_end(
    work: Callable[[Model, Path, Recorder], object], steps: list[str], tmp_path: Path
) -> None:
    recorder = Recorder()
    work(model_of(DCGAN.tiny(0)), tmp_path / "out", recorder)
    assert not recorder.under_way
    assert recorder.finished == steps


def test_a_pursuit_tells_its_rounds() -> None:
    told: list[int] = []
    rows = torch.randn(30, 40, generator=torch.Generator().manual_seed(0)).double()
    found = rpca_lowrankgan_admm(rows @ rows.T, progress=lambda done, total, what: told.append(done))
    assert found.rounds > 50
    assert told == [*range(50, found.rounds + 1, 50), 10_000]


# On a terminal

SLOW = """
import sys, time
from zoo_adapters.dcgan.adapter import DCGAN
from zoo.cli import run
real = DCGAN.synthesize
def slow(self, codes):
    time.sleep(0.25)
    return real(self, codes)
DCGAN.synthesize = slow
sys.exit(run(sys.argv[1:]))
"""


def run_in_terminal(folder: Path, *arguments: str) -> tuple[str, str]:
    """Run zoo, its network slowed down, with standard error on a pseudo-terminal: (standard output, what was drawn)."""
    mine, theirs = pty.openpty()
    variables = {**os.environ, "TERM": "xterm", "COLUMNS": "100", "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [fork_server.python(), "-c", SLOW, *arguments], cwd=folder, env=variables, stdout=subprocess.PIPE, stderr=theirs
    )
    os.close(theirs)
    drawn = b""
    while True:
        try:
            drawn += os.read(mine, 4096)
        except OSError:  # Linux tells the end of a pseudo-terminal so
            break
    os.close(mine)
    out, _ = process.communicate()
    assert process.returncode == 0, drawn.decode()
    return out.decode(), drawn.decode()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_tiny(tmp_path / "tiny.safetensors")
    np.save(tmp_path / "d.npy", np.eye(12)[:2])
    return tmp_path


def test_a_terminal_shows_bars_with_the_time_left_one_at_a_time(folder: Path) -> None:
    out, drawn = run_in_terminal(folder, "edit", "./tiny.safetensors", "d.npy", "--samples", "12", "--frames", "8")
    assert out.splitlines() == [
        f"runs/tiny-edit-d-frames-8-samples-12/{name}"
        for name in ("edit.gif", "edit.mp4", "sheet.png", "codes.safetensors")
    ]
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "\x1b", drawn)  # every control sequence is one sign
    for what in ("images", "rendering frames"):
        assert re.search(rf"{what}[^\n]*\d+/\d+\D+\d:\d\d:\d\d", plain), what
    shown = re.findall(r"(images|rendering frames|writing [\w.]+) ━*", plain)
    assert shown.index("rendering frames") > len(shown) - shown[::-1].index("images") - 1, "one bar after the other"
    # the cursor comes back, and the last thing that was drawn is wiped away
    assert drawn.rindex("\x1b[?25h") > drawn.rindex("\x1b[?25l")
    assert drawn.rindex("\x1b[2K") > drawn.rindex("━")


def test_no_bar_where_nobody_waits_for_it(folder: Path) -> None:
    _, drawn = run_in_terminal(folder, "--quiet", "edit", "./tiny.safetensors", "d.npy", "--samples", "3")
    assert "━" not in drawn and "images" not in drawn
    arguments = [fork_server.python(), "-c", SLOW, "sample", "./tiny.safetensors", "--samples", "20"]
    done = subprocess.run(arguments, cwd=folder, capture_output=True, text=True, check=True)
    assert "━" not in done.stderr and "images" not in done.stderr
    assert done.stdout.splitlines()[0] == "runs/tiny-samples-20/samples.png"


@pytest.mark.parametrize(("moment", "drawn"), [(0.0, True), (1000.0, False)])
def test_work_draws_a_bar_only_once_it_has_taken_a_moment(
    moment: float, drawn: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bar that came and went at once would only flicker."""
    screen = io.StringIO()
    monkeypatch.setattr("rich.console.Console", lambda **_: Console(file=screen, force_terminal=True, width=100))
    monkeypatch.setattr(console, "_DELAY", moment)
    with console.progress_bars(console.Settings(load_plugins())) as progress:
        progress(0, 5, "a [red] herring")
        for _ in range(100):
            time.sleep(0.02)
            if "herring" in screen.getvalue():
                break
        progress(5, 5, "a [red] herring")
    assert ("a [red] herring" in screen.getvalue()) == drawn


def test_there_is_one_bar_at_a_time_also_where_work_stops_half_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """A source that fails after some megabytes, one that does not say how much will come, and then the network."""
    screen = io.StringIO()
    monkeypatch.setattr("rich.console.Console", lambda **_: Console(file=screen, force_terminal=True, width=100))
    monkeypatch.setattr(console, "_DELAY", 0.0)
    seen = {}
    with console.progress_bars(console.Settings(load_plugins())) as progress:
        for what, done, total in (("first", 4_000_000, 14_000_000), ("second", 3_000_000, 0), ("network", 1, 2)):
            progress(done, total, what)
            screen.truncate(screen.seek(0))
            while f"{what} " not in (drawn := screen.getvalue()):
                time.sleep(0.02)
            seen[what] = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|━|╸|╺", "", drawn.rsplit("\x1b[2K", 1)[-1])
    assert "4.0 MB/14.0 MB" in seen["first"]
    assert "3.0 MB" in seen["second"] and "first" not in seen["second"]
    assert "1/2" in seen["network"] and "second" not in seen["network"]
