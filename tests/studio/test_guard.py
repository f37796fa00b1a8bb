"""Who may use a studio, and how much may be sent: what pages of other sites, and hostile bodies, come to."""

from __future__ import annotations

import http.client
import io
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from select import select
from urllib.parse import quote

import numpy as np
import pytest
from PIL import Image

from tests.support.studio import SESSION, Answer, Page, running
from zoo.studio import protocol

MODEL = {"model": "dcgan.digiface64"}


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with running(tmp_path_factory.mktemp("guard") / "runs") as page:
        yield page


def told(page: Page, path: str = "/api/models", method: str = "GET", **headers: str) -> Answer:
    answer = page.ask(method, path, **headers)
    assert answer.status == 200 or answer.error
    return answer


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example:80"},  # a name that was made to point here
        {"Host": "127.0.0.1"},
        {"Host": "127.0.0.1.evil.example:{port}"},
        {"Host": ""},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},  # a page of another port of this machine
        {"X-Zoo-Studio": "0"},
    ],
    ids=str,
)
def test_other_sites_are_refused(page: Page, headers: dict[str, str]) -> None:
    filled = {name.replace("-", "_"): value.format(port=page.port) for name, value in headers.items()}
    assert told(page, **filled).status == 403


def test_the_page_itself_is_let_in(page: Page) -> None:
    own = {"Host": f"localhost:{page.port}", "Origin": f"http://localhost:{page.port}", "Sec_Fetch_Site": "same-origin"}
    assert told(page, **own).status == 200
    assert page.ask("GET", "/", Sec_Fetch_Site="cross-site").status == 200  # a link to it


def test_a_preflight_is_refused(page: Page) -> None:
    answer = page.ask("OPTIONS", f"/api/{SESSION}/render", Origin="https://evil.example")
    assert answer.status == 403 and not [name for name in answer.headers if name.startswith("access-control")]


def test_headers_of_every_answer(page: Page) -> None:
    for path in ("/", "/api/models", "/static/nothing", "/nothing"):
        headers = page.ask("GET", path).headers
        assert (
            headers["x-content-type-options"] == "nosniff"
            and "default-src 'none'" in headers["content-security-policy"]
        )
        assert (headers.get("cache-control") == "no-store") == path.startswith("/api/")


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py",
        "/static/%2e%2e/app.py",
        "/static/..%2fapp.py",
        f"/api/{SESSION}/files/../state.json",
        f"/api/{SESSION}/files/..%2f..%2fetc/passwd",
        f"/api/{SESSION}/files/studio/{SESSION}",
        f"/api/{SESSION}/files/.zoo-run.json/x",
        "/api/../../etc/passwd",
        "/api/..%2f..%2fx/state",
        "/api/0123/state",
    ],
)
def test_no_path_leads_out(page: Page, path: str) -> None:
    assert page.ask("PUT", "state", {"kept": True}).status == 200
    assert page.ask("GET", path).status in {400, 404, 405}


@pytest.mark.parametrize("name", ["..", "../../x", "a/b", "/etc/passwd", ".hidden", "", "x" * 200, "a\x00b"])
def test_names_from_a_page_are_plain(page: Page, name: str) -> None:
    asked = {**MODEL, "codes": [{"seed": 1}]}
    for body in ({**asked, "what": "codes", "name": name}, {**asked, "what": "run", "result": name}):
        answer = page.ask("POST", "command", body)
        assert answer.status in {400, 404} and answer.error
    assert page.ask("POST", "render", {**asked, "codes": [{"upload": name}]}).status == 400
    assert page.ask("POST", "open", {"model": name}).status in {202, 404}


def test_files_are_no_models(page: Page, tmp_path: Path) -> None:
    (tmp_path / "weights.pt").write_bytes(b"no weights")
    for name in (str(tmp_path / "weights.pt"), "./x.safetensors", "..\\x.pt"):
        answer = page.ask("POST", "open", {"model": name})
        assert answer.status == 404 and "no model is called" in answer.error
    for settings in ({"features": "/etc/passwd", "output": "timm:resnet18"}, {"features": "x"}):
        body = {**MODEL, "analyzer": "lowrank", "settings": settings}
        job = page.post("analyze", body).value
        while (job := page.ask("GET", f"jobs/{job['id']}").value)["state"] in {"waiting", "running"}:
            time.sleep(0.01)
        assert job["state"] == "failed" and "names a file" in job["error"]


def announced(page: Page, path: str, size: int) -> Answer:
    """Announce a large body, and send none of it."""
    return page.ask("POST", path, b"", Content_Length=str(size))


def test_large_bodies_are_refused_before_they_come(page: Page) -> None:
    for path, size in {"upload": 2**30, "region": 5 * 2**20, "render": 2**20, "state": 2**20}.items():
        connection = http.client.HTTPConnection("127.0.0.1", page.port, timeout=20)
        connection.putrequest("POST", f"/api/{SESSION}/{path}")
        for name, value in {**page.headers, "Content-Length": str(size)}.items():
            connection.putheader(name, value)
        connection.endheaders()
        assert connection.getresponse().status == 413
        connection.close()


def test_a_large_body_of_unknown_length_is_cut_off(page: Page) -> None:
    chunks = iter([b"x" * 2**16] * 8)
    connection = http.client.HTTPConnection("127.0.0.1", page.port, timeout=20)
    connection.request("PUT", f"/api/{SESSION}/state", chunks, {**page.headers}, encode_chunked=True)
    assert connection.getresponse().status == 413
    connection.close()


def test_too_many_requests_are_answered_at_once(page: Page) -> None:
    """Sixty-four that do not end keep others out only until they are gone."""
    lines = [f"POST /api/{SESSION}/render HTTP/1.1", f"Host: 127.0.0.1:{page.port}", "X-Zoo-Studio: 1"]
    head = "\r\n".join([*lines, "Content-Length: 9", "", ""])
    waiting = [socket.create_connection(("127.0.0.1", page.port)) for _ in range(64)]
    for one in waiting:
        one.sendall(head.encode())
    until = time.monotonic() + 20
    while (answer := page.ask("GET", "/api/models")).status == 200 and time.monotonic() < until:
        time.sleep(0.01)
    assert answer.status == 503 and "busy" in answer.error
    for one in waiting:
        one.close()
    while (answer := page.ask("GET", "/api/models")).status == 503 and time.monotonic() < until:
        time.sleep(0.01)
    assert answer.status == 200


def test_a_request_with_two_lengths_ends_the_connection(page: Page) -> None:
    """What follows is a request to one server and a body to another (smuggling): it is neither."""
    lines = [f"POST /api/{SESSION}/render HTTP/1.1", f"Host: 127.0.0.1:{page.port}", "X-Zoo-Studio: 1"]
    lines += ["Content-Length: 6", "Transfer-Encoding: chunked", "", "0", "", ""]
    follows = f"GET /api/models HTTP/1.1\r\nHost: 127.0.0.1:{page.port}\r\nX-Zoo-Studio: 1\r\n\r\n"
    with socket.create_connection(("127.0.0.1", page.port), 20) as connection:
        connection.sendall(("\r\n".join(lines) + follows).encode())
        answers = b"".join(iter(lambda: connection.recv(2**16), b""))
    assert answers.count(b"HTTP/1.1 ") == 1 and answers.startswith(b"HTTP/1.1 400")


def test_links_are_not_followed(page: Page, tmp_path: Path) -> None:
    """Whoever can write into the folder of runs, such as another program, leads the studio nowhere else."""
    runs = Path(page.ask("GET", "/api/models").value["runs"])
    (tmp_path / ".zoo-run.json").write_text('{"format": "zoo-run/1", "files": {"secret": {}}}')
    (tmp_path / "secret").write_text("secret")
    page.ask("PUT", "state", {})
    for link in ("linked", f"studio/{'b' * 32}", f"studio/{SESSION}/results"):
        (runs / link).symlink_to(tmp_path)
    assert page.ask("GET", "files/linked/secret").status == 404
    assert Page(page.port, "b" * 32).ask("PUT", "state", {}).status == 404
    assert (
        page.ask("PATCH", "results/x-0000", {"index": 0}).error == "results is a link, which the studio does not follow"
    )
    assert {path.name for path in tmp_path.iterdir()} == {".zoo-run.json", "secret"}
    (runs / f"studio/{SESSION}/results").unlink()


@pytest.mark.parametrize("head", [b"", b"GET / HTTP/1.1\r\nHost: 127", b"POST / HTTP/1.1\r\n" * 3], ids=range(3))
def test_a_head_that_does_not_end_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, head: bytes) -> None:
    """Connections that send nothing, or one byte after the other, would keep all others out."""
    monkeypatch.setattr(protocol, "PATIENCE", 0.3)
    with running(tmp_path / "runs") as page, socket.create_connection(("127.0.0.1", page.port), 20) as slow:
        began = time.monotonic()
        slow.sendall(head)
        with suppress(OSError):
            while not select([slow], [], [], 0.05)[0]:
                slow.sendall(b"x")
        assert time.monotonic() - began < 10
        assert page.ask("GET", "/api/models").status == 200
        keeping = http.client.HTTPConnection("127.0.0.1", page.port, timeout=20)
        for pause in (0.0, 0.5, 0.0):  # one that has been answered may stay longer
            time.sleep(pause)
            keeping.request("GET", "/", headers={"Host": f"127.0.0.1:{page.port}"})
            assert keeping.getresponse().read()
        keeping.close()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'{"model": 1}',
        json.dumps({**MODEL, "codes": []}).encode(),
        json.dumps({**MODEL, "codes": [{"seed": -1}]}).encode(),
        json.dumps({**MODEL, "codes": [{"seed": 2**40}]}).encode(),
        json.dumps({**MODEL, "codes": [{"seed": 1}], "size": 10**9}).encode(),
        b'{"model": "dcgan", "codes": [{"seed": 1}], "moves": [{"result": "x", "index": 0, "strength": 1e999}]}',
        b"[" * 100_000,
        '{"model": "\ud800"}'.encode("utf-8", "surrogatepass"),
    ],
    ids=range(11),
)
def test_nonsense_is_a_sentence(page: Page, body: bytes) -> None:
    answer = page.ask("POST", "render", body)
    assert answer.status in {400, 404} and answer.error


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"[" * 100_000, b'{"a":' * 2_000, b"\xff"], ids=range(6))
def test_a_state_is_an_object(page: Page, body: bytes) -> None:
    answer = page.ask("PUT", "state", body)
    assert answer.status == 400 and answer.error == "the state is a JSON object"


def png(size: tuple[int, int]) -> bytes:
    buffer = io.BytesIO()
    Image.new("1", size).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize(
    "mask", [b"", b"no picture", (64, 64), (20_000, 20_000), b"%!PS\n", png((64, 64))[:40]], ids=range(6)
)
def test_hostile_masks(page: Page, mask: bytes | tuple[int, int]) -> None:
    """Pictures of another size among them."""
    answer = page.ask("POST", "region", mask if isinstance(mask, bytes) else png(mask), Content_Type="image/png")
    assert answer.status == 400 and "painted region" in answer.error


def test_what_is_wrong_with_a_file_names_no_path(page: Page, tmp_path: Path) -> None:
    np.save(tmp_path / "codes.npy", np.full((2, 100), np.nan, dtype=np.float32))
    sent = (tmp_path / "codes.npy").read_bytes()
    answer = page.ask("POST", f"upload?as=codes&model={quote(json.dumps(MODEL))}", sent, X_Zoo_Name="codes.npy")
    assert answer.status == 400 and answer.error.startswith("codes.npy ")


@pytest.mark.parametrize("content", [b"", b"GIF89a", b"PK\x03\x04", b"\x80\x04.", b"<script>", b"\x93NUMPY"], ids=str)
def test_hostile_uploads(page: Page, content: bytes) -> None:
    answer = page.ask("POST", f"upload?model={quote(json.dumps(MODEL))}", content, X_Zoo_Name="<img src=x>.png")
    assert answer.status == 400 and answer.error


def test_texts_of_cards_are_only_strings(tmp_path: Path) -> None:
    from zoo.plugins.discovery import load_plugins
    from zoo.registry.registry import Installation

    hostile = "</script><script>alert(1)</script>"
    (tmp_path / "cards.yaml").write_text(
        f'models:\n  - name: dcgan.hostile\n    adapter: dcgan\n    summary: "{hostile}"\n    resolution: 64\n'
        '    space: z\n    dim: 100\n    licence: {weights: "<b>"}\n    weights: {obtain: "javascript:alert(1)"}\n'
    )
    installation = Installation(load_plugins(), (tmp_path / "cards.yaml",))
    with running(tmp_path / "runs", installation=installation) as page:
        answer = page.ask("GET", "/api/models")
        assert answer.headers["content-type"] == "application/json"
        [card] = [model for model in answer.value["models"] if model["name"] == "dcgan.hostile"]
        assert card["summary"] == hostile


# A token


def test_another_address_needs_the_token(tmp_path: Path) -> None:
    with running(tmp_path / "runs", origins=("https://studio.example.org/",)) as page:
        assert page.token
        proxied = {
            "Host": "studio.example.org",
            "Origin": "https://studio.example.org",
            "Sec_Fetch_Site": "same-origin",
        }
        for token, status in {None: 403, "": 403, "wrong": 403, page.token: 200}.items():
            given = {} if token is None else {"Authorization": f"Bearer {token}"}
            assert page.ask("GET", "/api/models", **proxied, **given).status == status
        assert page.ask("GET", "/", Host="studio.example.org").status == 200


def test_all_addresses(tmp_path: Path) -> None:
    with running(tmp_path / "runs", host="0.0.0.0") as page:
        given = {"Authorization": f"Bearer {page.token}"}
        assert page.ask("GET", "/api/models", Host=f"192.0.2.7:{page.port}", **given).status == 200
        assert page.ask("GET", "/api/models", Host=f"evil.example:{page.port}", **given).status == 403


def test_work_ends_with_the_studio(tmp_path: Path) -> None:
    """A thread of one that ends in the middle of an analysis would keep the command from ending."""
    before = set(threading.enumerate())
    with running(tmp_path / "runs") as page:
        page.post("analyze", {**MODEL, "analyzer": "lowrank", "region": "mouth"})
    until = time.monotonic() + 20
    while set(threading.enumerate()) - before and time.monotonic() < until:
        time.sleep(0.02)
    assert not set(threading.enumerate()) - before
