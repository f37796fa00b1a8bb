"""Servers that answer without end: each download stops at its limits, and nothing is accepted."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.hostile_server import MODES, HostileServer
from zoo._utils.progress import silent
from zoo.errors import WeightsError
from zoo.registry.sources import Source
from zoo.weights import sources
from zoo.weights.sources.gdrive import _find_link
from zoo.weights.sources.request import DownloadRequest

# Bytes of memory and disk, and seconds of processor time on slow machines.
MOST_MEMORY = 150 * 2**20
MOST_WRITTEN = 100 * 2**20
MOST_ACCEPTED = 50 * 2**20
LONGEST = 10.0
PAGES = {mode for mode in MODES if "html" in mode}
# By https, every mode that has a limit of its own; by the others, those whose requests are their own.
TRIED = {
    "https": {"redirect_body", "endless_headers", "endless_header_line", "endless_continue", "endless_chunk_line"}
    | {"endless_trailer_line", "error_body", "gzip_a_thousand", "gzip_twice", "dripping_headers"},
    "hf": {"redirect_plain", "redirect_length", "error_body", "larger_file"},
    "gdrive": {"redirect_plain", "endless_html", "endless_html_lines", "html_to_plain", "endless_body"},
}
CASES = [
    pytest.param(kind, mode, marks=() if mode in tried else pytest.mark.long)
    for kind, tried in TRIED.items()
    for mode in MODES
    if kind == "gdrive" or mode not in PAGES
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostileServer]:
    made = HostileServer.start(tmp_path_factory.mktemp("server"))
    yield made
    made.close()


def lead_to(server: HostileServer, mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every source of this process lead to a mode of the server; huggingface_hub has read its variables already."""
    for name, value in server.environment(mode).items():
        monkeypatch.setenv(name, value)
    endpoint = server.environment(mode)["HF_ENDPOINT"]
    template = f"{endpoint}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", endpoint)
    monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setenv("ZOO_TIMEOUT", "0.4")


def peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@pytest.mark.parametrize(("kind", "mode"), CASES)
def test_no_answer_costs_more_than_it_may(
    kind: str, mode: str, server: HostileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lead_to(server, mode, monkeypatch)
    size = None if mode in {"gzip_a_thousand", "larger_file"} or "redirect" in mode else 12_000
    source = Source(server.source(kind, mode))
    request = DownloadRequest(source, tmp_path, size, pinned=False, progress=silent, limit=MOST_ACCEPTED)
    begun, before, asked = time.process_time(), peak(), len(server.asked)
    with pytest.raises(WeightsError) as refused:
        sources.fetch(request)
    assert time.process_time() - begun < LONGEST
    assert peak() - before < MOST_MEMORY
    assert sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()) < MOST_WRITTEN
    assert len(str(refused.value)) < 400
    assert len(server.asked) > asked, "the server was never reached"
    if "plain" in mode:
        assert "which is not https" in str(refused.value)
        assert not [line for line in server.asked[asked:] if line == "GET /w.pt HTTP/1.1"]


def test_the_token_goes_to_the_hub_and_nowhere_else(
    server: HostileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lead_to(server, "redirect_elsewhere", monkeypatch)
    asked = len(server.asked)
    request = DownloadRequest(Source(server.source("hf", "")), tmp_path, None, pinned=False, progress=silent)
    with pytest.raises(WeightsError, match="404"):
        sources.fetch(request)
    path = "/redirect_elsewhere/owner/repo/resolve/main/w.pt HTTP/1.1"
    elsewhere = "GET /elsewhere/w.pt HTTP/1.1"
    hub = [f"{method} {path} with a token" for method in ("HEAD", "GET")]
    assert [line for line in server.asked[asked:] if "CONNECT" not in line] == [*hub, elsewhere]


@pytest.mark.long
@pytest.mark.parametrize("mode", ["endless_body", "endless_headers", "redirect_body", "error_body"])
def test_an_index_without_end_fills_no_memory(
    mode: str, server: HostileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lead_to(server, mode, monkeypatch)
    request = DownloadRequest(Source(server.source("pypi", mode)), tmp_path, None, pinned=False, progress=silent)
    assert _kilobytes_of_children(request) < 2**21 + 2**17, "kB of pip"


def _kilobytes_of_children(request: DownloadRequest) -> int:
    """Return the most memory of a process that a refused download starts; this one's maximum counts earlier tests."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            with pytest.raises(WeightsError):
                sources.fetch(request)
            os.write(writer, str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss).encode())
        finally:
            os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    told = os.read(reader, 64)
    os.close(reader)
    return int(told)


@pytest.mark.parametrize(
    ("page", "link"),
    [
        (
            '<html>\n<form id="download-form" action="https://drive.usercontent.google.com/download" method="get">'
            '<input type="hidden" name="id" value="ID"><input type="hidden" name="confirm" value="t"></form>',
            "https://drive.usercontent.google.com/download?id=ID&confirm=t",
        ),
        (
            '<a href="/uc?export=download&amp;confirm=x&amp;id=ID">',
            "https://docs.google.com/uc?export=download&confirm=x&id=ID",
        ),
        ('<p class="uc-error-subcaption">Too many users have viewed or downloaded this file recently.</p>', None),
        ('<form id="download-form">', None),
        ('<form id="download-form" action="https://["></form>', None),
        ("", None),
    ],
)
def test_the_page_before_a_large_file_of_google_drive(page: str, link: str | None) -> None:
    assert _find_link(page) == link
