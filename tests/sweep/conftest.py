"""A registry of two small networks, and sweeps of them that are carried out in the process of the test."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.registry.test_registry import CARD
from tests.support.toys import write_tiny
from zoo.cli import run
from zoo.engines.tasks import FAILED, Listener, Queue, Setup, carry_out
from zoo.registry.plain_yaml import dump_plain_yaml

SWEEP = """
models: [dcgan.mine, dcgan.other]
analyzers: [sefa, {name: lowrank, options: {k: 2}}]
regions: [spot, all]
seeds: 1
show: 1
unseen: 2
exclude:
- {analyzers: lowrank, regions: all}
"""

# 126 cells of bundled models.
REAL = """
models: [stylegan2.avatars32, pggan, biggan]
analyzers: [sefa, {name: lowrank, options: {k: 3}}, {name: nullspace, options: {k: 3}}]
regions: [eyes, center]
seeds: 0-6
show: 1
unseen: 0
"""


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Write cards and weights, and a sweep of 6 cells, and work in their folder."""
    cards = []
    for seed, name in enumerate(("dcgan.mine", "dcgan.other")):
        write_tiny(tmp_path / f"{name}.safetensors", seed)
        weights = {"sources": [{"url": f"{name}.safetensors"}]}
        cards.append({**CARD, "name": name, "weights": weights, "regions": {"spot": "box:4,4,6,6"}})
    (tmp_path / "cards.yaml").write_text(dump_plain_yaml({"models": cards}))
    (tmp_path / "s.yaml").write_text(SWEEP)
    monkeypatch.chdir(tmp_path)
    return str(tmp_path / "cards.yaml")


def run_here(queue: Queue, setup: Setup, jobs: int, devices: Sequence[str], listener: Listener) -> None:
    """Carry tasks out in this process, as each process of `zoo.engines.pool` does."""
    function = setup.work.open(None)
    while (task := queue.take(None)) is not None:
        listener.begin("here", task)
        answer, value = carry_out(function, task)
        if answer == FAILED:
            listener.fail("here", task, value)
        else:
            listener.finish("here", task, value)
        listener.account()


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoo.engines.engine.run_local", run_here)


@pytest.fixture(scope="session")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Carry `REAL` out in four shards, and return the folder of the sweep."""
    folder = tmp_path_factory.mktemp("shards")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        Path("s.yaml").write_text(REAL)
        for shard in ("1/4", "2/4", "3/4", "4/4"):
            assert run(["sweep", "s.yaml", "--shard", shard, "--out", "shards", "--jobs", "2"]) == 0
    return folder / "shards"
