"""Responses of servers, by every kind of source that downloads."""

from __future__ import annotations

import functools
import gzip
import importlib
import json
import os
import random
import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import yaml

from tests.attack.attack import Attack, Fuzzed
from tests.attack.mutations import PLAIN, Mutation, damaged
from tests.attack.transport import answers
from tests.support.hostile_cards import HEAD
from tests.support.hostile_server import MODES, HostileServer
from zoo._utils.progress import silent
from zoo.registry.sources import Source
from zoo.weights import sources
from zoo.weights.sources.request import DownloadRequest

_MOST_WRITTEN = 100 * 2**20


def _start(kind: str, mode: str) -> Callable[[Path], HostileServer]:
    """Write a card whose weights come from a mode of a server, and start that."""

    def make(folder: Path) -> HostileServer:
        server = HostileServer.start(folder)
        weights: dict[str, object] = {"sources": [{"url": server.source(kind, mode)}]}
        # The card names the size; but not where the server's own word is what is tried.
        weights |= {} if mode in {"gzip_a_thousand", "larger_file"} else {"size": 12_000}
        [card] = yaml.safe_load(HEAD)["models"]
        (folder / "cards.yaml").write_text(yaml.safe_dump({"models": [{**card, "weights": weights}]}))
        (folder / "environment.json").write_text(json.dumps(server.environment(mode)))
        return server

    return make


def _pull(folder: Path) -> None:
    """Fetch the weights, as ``zoo pull`` does; the variables are read before huggingface_hub is used."""
    from huggingface_hub import constants

    from zoo.registry.registry import load_installation
    from zoo.weights.fetch import fetch

    os.environ.update(json.loads((folder / "environment.json").read_text()))
    os.environ["ZOO_TIMEOUT"] = "0.5"
    endpoint = os.environ["HF_ENDPOINT"]
    constants.ENDPOINT = endpoint
    constants.HUGGINGFACE_CO_URL_TEMPLATE = f"{endpoint}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    fetch(load_installation([folder / "cards.yaml"]).registry.resolve("dcgan.h"))


def _little_is_written(folder: Path) -> None:
    written = sum(path.stat().st_size for path in folder.parent.rglob("*") if path.is_file())
    assert written < _MOST_WRITTEN, f"{written:,} bytes"
    asked = (folder / "asked").read_text()
    assert asked, "the server was never reached"
    assert "GET /w.pt " not in asked, "something was asked without encryption"


ATTACKS = [
    Attack("responses", f"{kind}: {words}", _start(kind, mode), _pull, kind=f"{kind}://", check=_little_is_written)
    for kind in ("https", "hf", "gdrive")
    for mode, words in MODES.items()
    # Pages are Google Drive's, and only the Hub announces a size beforehand.
    if ("html" not in mode or kind == "gdrive") and (mode != "larger_file" or kind == "hf")
]

# --- answers that are damaged at random ------------------------------------------------------------------------------

# What an input is made of: the kind of the source, and then the answers to one connection after another.
_BETWEEN = b"\n=====\n"
_SOURCES = {
    b"http": "http://localhost/w.pt",
    b"https": "https://localhost/w.pt",
    b"hf": "hf://owner/repo/w.pt",
    b"gdrive": "gdrive://abcdefghijklmnop",
}
_SIZE = 20_000
_HALF = 18_000  # what has arrived is kept in pieces of 16 kB
_WORDS = (
    *("Location: //[", "Location: http://localhost/x", "Location: https://localhost:99999999/", "Location: \xff"),
    *("Location: https://[::1", "Location: file:///etc/passwd", "Location: ?", "Location: https://\u2066.\u202e/"),
    *("Content-Length: -1", "Content-Length: 9999999999999999999", "Content-Length: +5", "Content-Length: 5, 5"),
    *("Content-Length: ²", "Content-Encoding: gzip", "Content-Encoding: deflate, gzip", "Content-Encoding: \x1b[31m"),
    *("Transfer-Encoding: chunked", "Transfer-Encoding: gzip, chunked", "X-Linked-Size: nan", "X-Linked-Size: 10"),
    *("Content-Range: bytes 0-1/2", "Content-Range: bytes 16384-19999/*", "ETag: W/x"),
    *("ETag: \r\n\r\n", "Set-Cookie: a=b"),
    *("HTTP/1.1 200", "HTTP/0.9 200 OK", "HTTP/1.1 99 \x1b[2J", "HTTP/1.1 1000 x", "HTTP/1.1 304 x", "HTTP/1.1 206 P"),
    *("HTTP/1.1 416 R", "HTTP/1.1 429 T", "HTTP/1.1 302 F", "HTTP/1.1 100 Continue\r\n\r\n"),
    *("\r\n\r\n", "\r\n", "\n", ":", "&amp;"),
    *("ffffffffffffffff\r\n", "-1\r\n", "0\r\n\r\n", " 5\r\n", '<form id="download-form" action="'),
    *('"downloadUrl":"\\u00', "X-Error-Message: \x1b[31m\u202e", "Content-Type: text/html; charset=utf-7"),
    *("Content-Disposition: x", "\x00", "\u202e"),
)  # fmt: skip


def _response(status: str, *headers: str, body: bytes = b"") -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", *headers, "", ""]).encode() + body


@functools.cache
def honest_answers() -> Sequence[bytes]:
    """Downloads by every kind of source, as servers answer them: whole, in chunks, packed, resumed, redirected."""
    for name in ("huggingface_hub", "gdown.download", "bs4"):
        importlib.import_module(name)
    content = b"\xff" * _SIZE
    length = f"Content-Length: {_SIZE}"
    packed = gzip.compress(content)
    whole = _response("200 OK", length, 'ETag: "x"', "Content-Disposition: attachment", body=content)
    chunks = _response(
        "200 OK", "Transfer-Encoding: chunked", "Content-Disposition: x", body=b"4e20\r\n%b\r\n0\r\n\r\n" % content
    )
    zipped = _response("200 OK", "Content-Encoding: gzip", "Content-Disposition: x", body=packed)
    half = whole[: _HALF - _SIZE]
    rest = _response(
        *(
            "206 Partial Content",
            f"Content-Range: bytes 16384-{_SIZE - 1}/{_SIZE}",
            'ETag: "x"',
            "Content-Disposition: x",
        ),
        body=content[16384:],
    )
    elsewhere = _response("302 Found", "Location: /elsewhere", "Content-Length: 0")
    busy, gone = _response("503 Busy", "Content-Length: 0"), _response("404 Not Found", body=b"gone")
    head = _response("200 OK", f"X-Linked-Size: {_SIZE}", "Location: https://elsewhere.example/x")
    page = b'<html>\n<form id="download-form" action="/uc?x"><input name="confirm" value="t"></form>download\n'
    asks = _response("200 OK", "Content-Type: text/html", body=page)
    made = [[whole], [chunks], [zipped], [half, rest], [elsewhere, whole], [busy, half, rest], [gone]]
    both = [[b"https", *one] for one in made] + [[b"http", *one] for one in made]
    hub = [[b"hf", head, *one] for one in made]
    drive = [[b"gdrive", *one] for one in (*made, [asks, whole], [asks, asks, half, asks, rest])]
    return [_BETWEEN.join(one) for one in (*both, *hub, *hub, *drive, *drive)]


def mutated_answers(files: Sequence[bytes], chance: random.Random) -> bytes:
    """Damage the answers to one download, most often by words of HTTP."""
    kind, _, content = chance.choice(files).partition(_BETWEEN)
    return kind + _BETWEEN + damaged(content, files, chance, _MUTATIONS)


def _headed(content: bytes, files: Sequence[bytes], chance: random.Random) -> bytes:
    """Put a word of HTTP in place of one, or before it, most often where a line begins."""
    word = chance.choice(_WORDS).encode()
    lines = [0, *(match.end() for match in re.finditer(b"\n", content))]
    begin = chance.choice(lines) if chance.random() < 0.8 else chance.randrange(len(content) + 1)
    end = content.find(b"\r\n", begin) if chance.random() < 0.6 else begin
    return content[:begin] + word + (b"\r\n" if end == begin else b"") + content[max(begin, end) :]


def download(path: Path) -> None:
    """Download what the answers in a file say."""
    kind, *contents = path.read_bytes().split(_BETWEEN)
    folder = path.parent.parent / "fetched"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    os.environ["ZOO_TIMEOUT"] = "0.003"  # nothing is waited for but the time between attempts
    request = DownloadRequest(Source(_SOURCES[kind]), folder, _SIZE if len(contents) % 2 else None, False, silent)
    with answers(contents) as plain:
        try:
            got = sources.fetch(request)
        finally:
            assert kind == b"http" or not plain, f"{plain} was asked without encryption"
    assert got.stat().st_size <= 20 * path.stat().st_size + 2**20, "it has become large"
    assert request.size in {None, got.stat().st_size}, "it has another size than the card says"


_MUTATIONS: Sequence[Mutation] = (*PLAIN, *[_headed] * 8)
FUZZED = [Fuzzed("responses", "damaged answers", honest_answers, download, mutate=mutated_answers, share=1)]
