"""What several tests share: real models, loaded once a session, and plain helpers as fixtures."""

import os
from pathlib import Path

import pytest

if "PYTEST_XDIST_WORKER" in os.environ:  # one process a core: with more threads than cores, each is many times slower
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import zoo
from zoo.models.model import Model

DATA = Path(__file__).parent / "data"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave long tests out unless ``-m`` speaks of them."""
    if "long" not in config.getoption("markexpr"):
        config.hook.pytest_deselected(items=[item for item in items if item.get_closest_marker("long")])
        items[:] = [item for item in items if not item.get_closest_marker("long")]


@pytest.fixture(autouse=True)
def _own_settings(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the cards, remembered hashes and kept Jacobians of whoever runs the tests out of them."""
    monkeypatch.setenv("ZOO_CONFIG", str(tmp_path_factory.getbasetemp() / "no-settings"))
    monkeypatch.setenv("ZOO_JACOBIANS", "0")
    monkeypatch.setattr("zoo.models.opening._shown", set())  # a licence is shown once a process; here, once a test


@pytest.fixture(scope="session")
def digiface() -> Model:
    return zoo.load("dcgan.digiface64", device="cpu")


@pytest.fixture(scope="session")
def data() -> Path:
    return DATA
