"""A registry of two small networks, and sweeps of them that are carried out in the process of the test."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.registry.test_registry import CARD
from tests.support.toys import write_tiny
from zoo.registry.plain_yaml import dump_plain_yaml
from zoo.registry.registry import load_installation
from zoo.sweep.compute import CellComputer
from zoo.sweep.plan import PlannedCell
from zoo.sweep.watch import Watch
from zoo.sweep.worker import FAILED, Setup, carry_out

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


def run_here(cells: Sequence[PlannedCell], setup: Setup, jobs: int, devices: Sequence[str], watch: Watch) -> None:
    """Compute cells in this process, as each process of `zoo.sweep.pool` does."""
    computer = CellComputer(watch.folder, setup.settings, load_installation(setup.registry))
    for planned in cells:
        watch.begin("here", planned)
        answer, error = carry_out(computer, planned.id, planned.cell)
        if answer == FAILED:
            watch.fail("here", planned, str(error))
        else:
            watch.finish("here")
        watch.account()


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoo.sweep.request.run_local", run_here)
