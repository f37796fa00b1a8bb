"""How fast is the studio? Prints a Markdown table: a picture from the server, beside what the network alone takes.

    python -m benchmarks.studio [--rounds N] [--renders N] [--quick] [--browser]

The server is a process of its own, with as many threads as it likes. `one picture` is a request over HTTP from a moved
slider to the bytes of the picture, one after the other; `the network alone` renders the same code without anything of
the studio, in this process. With `--renders`, so many pictures are asked for, and the memory of the server is read
after the first tenth and at the end. With `--browser`, the page is measured in Chromium too, in a second table
(`benchmarks.studio_page`).
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import torch

import zoo
from benchmarks.files import FILES

SESSION = "0" * 32
# By the size of their pictures: models in the box, and files of the published sizes with random weights.
CASES = {
    "32²": "stylegan2.avatars32",
    "64²": "dcgan.digiface64",
    "128²": "studiogan-sngan-128",
    "1024²": "stylegan2-1024",
}
QUICK = ("32²", "64²")


@dataclass(frozen=True)
class Studio:
    """A studio in a process of its own.

    Attributes:
        port: its port.
        process: the process.
        model: the model that it shows.
    """

    port: int
    process: subprocess.Popen[str]
    model: str

    def ask(
        self, method: str, path: str, body: Any = None, connection: http.client.HTTPConnection | None = None
    ) -> bytes:
        """Send a request, and return the body of the answer."""
        asked = connection or http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)
        asked.request(
            method, f"/api/{SESSION}/{path}", None if body is None else json.dumps(body), {"X-Zoo-Studio": "1"}
        )
        response = asked.getresponse()
        content = response.read()
        if connection is None:
            asked.close()
        assert response.status < 300, content
        return content

    def work(self, path: str, body: Any) -> Any:
        """Start a job, and wait for its result."""
        job = json.loads(self.ask("POST", path, body))
        while job["state"] in {"waiting", "running"}:
            time.sleep(0.05)
            job = json.loads(self.ask("GET", f"jobs/{job['id']}"))
        assert job["state"] == "done", job
        return job["result"]

    @property
    def memory(self) -> float:
        """What the process holds, in megabytes."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text(encoding="ascii").split()[1])
        return pages * os.sysconf("SC_PAGESIZE") / 1e6


@contextlib.contextmanager
def running(model: str, folder: Path, device: str = "cpu") -> Iterator[Studio]:
    """Start a studio, and end it."""
    command = [sys.executable, "-m", "zoo", "studio", model, "--port", "0", "--device", device, "--runs", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline()
        try:
            yield Studio(int(url.rsplit(":", 1)[1].strip("/\n")), process, model)
        finally:
            process.send_signal(signal.SIGTERM)


def drag(studio: Studio, result: str, count: int) -> list[float]:
    """Ask for pictures along a direction, one after the other; return the seconds that each took."""
    connection = http.client.HTTPConnection("127.0.0.1", studio.port, timeout=600)
    seconds = []
    for number in range(count):
        moves = [{"result": result, "index": 0, "strength": 3 * (number + 1) / count}]
        body = {"model": studio.model, "codes": [{"seed": 7}], "moves": moves, "seq": time.time_ns()}
        began = time.perf_counter()
        studio.ask("POST", "render", body, connection)
        seconds.append(time.perf_counter() - began)
    connection.close()
    return seconds


def network_alone(model: str, count: int, device: str = "cpu") -> float:
    """Render codes without the studio; return the median of the seconds."""
    opened = zoo.load(model, device=device)
    code, direction = opened.sample_seeds([7]), zoo.analyze(opened, "sefa", unseen=0).vectors[0].float()
    code, direction = code.to(opened.adapter.device, opened.adapter.dtype), direction.to(opened.adapter.device)
    seconds = []
    for number in range(count):
        began = time.perf_counter()
        with torch.no_grad():
            opened.adapter.synthesize(opened.adapter.move(code, 3 * (number + 1) / count * direction)).cpu()
        seconds.append(time.perf_counter() - began)
    return median(seconds)


def many(studio: Studio, result: str, count: int) -> tuple[float, float]:
    """Ask for many pictures of many codes; return the memory after a tenth of them and at the end."""
    connection = http.client.HTTPConnection("127.0.0.1", studio.port, timeout=600)
    generator, memory = random.Random(0), 0.0
    for number in range(count):
        moves = [{"result": result, "index": 0, "strength": generator.uniform(-3, 3)}]
        codes = [{"seed": generator.randrange(2**32)}]
        studio.ask(
            "POST",
            "render",
            {"model": studio.model, "codes": codes, "moves": moves, "seq": time.time_ns()},
            connection,
        )
        if number + 1 == max(1, count // 10):
            memory = studio.memory
    return memory, studio.memory


def row(size: str, model: str, folder: Path, rounds: int, renders: int) -> list[str]:
    """Measure one model."""
    with running(model, folder / "runs") as studio:
        studio.work("open", {"model": model})
        result = studio.work("analyze", {"model": model, "analyzer": "sefa", "show": 1, "unseen": 1})["id"]
        drag(studio, result, 3)
        seconds = sorted(1000 * one for one in drag(studio, result, rounds))
        memory = many(studio, result, renders) if renders else None
    alone = 1000 * network_alone(model, rounds)
    held = "–" if memory is None else f"{memory[0]:.0f} → {memory[1]:.0f} MB"
    return [
        f"{size}, `{Path(model).name}`",
        f"{alone:.1f}",
        f"{median(seconds):.1f}",
        f"{seconds[int(0.9 * len(seconds))]:.1f}",
        f"{1000 * len(seconds) / sum(seconds):.1f}",
        held,
    ]


def page_row(size: str, model: str, folder: Path, rounds: int) -> list[str]:
    """Measure the page of one model in Chromium."""
    from benchmarks.studio_page import look

    with running(model, folder / "runs") as studio:
        studio.work("open", {"model": model})
        studio.work("analyze", {"model": model, "analyzer": "sefa", "show": 1, "unseen": 1})
        seen = look(studio.port, SESSION, model, folder / f"profile-{size}", rounds)
    return [
        f"{size}, `{Path(model).name}`",
        f"{seen.median:.1f}",
        f"{seen.most:.1f}",
        f"{seen.pictures:.1f}",
        f"{seen.exact:.0%}",
        f"{seen.usable / 1000:.2f}",
    ]


def main() -> None:
    """Measure all models in turn."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=200, help="pictures that are timed; a tenth of 1024²")
    parser.add_argument("--renders", type=int, default=0, help="pictures that are asked for while memory is watched")
    parser.add_argument("--quick", action="store_true", help="only the models in the box")
    parser.add_argument("--browser", action="store_true", help="measure the page in Chromium as well")
    options = parser.parse_args()
    pages = []
    print("| model | the network alone, ms | one picture, ms | 90 %, ms | pictures a second | memory |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for size, named in CASES.items():
            if options.quick and size not in QUICK:
                continue
            model = str(folder / f"{named}.pkl") if named in FILES else named
            if named in FILES:
                FILES[named](Path(model))
            rounds = options.rounds if size != "1024²" else max(3, options.rounds // 10)
            renders = options.renders if size in QUICK else 0
            print(f"| {' | '.join(row(size, model, folder, rounds, renders))} |", flush=True)
            if options.browser:
                pages.append(page_row(size, model, folder, rounds))
    if options.browser:
        print("\n| model | slider to picture, ms | 90 %, ms | pictures a second | exact | usable after, s |")
        print("| --- | ---: | ---: | ---: | ---: | ---: |")
        for cells in pages:
            print(f"| {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
