"""Weights arrive whatever the network does, or one line says why not: every fault by every kind of source."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import pickle
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support import fork_server
from tests.support.marks import mostly_long
from tests.support.network import CONTENT, FAULTS, Home, Server, serving, source_of
from tests.support.once import made_once

KINDS = ("https", "hf", "gdrive", "pypi")
OVERCOME = {"none", "redirect", "slow", "stalls once", "truncates once", "resets once", "500 once"}
RESUMED = {"stalls", "truncates", "resets"}
WORDS = {
    "stalls": "silent|broke off|not enough bytes|another hash",
    "silent": "silent|broke off|Unable to fetch|No matching distribution",
    "truncates": "broke off|not enough bytes|another hash",
    "resets": "broke off|not enough bytes|another hash",
    "loops": "redirects",
    "404": "404|Google Drive does not give it",
    "500": "500|Google Drive does not give it",
    "web page": "text/html|the Hub has .* bytes|Google Drive does not give it|another hash",
    "wrong bytes": "sha256|another hash",
    "shorter": "300,000 bytes|another hash",
    "no server": "failed or broke off|proxy cannot be reached|No matching distribution",
}
LONGEST = 120
# Some faults by every source, and some of each kind by https; the rest is tried by `pytest -m long`.
OFTEN = {
    "none": KINDS,
    "404": ("https", "gdrive"),
    **dict.fromkeys(("truncates", "stalls once", "web page"), ("https",)),
}
TRIED = [(fault, kind) for fault in FAULTS for kind in KINDS if kind in OFTEN.get(fault, ())]
REST = [(fault, kind) for fault in FAULTS for kind in KINDS if (fault, kind) not in TRIED]
DOCUMENT = Path(__file__).parents[2] / "docs" / "weights.md"


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


Outcomes = dict[tuple[str, str], Outcome]


@pytest.fixture(scope="session")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Callable[[list[tuple[str, str]]], Outcomes]:
    """A function that tries cases, `TRIED` or `REST`, once for all processes of the tests."""

    @functools.cache
    def of(name: str) -> Outcomes:
        def attempt_all(folder: Path) -> None:
            found = _outcomes(TRIED if name == "tried" else REST, folder / "homes")
            (folder / "outcomes").write_bytes(pickle.dumps(found))

        folder = made_once(tmp_path_factory, f"faults-{name}", attempt_all)
        found: Outcomes = pickle.loads((folder / "outcomes").read_bytes())
        return found

    return lambda cases: of("tried" if cases is TRIED else "rest")


def _outcomes(cases: list[tuple[str, str]], homes: Path) -> Outcomes:
    """Try several cases at once, as most of the time is spent waiting."""
    homes.mkdir()
    with ThreadPoolExecutor(6) as pool:
        found = pool.map(lambda case: attempt(case[0], case[1], homes / "-".join(case)), cases)
        return dict(zip(cases, found, strict=True))


@pytest.mark.parametrize(("fault", "kind"), [*TRIED, *(pytest.param(*case, marks=pytest.mark.long) for case in REST)])
def test_every_fault_by_every_source(
    fault: str, kind: str, outcomes: Callable[[list[tuple[str, str]]], Outcomes]
) -> None:
    found = outcomes(TRIED if (fault, kind) in TRIED else REST)[fault, kind]
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


@pytest.mark.parametrize("cases", [TRIED, pytest.param(REST, marks=pytest.mark.long)], ids=["tried", "rest"])
def test_the_documented_table_is_what_happens(
    cases: list[tuple[str, str]], outcomes: Callable[[list[tuple[str, str]]], Outcomes]
) -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    for fault, kind in cases:
        [row] = re.findall(rf"^\| {re.escape(FAULTS[fault])} \|(.*)\|$", text, flags=re.MULTILINE)
        told = [cell.split()[0].strip(",") for cell in row.split("|")]
        assert told[KINDS.index(kind)] == outcomes(cases)[fault, kind].word


REPORTS = """
import json
from zoo.registry.registry import load_installation
from zoo.weights.fetch import fetch
reports = []
fetch(load_installation().registry.resolve("dcgan.thing"), lambda *report: reports.append(report))
print(json.dumps(reports))
"""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as made:
        yield made


def url(server: Server, path: str = "w.pt") -> str:
    return f"https://localhost:{server.tls_port}/{path}"


@pytest.mark.parametrize("kind", mostly_long(KINDS, ("https", "pypi")))
def test_every_source_reports_how_far_it_is(kind: str, home: Home, server: Server) -> None:
    """The wheel's size is not known to zoo (0), and a report is of what pip has on the disk at that moment."""
    server.pause = 0.05
    home.write_card(source_of(kind, server))
    command = [fork_server.python(), "-c", REPORTS]
    done = subprocess.run(
        command, env=home.environment(server), cwd=home.folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    reports = [report for report in json.loads(done.stdout) if report[2].startswith("fetching")]
    assert reports[-1][:2] == [1, 1]
    counts = [count for count, *_ in reports[:-1]]
    assert counts[-1] > 0
    assert counts == sorted(counts)
    assert {total for _, total, _ in reports[:-1]} == {0 if kind == "pypi" else len(CONTENT)}
    if kind != "pypi":
        assert counts[-1] == len(CONTENT)


@pytest.mark.parametrize("fault", mostly_long(["404", "web page", "wrong bytes", "truncates"], ("404", "truncates")))
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
        pytest.param(None, None, True, True, marks=pytest.mark.long),  # resumed without one, as the hash is known
        ('"one"', '"two"', True, True),  # the file changed meanwhile: from the start
        pytest.param(None, None, False, True, marks=pytest.mark.long),  # nothing to hold the rest against
        pytest.param('"one"', '"one"', True, False, marks=pytest.mark.long),  # the server knows no ranges
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


def test_https_never_becomes_plain(home: Home, server: Server) -> None:
    with serving(answer=(302, {"Location": f"http://localhost:{server.port}/w.pt"}, b"")) as hostile:
        home.write_card(url(hostile))
        done = home.zoo("pull", "dcgan.thing", server=hostile)
    assert done.returncode == 2
    assert "which is not https" in done.stderr
    assert not server.asked, "nothing was asked without encryption"


@pytest.mark.parametrize(
    "location",
    mostly_long(
        ["https://[", "https://.example.com/", "https://a:99999999/", "file:///etc/hostname", "ftp://a/b"],
        ("https://[", "file:///etc/hostname"),
    ),
)
def test_an_address_that_is_none_does_not_keep_the_next_mirror_from_serving(
    location: str, home: Home, server: Server
) -> None:
    with serving(answer=(302, {"Location": location}, b"")) as hostile:
        home.write_card(url(hostile))
        alone = home.zoo("pull", "dcgan.thing", server=hostile)
        home.write_card(url(hostile), url(server))
        done = home.zoo("pull", "dcgan.thing", server=server)
    assert alone.returncode == 2
    assert "internal error" not in alone.stderr
    assert len(alone.stderr.splitlines()) == 2
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "headers",
    mostly_long(
        [{"Content-Length": "9" * 5000}, {"Content-Length": "-1"}, {"Content-Encoding": "gzip"}],
        ({"Content-Encoding": "gzip"},),
    ),
)
def test_senseless_headers_are_one_line(headers: dict[str, str], home: Home, server: Server) -> None:
    server.answer = (200, headers, b"short")
    home.write_card(url(server))
    done = home.zoo("pull", "dcgan.thing", server=server)
    assert done.returncode == 2
    assert "internal error" not in done.stderr
    assert not home.weights()


PARTS = [
    {"ETag": '"two"', "Content-Range": "bytes {start}-{last}/{size}"},  # another state of the file
    {"ETag": '"one"', "Content-Range": "bytes {start}-{start}/{size}"},  # a part that is not the rest
    {"ETag": '"one"', "Content-Range": "bytes {start}-{last}/" + "9" * 400},
    {"ETag": '"one"', "Content-Range": "bytes 0-{last}/{size}"},
    {"ETag": '"one"'},
]


@pytest.mark.parametrize("part", mostly_long(PARTS, PARTS[:2]))
def test_parts_of_two_files_are_never_joined(part: dict[str, str], home: Home, server: Server) -> None:
    """An unpinned file is begun; the server then lies about what it sends; what is trusted in the end is one file."""
    server.fault = "truncates"
    home.write_card(url(server), content=None)
    assert home.zoo("pull", "dcgan.thing", server=server).returncode == 2
    [kept] = (home.folder / "cache").rglob("part")
    start, size = kept.stat().st_size, len(CONTENT)
    told = {name: value.format(start=start, last=size - 1, size=size) for name, value in part.items()}
    server.fault, server.answer = "none", (206, told, bytes(1 if "-{start}/" in part.get("Content-Range", "") else 10))
    first = home.zoo("pull", "dcgan.thing", server=server)
    assert not home.weights(), "two files were joined"
    assert first.returncode == 2
    server.answer = None
    assert home.zoo("pull", "dcgan.thing", server=server).returncode == 0
    [path] = home.weights()
    assert len(path.read_bytes()) == size


def test_an_error_in_words_is_not_trusted(home: Home, server: Server) -> None:
    server.content = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n"
    home.write_card(url(server), content=None)
    done = home.zoo("pull", "dcgan.thing", server=server)
    assert done.returncode == 2
    assert "(text: 'version https://git-lfs" in done.stderr
    assert not home.files()


def test_secrets_in_an_address_are_not_told(home: Home, server: Server) -> None:
    secret = f"https://bob:hunter2@localhost:{server.tls_port}/w.pt?token=SECRET"
    home.write_card(secret, content=None)
    shown = f"https://localhost:{server.tls_port}/w.pt?…"
    assert home.zoo("pull", "dcgan.thing", server=server).returncode == 0
    trusted = (home.folder / "config" / "trusted.json").read_text()
    server.content = CONTENT[::-1]
    home.weights()[0].unlink()
    told = home.zoo("pull", "dcgan.thing", server=server).stderr + home.zoo("info", "dcgan.thing").stdout
    assert f"{shown} has changed" in told
    assert not [word for word in ("hunter2", "SECRET") if word in told + trusted]


def test_a_module_in_the_current_folder_is_not_run(home: Home, server: Server) -> None:
    home.write_card(source_of("pypi", server))
    for name in ("pip", "filelock", "requests"):
        (home.folder / f"{name}.py").write_text("open('PWNED', 'w').close()")
    script = Path(sys.executable).with_name("zoo")
    done = subprocess.run(
        [script, "pull", "dcgan.thing"],
        env=home.environment(server),
        cwd=home.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not (home.folder / "PWNED").exists()


def test_a_hash_that_another_process_has_trusted_stands(home: Home, server: Server) -> None:
    """Two fetches of one address at a time, and the server gives them different bytes.

    Neither body ends before both have begun: a fetch that starts after the other ended would rightly find its file.
    The first waits as long as the second takes to start; if it gave up and tried again, that would be the second body.
    """
    server.together, patient = 2, {"ZOO_TIMEOUT": "100"}
    home.write_card(url(server), content=None)
    environment = {**home.environment(server), **patient}
    first = subprocess.Popen(home.command("pull", "dcgan.thing"), env=environment, stderr=subprocess.PIPE)
    while not server.bodies:
        time.sleep(0.01)
    registry = home.folder / "config" / "registry.yaml"
    registry.write_text(registry.read_text().replace("dcgan.thing", "dcgan.twin"))
    server.content = CONTENT[::-1]
    second = home.zoo("pull", "dcgan.twin", server=server, **patient)
    first.communicate(timeout=60)
    assert sorted([first.returncode, second.returncode]) == [0, 2]
    assert len(home.weights()) == 1


def test_a_wrong_file_on_this_machine_does_not_keep_a_mirror_from_serving(home: Home, server: Server) -> None:
    home.write_card("here.pt", url(server))
    (home.folder / "config" / "here.pt").write_bytes(b"wrong")
    assert home.zoo("pull", "dcgan.thing", server=server).returncode == 0
    assert home.weights()[0].read_bytes() == CONTENT
    home.write_card("here.pt")
    done = home.zoo("pull", "dcgan.thing", server=server)
    assert done.returncode == 2
    assert "here.pt has sha256" in done.stderr


def test_an_untrusted_certificate_is_refused(home: Home, server: Server) -> None:
    home.write_card(url(server))
    done = home.zoo("pull", "dcgan.thing", server=server, REQUESTS_CA_BUNDLE="")
    assert done.returncode == 2
    assert "certificate is not trusted" in done.stderr


@pytest.mark.skipif(os.name == "nt", reason="limits of file sizes are POSIX")
def test_a_disk_that_refuses_is_named_and_nothing_is_left(home: Home, server: Server) -> None:
    home.write_card(url(server))
    limited = f"ulimit -f 200; exec {sys.executable} -m zoo pull dcgan.thing"  # 200 KiB a file
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
