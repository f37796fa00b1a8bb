"""A server that answers without end: ``python tests/support/hostile_server.py CERTIFICATE`` prints its two ports.

It stands in a process of its own, so that what it sends is not counted as zoo's memory. The first part of a path that
is one of `MODES` says how it answers; for Google Drive, whose address nobody can choose, the id does. It is the proxy
for all https, too. No answer is longer than `ENOUGH`.
"""

from __future__ import annotations

import contextlib
import gzip
import re
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ENOUGH = 3 * 10**9
BLOCK = b"a" * 2**16
ZEROS = gzip.compress(bytes(2**20)) * 2**8  # members, which a reader joins
OK, FOUND, ERROR = "200 OK", "302 Found", "500 Internal Server Error"
PAGE = b"<html>\r\n"
# Ids of Google Drive have at least ten characters, hence the long names.
MODES = {
    "redirect_body": "a redirection with an endless body",
    "redirect_length": "a redirection with a body of 3 GB",
    "redirect_plain": "a redirection to plain http",
    "redirect_elsewhere": "a redirection to another host",
    "redirect_headers": "a redirection to an address of 60 kB",
    "endless_headers": "headers without end",
    "endless_header_line": "a header without end",
    "endless_status_line": "a status line without end",
    "endless_continue": "informational responses without end",
    "endless_early_hints": "early hints without end",
    "endless_chunk_line": "the length of a chunk without end",
    "endless_trailers": "headers after the body without end",
    "endless_trailer_line": "a header after the body without end",
    "endless_body": "a body without end",
    "endless_chunks": "chunks without end",
    "tiny_chunks": "chunks of a byte without end",
    "error_body": "an error with a body without end",
    "missing_body": "a missing file with a body without end",
    "error_length": "an error with a body of 3 GB",
    "larger_file": "a file of 12 kB, of which 1.5 GB arrive",
    "gzip_a_thousand": "a body that decompresses to a thousand times its size",
    "gzip_twice": "a body that is compressed twice",
    "brotli_body": "a body in an encoding that nobody asked for",
    "dripping_headers": "headers, a byte at a time",
    "dripping_body": "a body, a byte at a time",
    "endless_html": "a page without end",
    "endless_html_lines": "a page of short lines without end",
    "html_to_plain": "a page that leads to plain http",
    "html_to_itself": "a page that leads to itself",
}


def head(status: str, *headers: str) -> bytes:
    return "".join(f"{line}\r\n" for line in (f"HTTP/1.1 {status}", *headers, "")).encode()


def forever(block: bytes, pause: float = 0.0) -> Iterator[bytes]:
    for _ in range(ENOUGH // len(block)):
        yield block
        time.sleep(pause)


def answer(mode: str, plain: str) -> Iterator[bytes]:  # one branch a mode
    """What a mode sends; `plain` is the address of the server without TLS."""
    chunked = head(OK, "Transfer-Encoding: chunked")
    elsewhere = "Location: /elsewhere/w.pt"
    chunk = b"10000\r\n" + BLOCK + b"\r\n"
    form = b'<form id="download-form" action="%s"></form>\n'
    html = head(OK, "Content-Type: text/html", "Connection: close")
    begin, rest = {
        "redirect_body": (head(FOUND, elsewhere, "Transfer-Encoding: chunked"), chunk),
        "redirect_length": (head(FOUND, elsewhere, f"Content-Length: {ENOUGH}"), BLOCK),
        "redirect_plain": (head(FOUND, f"Location: {plain}/w.pt", "Content-Length: 0"), b""),
        "redirect_elsewhere": (
            head(FOUND, "Location: https://huggingface.co/elsewhere/w.pt", "Content-Length: 0"),
            b"",
        ),
        "redirect_headers": (head(FOUND, f"Location: /{'a' * 60_000}", "Content-Length: 0"), b""),
        "endless_headers": (b"HTTP/1.1 200 OK\r\n", b"A: b\r\n"),
        "endless_header_line": (b"HTTP/1.1 200 OK\r\nA: ", BLOCK),
        "endless_status_line": (b"HTTP/1.1 200 ", BLOCK),
        "endless_continue": (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100),
        "endless_early_hints": (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n" * 100),
        "endless_chunk_line": (chunked + b"1;", BLOCK),
        "endless_trailers": (chunked + b"1\r\na\r\n0\r\n", b"A: b\r\n" * 100),
        "endless_trailer_line": (chunked + b"1\r\na\r\n0\r\nA: ", BLOCK),
        "endless_body": (head(OK, "Connection: close"), BLOCK),
        "endless_chunks": (chunked, chunk),
        "tiny_chunks": (chunked, b"1\r\na\r\n" * 1000),
        "error_body": (head(ERROR, "Transfer-Encoding: chunked"), chunk),
        "missing_body": (head("404 Not Found", "Connection: close"), BLOCK),
        "error_length": (head(ERROR, f"Content-Length: {ENOUGH}"), BLOCK),
        "larger_file": (head(OK, "Content-Length: 1500000000"), BLOCK),
        "gzip_a_thousand": (head(OK, "Content-Encoding: gzip", "Connection: close"), ZEROS),
        "gzip_twice": (head(OK, "Content-Encoding: gzip, gzip", "Connection: close"), gzip.compress(ZEROS)),
        "brotli_body": (head(OK, "Content-Encoding: br", "Connection: close"), BLOCK),
        "dripping_headers": (b"HTTP/1.1 200 OK\r\nA: ", b"a"),
        "dripping_body": (head(OK, "Content-Length: 12000"), b"a"),
        "endless_html": (html, PAGE + BLOCK),
        "endless_html_lines": (html, b"download\n" * 1000),
        "html_to_plain": (html + form % f"{plain}/w.pt".encode(), b""),
        "html_to_itself": (html + form % b"/uc?id=html_to_itself", b""),
    }[mode]
    yield begin
    if rest:
        yield from forever(rest, 0.05 if "dripping" in mode else 0.0)


class Connection(threading.Thread):
    """One connection: a request is read, and answered until the client has enough."""

    def __init__(self, sock: socket.socket, context: ssl.SSLContext | None, server: Listener) -> None:
        super().__init__(daemon=True)
        self.sock, self.context, self.server = sock, context, server

    def run(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            while self._serve():
                pass
        with contextlib.suppress(OSError):
            self.sock.close()

    def _serve(self) -> bool:
        if self.context is not None:
            self.sock = self.context.wrap_socket(self.sock, server_side=True)
            self.context = None
        request = b""
        while b"\r\n\r\n" not in request:
            received = self.sock.recv(2**16)
            if not received:
                return False
            request += received
        line = request.partition(b"\r\n")[0].decode()
        method, address, _ = line.split(" ")
        token = " with a token" if b"\nauthorization:" in request.lower() else ""
        print(f"{line}{token}", file=sys.stderr, flush=True)
        if method == "CONNECT":
            self.sock.sendall(head("200 OK"))
            self.context = self.server.tls
            return True
        [mode] = re.findall("|".join(sorted(MODES, key=len, reverse=True)), address)[:1] or [""]
        if method == "HEAD":
            self.sock.sendall(head(OK, "Content-Length: 12000" if mode == "larger_file" else "X: y"))
            return True
        for block in answer(mode, self.server.plain) if mode else [head("404 Not Found", "Content-Length: 0")]:
            self.sock.sendall(block)
        return False


@dataclass
class Listener:
    """The two sockets, without and with TLS."""

    tls: ssl.SSLContext
    plain: str = ""
    ports: list[int] = field(default_factory=list)

    def listen(self) -> None:
        for context in (None, self.tls):
            sock = socket.create_server(("127.0.0.1", 0), backlog=64)
            self.ports.append(sock.getsockname()[1])
            threading.Thread(target=self._accept, args=(sock, context), daemon=True).start()
        self.plain = f"http://127.0.0.1:{self.ports[0]}"

    def _accept(self, sock: socket.socket, context: ssl.SSLContext | None) -> None:
        while True:
            accepted, _ = sock.accept()
            Connection(accepted, context, self).start()


@dataclass
class HostileServer:
    """The server as a process; `asked` lists the first lines of the requests so far."""

    process: subprocess.Popen[str]
    folder: Path
    port: int
    tls_port: int

    @classmethod
    def start(cls, folder: Path) -> HostileServer:
        """Start the server; its certificate and its log go into a folder."""
        import trustme

        authority = trustme.CA()
        made = authority.issue_cert("localhost", "drive.google.com", "huggingface.co")
        made.private_key_and_cert_chain_pem.write_to_path(str(folder / "server.pem"))
        authority.cert_pem.write_to_path(str(folder / "ca.pem"))
        with (folder / "asked").open("w") as log:
            process = subprocess.Popen(
                [sys.executable, __file__, str(folder / "server.pem")], stdout=subprocess.PIPE, stderr=log, text=True
            )
        assert process.stdout is not None
        port, tls_port = map(int, process.stdout.readline().split())
        return cls(process, folder, port, tls_port)

    @property
    def asked(self) -> list[str]:
        return (self.folder / "asked").read_text().splitlines()

    def environment(self, mode: str) -> dict[str, str]:
        """Variables by which every source leads to the server."""
        return {
            "REQUESTS_CA_BUNDLE": str(self.folder / "ca.pem"),
            "HTTPS_PROXY": f"http://127.0.0.1:{self.port}",
            "NO_PROXY": "localhost,127.0.0.1",
            "HF_ENDPOINT": f"https://localhost:{self.tls_port}/{mode}",
            "HF_TOKEN": "hf_secret",
            "PIP_INDEX_URL": f"http://127.0.0.1:{self.port}/{mode}/simple/",
        }

    def source(self, kind: str, mode: str) -> str:
        """Write the address that leads to a mode by one kind of source."""
        return {
            "https": f"https://localhost:{self.tls_port}/{mode}/w.pt",
            "hf": "hf://owner/repo/w.pt",
            "gdrive": f"gdrive://{mode}",
            "pypi": "pypi://thing==1.0/thing/w.pt",
        }[kind]

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()


if __name__ == "__main__":
    listener = Listener(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
    listener.tls.load_cert_chain(sys.argv[1])
    listener.listen()
    print(*listener.ports, flush=True)
    threading.Event().wait()
