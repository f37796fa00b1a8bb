"""A studio in this process, and what its page sends."""

from __future__ import annotations

import http.client
import io
import json
import os
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from PIL import Image

from tests.support import fork_server
from zoo.registry.registry import load_installation
from zoo.studio.server import Server

SESSION = "0123456789abcdef" * 2
PATIENCE = 300.0


@dataclass(frozen=True)
class Answer:
    """An answer of the studio.

    Attributes:
        status: its HTTP status.
        headers: its headers, by their names in lower case.
        content: its body.
    """

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def value(self) -> Any:
        """The value of a JSON answer."""
        return json.loads(self.content)

    @property
    def error(self) -> str:
        """The sentence of an answer that says what went wrong."""
        return str(self.value["error"])

    @property
    def picture(self) -> Image.Image:
        """The picture of an answer."""
        return Image.open(io.BytesIO(self.content))


@dataclass(frozen=True)
class Page:
    """What a page does.

    Attributes:
        port: the studio's.
        session: the page's session.
        token: the studio's, or nothing.
        headers: what every request carries.
    """

    port: int
    session: str = SESSION
    token: str = ""
    headers: Mapping[str, str] = field(default_factory=lambda: {"X-Zoo-Studio": "1"})

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """Send one request; `path` is one of the session unless it begins with a slash."""
        content = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        kind = {} if body is None or isinstance(body, bytes) else {"Content-Type": "application/json"}
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            full = path if path.startswith("/") else f"/api/{self.session}/{path}"
            connection.request(method, full, content, {**self.headers, **kind, **named})
            response = connection.getresponse()
            received = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, received, response.read())
        finally:
            connection.close()

    def post(self, path: str, body: Any, **headers: str) -> Answer:
        """Send a call that must succeed."""
        answer = self.ask("POST", path, body, **headers)
        assert answer.status < 300, answer.content
        return answer

    def work(self, path: str, body: Any) -> Any:
        """Send a call that starts a job, wait for its end, and return its result."""
        job = self.post(path, body).value
        until = time.monotonic() + PATIENCE
        while job["state"] in {"waiting", "running"} and time.monotonic() < until:
            time.sleep(0.02)
            job = self.ask("GET", f"jobs/{job['id']}").value
        assert job["state"] == "done", job
        return job["result"]


@contextmanager
def running(runs: Path, model: str | None = None, **options: Any) -> Iterator[Page]:
    """Run a studio at a free port."""
    chosen = {"host": "127.0.0.1", "port": 0, "device": "cpu", "installation": load_installation(), **options}
    server = Server(model, runs=runs, **chosen)
    server.start()
    try:
        yield Page(server.port, token=urlsplit(server.url).query.removeprefix("token="))
    finally:
        server.stop()


def free_port() -> int:
    """Find a port that is free."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def killable(folder: Path, port: int) -> Any:
    """Start a studio in a process of its own, and wait until it listens.

    Args:
        folder: where it works; runs are in its folder `runs`.
        port: the port to listen at.

    Returns:
        The process, which has a `pid`.
    """
    process = fork_server.start(
        ["-m", "zoo", "studio", "--port", str(port), "--device", "cpu"], folder, dict(os.environ)
    )
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return process
        except OSError:
            time.sleep(0.05)
    raise AssertionError("the studio did not start")
