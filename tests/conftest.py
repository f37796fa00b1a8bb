"""What several tests share: real models, loaded once a session, and plain helpers as fixtures."""

import gc
import os
from pathlib import Path

import pytest

if "PYTEST_XDIST_WORKER" in os.environ:
    # One process a core: with more threads than cores, each is many times slower.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    # While tests are collected: hardly anything of what is made there is garbage, and to find that out takes seconds.
    gc.disable()

os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # as commands do

import zoo
from tests.support import fork_server, remembered
from zoo._utils import showing
from zoo.models.model import Model

remembered.remember()

DATA = Path(__file__).parent / "data"
# Tests with these markers run only where ``-m`` speaks of one of them.
ASKED_FOR = ("long", "perf")
# The files whose tests take half a minute each, which is long for the other processes to wait at the end.
LONGEST = ("test_static", "test_docs_examples", "test_attack")


def pytest_xdist_auto_num_workers() -> int:
    """Return how many processes ``-n auto`` means: one more than there are cores, as some tests mostly wait."""
    return len(os.sched_getaffinity(0)) + 1 if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1) + 1


def pytest_configure(config: pytest.Config) -> None:
    """Start the fork server before the processes of the tests, so that they share it."""
    if config.getoption("numprocesses", None):
        fork_server.share()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what nobody asked for, and begin with the longest tests, so that none of them ends last."""
    asked = any(marker in config.getoption("markexpr") for marker in ASKED_FOR)
    left_out = [] if asked else [item for item in items if any(map(item.get_closest_marker, ASKED_FOR))]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]
    items.sort(key=lambda item: LONGEST.index(item.path.stem) if item.path.stem in LONGEST else len(LONGEST))


def pytest_collection_finish() -> None:
    """Spare the garbage collector what torch and the tests consist of, which takes a tenth of the time of all tests."""
    gc.freeze()
    gc.enable()


@pytest.fixture(autouse=True)
def _own_settings(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the cards, remembered hashes and kept Jacobians of whoever runs the tests out of them."""
    monkeypatch.setenv("ZOO_CONFIG", str(tmp_path_factory.getbasetemp() / "no-settings"))
    monkeypatch.setenv("ZOO_JACOBIANS", "0")
    # A licence is shown once on a machine; here, once a test, which leaves no trace of it.
    monkeypatch.setattr("zoo._utils.showing._shown", set())
    monkeypatch.setattr("zoo._utils.showing._remember", lambda digest: showing._shown.add(digest))  # noqa: PLW0108 the set is replaced


@pytest.fixture(scope="session")
def digiface() -> Model:
    return zoo.load("dcgan.digiface64", device="cpu")


@pytest.fixture(scope="session")
def data() -> Path:
    return DATA
