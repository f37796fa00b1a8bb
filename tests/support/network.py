"""A real server on this machine that misbehaves on demand, for the four kinds of remote sources."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import re
import socket
import ssl
import struct
import subprocess
import threading
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import trustme
import yaml

from tests.support import fork_server

DRIVE_ID = "1AbCdEfGhIjKlMnOpQrStUvWxYz012345"
# How many seconds these tests wait for a silent server.
TIMEOUT = 1.0

CONTENT = hashlib.shake_256(b"weights").digest(600_000)
WHEEL_NAME = "thing-1.0-py3-none-any.whl"


def wheel_of(content: bytes) -> bytes:
    """Make a wheel that holds the content uncompressed."""
    buffer = io.BytesIO()
    members: dict[str, bytes | str] = {
        "thing/__init__.py": "raise SystemExit('imported!')",
        "thing/w.pt": content,
        "thing-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: thing\nVersion: 1.0\n",
        "thing-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "thing-1.0.dist-info/RECORD": "",
    }
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, body in members.items():
            archive.writestr(zipfile.ZipInfo(name), body)  # of 1980, so that the same wheel has the same hash
    return buffer.getvalue()


FAULTS = {
    "none": "it works",
    "redirect": "it redirects to another address",
    "slow": "it sends a little at a time",
    "stalls once": "it stops sending in the middle, the first time",
    "truncates once": "it closes the connection in the middle, the first time",
    "resets once": "it resets the connection in the middle, the first time",
    "500 once": "it answers 500, the first time",
    "stalls": "it stops sending in the middle, always",
    "silent": "it accepts the connection and never answers",
    "truncates": "it closes the connection in the middle, always",
    "resets": "it resets the connection in the middle, always",
    "loops": "it redirects to the same address for ever",
    "404": "it answers 404",
    "500": "it answers 500, always",
    "web page": "it answers 200 with an HTML page",
    "wrong bytes": "it sends other bytes of the same length",
    "shorter": "it sends a shorter file as if it were complete",
    "no server": "no server listens",
}


@dataclass
class Server:
    """What the server has, how it misbehaves, and what it was asked for.

    No body ends before `together` of them have begun.
    """

    fault: str = "none"
    content: bytes = CONTENT
    etag: str | None = '"one"'
    ranges: bool = True
    pause: float = 0.0
    together: int = 0
    answer: tuple[int, dict[str, str], bytes] | None = None
    asked: list[tuple[str, str, str | None]] = field(default_factory=list)
    bodies: int = 0
    port: int = 0
    tls_port: int = 0
    stopped: threading.Event = field(default_factory=threading.Event)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_state: Server
    context: ssl.SSLContext

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_CONNECT(self) -> None:
        """Play the proxy and, behind it, every https server."""
        self.send_response(200, "Connection established")
        self.end_headers()
        self.connection = self.context.wrap_socket(self.connection, server_side=True)
        self.rfile = self.connection.makefile("rb")
        self.wfile = self.connection.makefile("wb", buffering=0)
        self.close_connection = False

    def finish(self) -> None:
        super().finish()
        self.connection.close()

    def do_HEAD(self) -> None:
        self._serve(head=True)

    def do_GET(self) -> None:
        self._serve(head=False)

    def _serve(self, *, head: bool) -> None:
        state = self.server_state
        state.asked.append((self.command, self.path, self.headers.get("Range")))
        if self.path.startswith("/simple/"):
            digest = hashlib.sha256(wheel_of(CONTENT)).hexdigest()
            link = f"<a href='/files/{WHEEL_NAME}#sha256={digest}'>{WHEEL_NAME}</a>"
            self._answer(
                200, f"<!DOCTYPE html><html><body>{link}</body></html>".encode(), {"Content-Type": "text/html"}
            )
            return
        content = wheel_of(state.content) if WHEEL_NAME in self.path else state.content
        with contextlib.suppress(OSError):
            self._misbehave(content, head=head)

    def _misbehave(self, content: bytes, *, head: bool) -> None:  # one branch a fault
        state = self.server_state
        fault = state.fault
        first = state.bodies == 0
        if not head:
            state.bodies += 1
        if fault.endswith(" once"):
            fault = fault.removesuffix(" once") if first and not head else "none"
        moved = "elsewhere" in self.path
        if fault == "silent":
            self._hang()
        elif fault == "404":
            self._answer(404, b"not here", {"Content-Type": "text/plain"})
        elif fault == "500":
            self._answer(500, b"broken", {"Content-Type": "text/plain"})
        elif fault == "loops" or (fault == "redirect" and not moved):
            mark = "&" if "?" in self.path else "?"
            target = self.path if fault == "loops" else f"{self.path}{mark}elsewhere"
            if "/resolve/" in self.path:  # the hub names the file in its redirects
                self._answer(302, b"", {"Location": target, **self._hub(content)}, head=head)
            else:
                self._answer(302, b"", {"Location": target})
        elif fault == "web page":
            page = b"<!DOCTYPE html>\n<html><body>Please log in.</body></html>"
            self._answer(200, page, {"Content-Type": "text/html", **self._hub(page)}, head=head)
        elif fault == "wrong bytes":
            self._file(bytes(byte ^ 1 for byte in content), head=head)
        elif fault == "shorter":
            self._file(content[: len(content) // 2], head=head)
        else:
            self._file(content, fault, head=head)

    def _file(self, content: bytes, fault: str = "none", *, head: bool) -> None:
        state = self.server_state
        if state.answer is not None and not head:
            status, headers, body = state.answer
            self._answer(status, body, headers)
            return
        start = 0
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        condition = self.headers.get("If-Range")
        if asked and state.ranges and condition in {None, state.etag}:
            start = int(asked[1])
        rest = content[start:]
        headers = {"Content-Length": str(len(rest)), "Content-Type": "application/octet-stream", **self._hub(content)}
        if state.etag:
            headers["ETag"] = state.etag
        if "/uc" in self.path:
            headers["Content-Disposition"] = 'attachment; filename="w.pt"'
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        self.send_response(206 if start else 200)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if head:
            return
        if fault in {"stalls", "truncates", "resets"}:
            self.wfile.write(rest[: len(rest) // 2])
            self.wfile.flush()
            self._break_off(fault)
        elif fault == "slow" or state.pause:
            for begin in range(0, len(rest), 20_000):
                self.wfile.write(rest[begin : begin + 20_000])
                time.sleep(state.pause or 0.02)
        elif state.together:
            self.wfile.write(rest[:1])
            while state.bodies < state.together and not state.stopped.wait(0.01):
                pass
            self.wfile.write(rest[1:])
        else:
            self.wfile.write(rest)

    def _break_off(self, how: str) -> None:
        self.close_connection = True
        if how == "stalls":
            self._hang()
        elif how == "resets":
            time.sleep(0.05)  # so that what was sent arrives before the reset
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            os.close(self.connection.detach())

    def _hang(self) -> None:
        self.close_connection = True
        self.server_state.stopped.wait(20 * TIMEOUT)

    def _hub(self, content: bytes) -> dict[str, str]:
        if "/resolve/" not in self.path:
            return {}
        digest = hashlib.sha256(content).hexdigest()
        return {"X-Repo-Commit": "0" * 40, "X-Linked-Size": str(len(content)), "X-Linked-Etag": f'"{digest}"'}

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None, *, head: bool = False) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD" and not head:
            self.wfile.write(body)


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, *_: object) -> None:
        """A client that hangs up is what these tests are about."""


AUTHORITY = trustme.CA()


@contextlib.contextmanager
def serving(fault: str = "none", **state: Any) -> Iterator[Server]:
    """Run a server, plain and with TLS, that misbehaves in one way."""
    made = Server(fault, **state)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    AUTHORITY.issue_cert("localhost", "drive.google.com", "drive.usercontent.google.com").configure_cert(context)
    handler = type("Handler", (_Handler,), {"server_state": made, "context": context})
    plain, secure = (_Quiet(("127.0.0.1", 0), handler) for _ in range(2))
    secure.socket = context.wrap_socket(secure.socket, server_side=True, do_handshake_on_connect=False)
    made.port, made.tls_port = plain.server_address[1], secure.server_address[1]
    threads = [threading.Thread(target=one.serve_forever, args=(0.05,), daemon=True) for one in (plain, secure)]
    for thread in threads:
        thread.start()
    try:
        yield made
    finally:
        made.stopped.set()
        for one in (plain, secure):
            one.shutdown()
            one.server_close()


@dataclass(frozen=True)
class Home:
    """A folder for one user's cache, settings and cards, and the environment of commands run there."""

    folder: Path

    def environment(self, server: Server | None) -> dict[str, str]:
        """Return an environment in which every source leads to `server`; None: to a port where nobody listens."""
        self.folder.mkdir(parents=True, exist_ok=True)
        bundle = self.folder / "ca.pem"
        AUTHORITY.cert_pem.write_to_path(str(bundle))
        port = server.port if server else 9
        dropped = {"no_proxy", "http_proxy", "https_proxy", "all_proxy", "zoo_offline"}
        kept = {key: value for key, value in os.environ.items() if key.lower() not in dropped and "PIP_" not in key}
        return {
            **kept,
            "ZOO_CACHE": str(self.folder / "cache"),
            "ZOO_CONFIG": str(self.folder / "config"),
            "ZOO_TIMEOUT": str(TIMEOUT),
            "HF_ENDPOINT": f"http://127.0.0.1:{port}",
            "HF_HOME": str(self.folder / "hf"),
            "HF_HUB_DOWNLOAD_TIMEOUT": str(int(TIMEOUT)),
            "HF_HUB_ETAG_TIMEOUT": str(int(TIMEOUT)),
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HTTPS_PROXY": f"http://127.0.0.1:{port}",
            "NO_PROXY": "localhost,127.0.0.1",
            "REQUESTS_CA_BUNDLE": str(bundle),
            "OMP_NUM_THREADS": "1",  # so that a crowded machine does not keep threads waiting for each other
            "PIP_INDEX_URL": f"http://127.0.0.1:{port}/simple/",
            "PIP_NO_CACHE_DIR": "1",
            "PIP_CONFIG_FILE": os.devnull,
        }

    def write_card(self, *sources: str, content: bytes | None = CONTENT, **weights: object) -> None:
        """Write the user's registry: one model with these sources, pinned to `content` unless that is None."""
        pins: dict[str, object] = {}
        if content is not None:
            pins = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
        card = {
            "name": "dcgan.thing",
            "adapter": "dcgan",
            "summary": "A thing.",
            "resolution": 16,
            "space": "z",
            "dim": 12,
            "weights": {"sources": [{"url": url} for url in sources], **pins, **weights},
            "licence": {"weights": "CC0"},
        }
        (self.folder / "config").mkdir(parents=True, exist_ok=True)
        (self.folder / "config" / "registry.yaml").write_text(yaml.safe_dump({"models": [card]}))

    def zoo(
        self, *arguments: str, server: Server | None = None, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run the command line in a process of its own, which is forked."""
        return subprocess.run(
            self.command(*arguments),
            env={**self.environment(server), **environment},
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
            cwd=self.folder,
        )

    @staticmethod
    def command(*arguments: str) -> list[str]:
        """Return the command line as a list."""
        return [fork_server.python(), "-m", "zoo", *arguments]

    def files(self) -> list[str]:
        """List every file under the cache, seen from it."""
        cache = self.folder / "cache"
        return sorted(str(path.relative_to(cache)) for path in cache.rglob("*") if path.is_file())

    def weights(self) -> list[Path]:
        """List the weights in the cache."""
        return sorted((self.folder / "cache" / "weights").glob("*/*"))


def source_of(kind: str, server: Server | None) -> str:
    """Write the source that leads to the server's file by one kind."""
    port = server.tls_port if server else 9
    return {
        "https": f"https://localhost:{port}/w.pt",
        "hf": "hf://owner/repo/w.pt@main",
        "gdrive": f"gdrive://{DRIVE_ID}",
        "pypi": "pypi://thing==1.0/thing/w.pt",
    }[kind]
