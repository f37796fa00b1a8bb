"""A sweep on a Ray cluster of three nodes on this machine, of whose processes some are killed, and one node.

It needs Ray, which is none of what tests install: ``pip install 'latent-zoo[ray]' && pytest -m long tests/sweep``.
"""

from __future__ import annotations

import os
import random
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.sweep.conftest import REAL
from tests.sweep.test_sweep import OUT, content
from zoo.cli import run
from zoo.sweep.folder import SweepFolder
from zoo.sweep.places import place_at

ray = pytest.importorskip("ray")
psutil = pytest.importorskip("psutil")

pytestmark = [pytest.mark.long, pytest.mark.real, pytest.mark.filterwarnings("default")]


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("RAY_worker_niceness", "0")  # Ray's own, 15, is slow beside other tests
    node = {"num_cpus": 1, "object_store_memory": 80_000_000}
    cluster = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
    for _ in range(2):
        cluster.add_node(**node)
    try:
        yield cluster
    finally:
        ray.shutdown()
        cluster.shutdown()


@contextmanager
def losing(cluster: Any, kills: int) -> Iterator[list[int]]:
    """Kill so many processes that carry cells out, some cell being finished between two, and then one node."""
    killed: list[int] = []
    end = threading.Event()
    moments = random.Random(0)

    def lose() -> None:
        finished = -1
        while len(killed) < kills and not end.wait(moments.random()):
            found = [one for one in psutil.Process().children(recursive=True) if computes(one)]
            if found and len(SweepFolder(place_at(OUT)).finished()) > finished:
                finished = len(SweepFolder(place_at(OUT)).finished())
                killed.append(moments.choice(found).pid)
                with suppress(ProcessLookupError):
                    os.kill(killed[-1], signal.SIGKILL)
        if not end.is_set():
            cluster.remove_node(cluster.list_all_nodes()[-1], allow_graceful=False)
            killed.append(0)

    def computes(process: Any) -> bool:
        with suppress(psutil.Error):
            return str(process.cmdline()[:1]).startswith("['ray::_compute")
        return False

    thread = threading.Thread(target=lose)
    thread.start()
    try:
        yield killed
    finally:
        end.set()
        thread.join()


def test_a_cluster_with_killed_processes_and_a_lost_node_gives_the_same_bytes(
    cluster: Any, shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("s.yaml").write_text(REAL)
    with losing(cluster, 20) as lost:
        assert run(["sweep", "s.yaml", "--on", "ray", "--address", cluster.address]) == 0
    assert len(lost) == 21 and "finished\t126" in capsys.readouterr().out
    assert not list(OUT.rglob("*.partial")) and not list(OUT.glob("failed/*"))
    assert content(OUT) == content(shards)


@pytest.mark.parametrize("samples", ["20", "2"])
def test_an_analysis_on_a_cluster_has_the_same_bits(
    cluster: Any, samples: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twenty codes are shared out by groups, and two by the columns of their Jacobians."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    words = ["analyze", "stylegan2.avatars32", "-a", "nullspace", "-r", "eyes", "--samples", samples, "--no-keep"]
    words += ["--show", "1", "--unseen", "0"]
    try:
        assert run([*words, "--out", "alone"]) == 0
        assert run([*words, "--out", "shared", "--on", "ray", "--address", cluster.address]) == 0
    finally:
        torch.set_num_threads(threads)
    for name in ("directions.safetensors", "codes.safetensors", "sheet.png"):
        assert Path("shared", name).read_bytes() == Path("alone", name).read_bytes()
