"""A sweep that is written to an S3 server on this machine, by processes that are killed meanwhile.

It needs moto's server and s3fs, which are none of what tests install:
``pip install s3fs 'moto[server]' && pytest -m long tests/sweep``.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.sweep.test_sweep import OUT, content, sweep

s3fs = pytest.importorskip("s3fs")
moto = pytest.importorskip("moto.server")

pytestmark = [pytest.mark.long, pytest.mark.filterwarnings("default")]
URL = "s3://bucket/sweep"


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    server = moto.ThreadedMotoServer(port=0)
    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    s3fs.S3FileSystem.clear_instance_cache()
    store = s3fs.S3FileSystem()
    store.mkdir("bucket")
    yield store
    server.stop()


def test_an_s3_server_gets_the_same_bytes(store: Any, registry: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert sweep(registry, "--out", "s3://nobody/sweep") == 2
    assert "cannot write s3://nobody/sweep/plan.json: " in capsys.readouterr().err
    assert sweep(registry, "--jobs", "2") == 0
    ended = threading.Event()
    killed = []

    def kill() -> None:
        while not ended.wait(1 + 3 * random.random()):
            for child in multiprocessing.active_children()[:1]:
                with suppress(ProcessLookupError):
                    killed.append(child.pid or 0)
                    os.kill(killed[-1], signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    for shard in ("1/2", "2/2"):
        assert sweep(registry, "--out", URL, "--jobs", "2", "--shard", shard) == 0
    ended.set()
    killer.join()
    assert killed
    assert sweep(registry, "--out", URL, "--report") == 0
    store.invalidate_cache()
    kept = {name.removeprefix("bucket/sweep/"): store.cat_file(name) for name in store.find("bucket/sweep")}
    assert content(OUT).items() <= kept.items() and "report.html" in kept
    tables = {"table.csv", "costs.csv", "report.html", "plan.json"}
    written = {Path(name).parts[0] for name in kept}
    assert written - {"table.parquet"} == {"cells", "costs", *tables}  # that one only where pyarrow is installed
