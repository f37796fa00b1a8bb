"""Weights arrive whatever the network does, or one line says why not: every fault by every kind of source."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.network import CONTENT, FAULTS, Home, Server, serving, source_of

KINDS = ("https", "hf", "gdrive", "pypi")
OVERCOME = {"none", "redirect", "slow", "stalls once", "truncates once", "resets once", "500 once"}
RESUMED = {"stalls", "truncates", "resets"}
WORDS = {
    "stalls": "silent|broke off|not enough bytes",
    "silent": "silent|broke off|Unable to fetch",
    "truncates": "broke off|not enough bytes",
    "resets": "broke off|not enough bytes",
    "loops": "redirects",
    "404": "404|Google Drive does not give it",
    "500": "500|Google Drive does not give it",
    "web page": "text/html|the Hub has .* bytes|Google Drive does not give it|another hash",
    "wrong bytes": "sha256|another hash",
    "shorter": "300,000 bytes|another hash",
    "no server": "failed or broke off|proxy cannot be reached|No matching distribution",
}
LONGEST = 120
DOCUMENT = Path(__file__).parents[1] / "docs" / "weights.md"


@dataclass(frozen=True)
class Outcome:
    done: subprocess.CompletedProcess[str]
    files: list[str]
    weights: list[bytes]
    seconds: float
    again: subprocess.CompletedProcess[str] | None
    resumed: bool
    files_again: list[str]

    @property
    def word(self) -> str:
        return "fetched" if self.done.returncode == 0 else "refused"


def attempt(fault: str, kind: str, folder: Path) -> Outcome:
    """Pull through a faulty server, and once more, where that failed, through the same server after it was mended."""
    home = Home(folder)
    with serving("none" if fault == "no server" else fault) as server:
        reached = None if fault == "no server" else server
        home.write_card(source_of(kind, server))
        if reached is None:
            home.write_card(source_of(kind, None))
        begun = time.monotonic()
        done = home.zoo("pull", "dcgan.thing", server=reached)
        seconds, files = time.monotonic() - begun, home.files()
        weights = [path.read_bytes() for path in home.weights()]
        again, asked = None, len(server.asked)
        if done.returncode and reached is not None:
            server.fault = "none"
            again = home.zoo("pull", "dcgan.thing", server=server)
        resumed = any(bounds for _, _, bounds in server.asked[asked:])
        return Outcome(done, files, weights, seconds, again, resumed, home.files())


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Outcome]:
    """Try everything; most of the time is spent waiting, so several at once."""
    cases = [(fault, kind) for fault in FAULTS for kind in KINDS]
    with ThreadPoolExecutor(6) as pool:
        found = pool.map(lambda case: attempt(case[0], case[1], tmp_path_factory.mktemp("home")), cases)
        return dict(zip(cases, found, strict=True))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_by_every_source(fault: str, kind: str, outcomes: dict[tuple[str, str], Outcome]) -> None:
    found = outcomes[fault, kind]
    lines = found.done.stderr.splitlines()
    assert lines[0].startswith("dcgan.thing · weights: CC0")
    assert found.seconds < LONGEST
    if fault in OVERCOME:
        assert found.done.returncode == 0, found.done.stderr
        assert found.weights == [CONTENT]
        assert len(found.files) == 1
        assert len(lines) == 1
        return
    assert found.done.returncode == 2
    assert len(lines) == 2
    assert re.search(WORDS[fault], lines[1]), lines[1]
    assert not found.weights
    kept = {Path(file).name for file in found.files}
    assert kept == ({"part", "part.json"} if kind == "https" and fault in RESUMED else set())
    if found.again is not None:
        assert found.again.returncode == 0, found.again.stderr
        assert len(found.files_again) == 1
        assert found.resumed or not kept


def test_the_documented_table_is_what_happens(outcomes: dict[tuple[str, str], Outcome]) -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    for fault, meaning in FAULTS.items():
        [row] = re.findall(rf"^\| {re.escape(meaning)} \|(.*)\|$", text, flags=re.MULTILINE)
        assert [cell.split()[0].strip(",") for cell in row.split("|")] == [outcomes[fault, kind].word for kind in KINDS]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as made:
        yield made


def url(server: Server, path: str = "w.pt") -> str:
    return f"https://localhost:{server.tls_port}/{path}"


@pytest.mark.parametrize("fault", ["404", "web page", "wrong bytes", "truncates"])
def test_the_next_mirror_serves(fault: str, home: Home, server: Server) -> None:
    with serving(fault) as broken:
        home.write_card(url(broken), url(server))
        done = home.zoo("pull", "dcgan.thing", server=server)
    assert done.returncode == 0, done.stderr
    assert home.weights()[0].read_bytes() == CONTENT
    assert len(home.files()) == 1


def test_when_every_mirror_fails_each_is_named(home: Home, server: Server) -> None:
    server.fault = "404"
    with serving("500") as other:
        home.write_card(url(server), url(other))
        done = home.zoo("pull", "dcgan.thing", server=server)
    assert done.returncode == 2
    assert f"{url(server)}: the server answered 404" in done.stderr
    assert f"{url(other)}: the server answered 500" in done.stderr


def test_two_processes_fetch_once(home: Home, server: Server) -> None:
    server.pause = 0.05
    home.write_card(url(server))
    command, environment = home.command("pull", "dcgan.thing"), home.environment(server)
    both = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(3)
    ]
    for one in both:
        one.communicate(timeout=60)
    assert [one.returncode for one in both] == [0, 0, 0]
    assert server.bodies == 1
    assert len(home.files()) == 1


def test_the_first_hash_is_remembered_and_a_change_refused(home: Home, server: Server) -> None:
    home.write_card(url(server), content=None)
    first = home.zoo("pull", "dcgan.thing", server=server)
    assert first.returncode == 0, first.stderr
    assert "not verified" in first.stderr
    digest = hashlib.sha256(CONTENT).hexdigest()
    assert f"{digest} is remembered" in home.zoo("info", "dcgan.thing").stdout
    [slot] = home.weights()
    slot.unlink()
    assert home.zoo("pull", "dcgan.thing", server=server).returncode == 0, "the same file is welcome again"
    home.weights()[0].unlink()
    server.content = CONTENT[::-1]
    changed = home.zoo("pull", "dcgan.thing", server=server)
    assert changed.returncode == 2
    assert "has changed" in changed.stderr
    assert "zoo cache --forget dcgan.thing" in changed.stderr
    assert home.zoo("cache", "--forget", "dcgan.thing").returncode == 0
    assert home.zoo("pull", "dcgan.thing", server=server).returncode == 0
    assert home.weights()[0].read_bytes() == CONTENT[::-1]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"<!DOCTYPE html><title>Sign in</title>", "a web page"),
        (b'\n {"requestStatus": {"statusCode": "SUCCESS"}}', "a JSON answer"),
        (b"", "the file is empty"),
    ],
)
def test_what_is_no_weights_file_is_not_trusted(content: bytes, words: str, home: Home, server: Server) -> None:
    server.content = content
    home.write_card(url(server), content=None)
    done = home.zoo("pull", "dcgan.thing", server=server)
    assert done.returncode == 2
    assert words in done.stderr
    assert not (home.folder / "config" / "trusted.json").exists()
    assert not home.files()


def test_a_damaged_file_is_fetched_again_once(home: Home, server: Server) -> None:
    home.write_card(url(server))
    assert home.zoo("pull", "dcgan.thing", server=server).returncode == 0
    [slot] = home.weights()
    slot.write_bytes(b"damaged")
    verified = home.zoo("cache", "--verify")
    assert verified.returncode == 2
    assert "1 of 1 files are damaged" in verified.stderr
    assert home.zoo("pull", "dcgan.thing", server=server).returncode == 0
    assert slot.read_bytes() == CONTENT
    assert home.zoo("cache", "--verify").returncode == 0
    slot.write_bytes(b"damaged")
    server.fault, server.bodies = "wrong bytes", 0
    refused = home.zoo("pull", "dcgan.thing", server=server)
    assert refused.returncode == 2
    assert "but the card names" in refused.stderr
    assert server.bodies == 1


def test_offline_uses_the_cache_and_says_what_is_missing(home: Home, server: Server) -> None:
    home.write_card(url(server))
    refused = home.zoo("pull", "dcgan.thing", server=server, ZOO_OFFLINE="1")
    assert refused.returncode == 2
    assert "ZOO_OFFLINE forbids" in refused.stderr
    assert "zoo add FILE --name dcgan.thing" in refused.stderr
    assert not server.asked
    assert home.zoo("pull", "dcgan.thing", server=server).returncode == 0
    assert home.zoo("pull", "dcgan.thing", server=server, ZOO_OFFLINE="1").returncode == 0


@pytest.mark.parametrize(
    ("before", "after", "pinned", "ranges"),
    [
        ('"one"', '"one"', True, True),  # resumed under the ETag
        (None, None, True, True),  # resumed without one, as the hash is known
        ('"one"', '"two"', True, True),  # the file changed meanwhile: from the start
        (None, None, False, True),  # nothing to hold the rest against: from the start
        ('"one"', '"one"', True, False),  # the server knows no ranges: from the start
    ],
)
def test_a_later_process_goes_on_where_it_stopped(
    before: str | None, after: str | None, pinned: bool, ranges: bool, home: Home, server: Server
) -> None:
    server.fault, server.etag, server.ranges = "truncates", before, ranges
    home.write_card(url(server), content=CONTENT if pinned else None)
    if before is None and not pinned:
        server.etag = None
    assert home.zoo("pull", "dcgan.thing", server=server).returncode == 2
    server.fault, server.etag, server.asked = "none", after, []
    assert home.zoo("pull", "dcgan.thing", server=server).returncode == 0
    assert home.weights()[0].read_bytes() == CONTENT
    asked_for_a_part = server.asked[0][2] is not None
    assert asked_for_a_part == (pinned or before is not None)


def test_a_resumed_file_that_proves_wrong_is_got_once_more(home: Home, server: Server) -> None:
    server.fault, server.etag, server.content = "truncates", None, CONTENT[::-1]
    home.write_card(url(server))
    assert home.zoo("pull", "dcgan.thing", server=server).returncode == 2
    server.fault, server.content = "none", CONTENT  # the beginning on the disk is of another file
    done = home.zoo("pull", "dcgan.thing", server=server)
    assert done.returncode == 0, done.stderr
    assert home.weights()[0].read_bytes() == CONTENT


def test_https_never_becomes_plain(home: Home, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    import tests.network as network

    def downgrade(handler: network._Handler, content: bytes, *, head: bool) -> None:
        if handler.connection.__class__.__name__ == "SSLSocket":
            handler._answer(302, b"", {"Location": f"http://localhost:{server.port}/w.pt"})
        else:
            handler._file(content, head=head)

    monkeypatch.setattr(network._Handler, "_misbehave", downgrade)
    home.write_card(url(server))
    done = home.zoo("pull", "dcgan.thing", server=server)
    assert done.returncode == 2
    assert "which is not https" in done.stderr


def test_an_untrusted_certificate_is_refused(home: Home, server: Server) -> None:
    home.write_card(url(server))
    done = home.zoo("pull", "dcgan.thing", server=server, REQUESTS_CA_BUNDLE="")
    assert done.returncode == 2
    assert "certificate is not trusted" in done.stderr


@pytest.mark.skipif(os.name == "nt", reason="limits of file sizes are POSIX")
def test_a_disk_that_refuses_is_named_and_nothing_is_left(home: Home, server: Server) -> None:
    home.write_card(url(server))
    limited = f"ulimit -f 200; exec {' '.join(home.command('pull', 'dcgan.thing'))}"  # 200 KiB a file
    done = subprocess.run(
        ["bash", "-c", limited], env=home.environment(server), capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "the file is larger than this system allows" in done.stderr.splitlines()[-1]
    assert not home.weights()


def test_a_timeout_that_is_none_is_refused(home: Home, server: Server) -> None:
    home.write_card(url(server))
    done = home.zoo("pull", "dcgan.thing", server=server, ZOO_TIMEOUT="soon")
    assert done.returncode == 2
    assert "ZOO_TIMEOUT=soon: it is a number of seconds above 0" in done.stderr
