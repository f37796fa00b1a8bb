"""Pictures and jobs beside each other: stale wishes, previews, cancelling, several sessions, and starting anew."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import zoo
from tests.support.linear import Linear, model_of
from tests.support.studio import Page, free_port, killable, running
from tests.support.toys import write_avatars_card
from zoo.cli import run
from zoo.errors import CapabilityError
from zoo.registry.registry import load_installation
from zoo.scoring import chance
from zoo.studio import server
from zoo.studio.newest import NewestOnly, StaleError
from zoo.studio.shown.opened import OpenModel, Origin
from zoo.studio.shown.preview import Pictures
from zoo.studio.shown.views import Along, Scene

MODEL = {"model": "dcgan.digiface64"}


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with running(tmp_path_factory.mktemp("work") / "runs") as page:
        yield page


def test_only_the_newest_wish_is_rendered() -> None:
    rendered: list[tuple[str, int]] = []
    go_on = threading.Event()

    def work(lane: str, number: int) -> int:
        go_on.wait()
        rendered.append((lane, number))
        return number

    async def wishes() -> list[Any]:
        queue = NewestOnly()
        order = [("main", 1), ("main", 2), ("before", 1), ("main", 3), ("main", 2)]
        asked = [asyncio.ensure_future(queue.run(*one, partial(work, *one))) for one in order]
        await asyncio.sleep(0)
        assert not queue.idle.is_set()
        go_on.set()
        answers = await asyncio.gather(*asked, return_exceptions=True)
        assert queue.idle.is_set()
        queue.close()
        return answers

    first, second, other, third, late = asyncio.run(wishes())
    assert (first, other, third) == (1, 1, 3)
    assert isinstance(second, StaleError) and isinstance(late, StaleError)
    assert rendered == [("main", 1), ("before", 1), ("main", 3)]


def test_a_stale_request(page: Page) -> None:
    body = {**MODEL, "codes": [{"seed": 1}]}
    assert page.post("render", {**body, "seq": 10}).headers["x-zoo-seq"] == "10"
    assert page.ask("POST", "render", {**body, "seq": 9}).status == 409
    assert page.ask("POST", "render", {**body, "seq": 9, "lane": "gallery"}).status == 200
    assert Page(page.port, "f" * 32).ask("POST", "render", {**body, "seq": 1}).status == 200


def test_what_renders_fails_is_told_and_the_next_one_goes_on(page: Page) -> None:
    moves = [{"result": "nothing-0000", "index": 0, "strength": 1.0}]
    body = {**MODEL, "codes": [{"seed": 1}], "moves": moves, "seq": time.time_ns()}
    answer = page.ask("POST", "render", body)
    assert answer.status == 404 and "there is no result" in answer.error
    assert page.ask("POST", "render", {**body, "moves": [], "seq": time.time_ns()}).status == 200


def test_a_job_is_cancelled_between_two_steps(page: Page) -> None:
    before = page.ask("GET", "results").value["results"]
    body = {**MODEL, "analyzer": "lowrank", "region": "mouth", "settings": {"chunk": 1}, "samples": 20}
    running_job, waiting = (page.post("analyze", body).value["id"] for _ in range(2))
    while not page.ask("GET", f"jobs/{running_job}").value["total"]:
        time.sleep(0.01)
    assert (
        page.ask(
            "GET",
            f"jobs/{running_job}",
        ).value["state"]
        == "running"
    )
    assert Page(page.port, "f" * 32).ask("DELETE", f"jobs/{running_job}").status == 404
    for job in (waiting, running_job):
        page.ask("DELETE", f"jobs/{job}")
    until = time.monotonic() + 20
    while page.ask("GET", f"jobs/{running_job}").value["state"] == "running" and time.monotonic() < until:
        time.sleep(0.01)
    assert [page.ask("GET", f"jobs/{job}").value["state"] for job in (running_job, waiting)] == ["cancelled"] * 2
    assert page.ask("GET", "results").value["results"] == before
    assert page.work("open", MODEL)["resolution"] == [64, 64]


def test_pictures_are_the_same_beside_an_analysis(page: Page) -> None:
    """Derivatives of a network in one thread change nothing of what another one draws with it."""
    body = {**MODEL, "codes": [{"seed": 1}], "lane": "gallery"}
    quiet = page.post("render", {**body, "seq": time.time_ns()}).content
    job = page.post("analyze", {**MODEL, "analyzer": "lowrank", "region": "mouth", "show": 1, "unseen": 0}).value
    count = 0
    while page.ask("GET", f"jobs/{job['id']}").value["state"] in {"waiting", "running"}:
        assert page.post("render", {**body, "seq": time.time_ns()}).content == quiet
        count += 1
    assert count and page.ask("GET", f"jobs/{job['id']}").value["state"] == "done"


def test_two_sessions_know_nothing_of_each_other(page: Page) -> None:
    other = Page(page.port, "a" * 32)
    result = other.work("analyze", {**MODEL, "analyzer": "sefa", "settings": {"k": 1}, "show": 1, "unseen": 1})
    assert [one["id"] for one in other.ask("GET", "results").value["results"]] == [result["id"]]
    assert result["id"] not in {one["id"] for one in page.ask("GET", "results").value["results"]}
    assert page.ask("PATCH", f"results/{result['id']}", {"index": 0, "starred": True}).status == 404
    assert other.ask("DELETE", f"results/{result['id']}").status == 200
    assert other.ask("GET", "results").value["results"] == []


def test_heat_stays_in_the_region(page: Page) -> None:
    result = page.work("analyze", {**MODEL, "analyzer": "lowrank", "region": "mouth", "show": 1, "unseen": 1})
    moves = [{"result": result["id"], "index": 0, "strength": 2.0}]
    body = {**MODEL, "codes": [{"seed": 3}], "moves": moves, "lane": "heat"}
    shares = {}
    for region in ("mouth", "not:mouth", "all"):
        answer = page.post("heat", {**body, "region": region, "seq": time.time_ns()})
        shares[region] = float(answer.headers["x-zoo-inside"])
    assert answer.picture.size == (64, 64) and float(answer.headers["x-zoo-top"]) > 0
    assert shares["all"] == 1 and shares["mouth"] + shares["not:mouth"] == pytest.approx(1, abs=2e-4)


# The preview


@pytest.fixture
def slow(tmp_path: Path) -> OpenModel:
    """A model that is linear, so that a preview is exact, and that is taken to be slow."""
    adapter = Linear(0.05 * torch.randn(192, 6, generator=torch.Generator().manual_seed(0)), (8, 24))
    opened = OpenModel(model_of(adapter))
    zoo.analyze(opened.model, "sefa", k=2).save(tmp_path / "directions.safetensors")
    opened.seconds = {2: 1.0}
    return opened


def test_a_preview_of_a_linear_network_is_what_it_draws(slow: OpenModel, tmp_path: Path) -> None:
    codes = (Origin(seed=1), Origin(seed=2))

    def scene(*strengths: float) -> Scene:
        return Scene(codes, tuple(Along(tmp_path, index, strength) for index, strength in enumerate(strengths)))

    drawn = {step: Pictures().render("", slow, scene(*step)) for step in ((0.3, 1.0), (-2.0, 1.0), (0.0, 2.0))}
    slow.seconds = {2: 1.0}
    pictures = Pictures()
    first = pictures.render("lane", slow, scene(0.1, 1.0), preview=True)
    assert first.exact, "nothing was drawn that it could follow"
    slow.seconds = {2: 1.0}
    for step, wanted in drawn.items():
        previewed = pictures.render("lane", slow, scene(*step), preview=True)
        assert not previewed.exact and previewed.columns == 2
        shown, exact = (np.asarray(Image.open(io.BytesIO(one.content))).astype(int) for one in (previewed, wanted))
        assert np.abs(shown - exact).max() <= 1
    assert pictures.render("lane", slow, scene(0.3, 1.0)).exact
    assert pictures.render("another lane", slow, scene(0.3, 1.0), preview=True).exact


def test_a_quick_network_is_never_previewed(slow: OpenModel, tmp_path: Path) -> None:
    slow.seconds, pictures = {}, Pictures()
    for strength in (0.0, 0.1, 0.2):
        scene = Scene((Origin(seed=1),), (Along(tmp_path, 0, strength),))
        assert pictures.render("lane", slow, scene, preview=True).exact


# Starting and ending


def test_a_killed_studio_goes_on_where_it_was(tmp_path: Path) -> None:
    port = free_port()
    page = Page(port)
    process = killable(tmp_path, port)
    result = page.work("analyze", {**MODEL, "analyzer": "sefa", "settings": {"k": 2}, "show": 1, "unseen": 1})
    marked = page.ask("PATCH", f"results/{result['id']}", {"index": 1, "given": "smile", "starred": True}).value
    page.ask("PUT", "state", {"seeds": [4]})
    body = {**MODEL, "codes": [{"seed": 4}], "moves": [{"result": result["id"], "index": 1, "strength": 1.0}]}
    shown = page.post("render", {**body, "seq": 1}).content
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    process = killable(tmp_path, port)
    assert page.ask("GET", "results").value["results"] == [marked]
    assert page.ask("GET", "state").value == {"seeds": [4]}
    assert page.post("render", {**body, "seq": 2}).content == shown
    forgotten = page.ask("GET", "jobs/0123456789abcdef")
    assert forgotten.status == 404 and "begin it again" in forgotten.error
    os.kill(process.pid, signal.SIGINT)
    assert process.wait() == 0
    assert not [path for path in tmp_path.rglob("*") if "partial" in path.name]


def test_the_end_does_not_wait_for_a_long_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_SECONDS_TO_END", 0.1)
    opened = server.Server(None, load_installation(), host="127.0.0.1", port=0, runs=tmp_path)
    opened.start()
    step_ends = threading.Event()
    job = opened._services.jobs.start("session", lambda progress: step_ends.wait(60))
    while job.state == "waiting":
        time.sleep(0.01)
    assert not opened.stop()
    step_ends.set()
    assert opened.stop()


def test_a_taken_port_is_one_line(capsys: pytest.CaptureFixture[str], page: Page) -> None:
    assert run(["studio", "--port", str(page.port)]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"zoo: cannot listen at 127.0.0.1, port {page.port}: ") and "--port" in line


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--port", "70000"], "a port lies within 0 and 65535"),
        (["no-such-model"], "no model is called 'no-such-model'"),
        (["./nothing.pt"], "there is no file nothing.pt"),
        (["--memory", "much"], "--memory much"),
        (["--device", "tpu"], "--device tpu"),
        (["--host", "203.0.113.1"], "cannot listen at 203.0.113.1"),
    ],
)
def test_mistakes_are_one_line(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["studio", *words]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert said in line


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "find_spec", lambda name: None)
    with pytest.raises(CapabilityError, match=r"pip install 'latent-zoo\[studio\]'"):
        zoo.studio(port=0)


def test_words_of_the_page_name_directions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(chance, "RANDOM_DIRECTIONS", 4)
    model = {"model": "dcgan.avatars"}
    question = {**model, "analyzer": "sefa", "show": 1, "unseen": 2, "scorer": "text"}
    with running(tmp_path / "runs", installation=load_installation([write_avatars_card(tmp_path)])) as page:
        told = page.work("open", model)["scorers"]
        assert [(one["name"], one["usual"], one["takes_words"]) for one in told] == [
            ("avatars", True, False),
            ("text", False, True),
        ]
        found = page.work("analyze", {**question, "words": "smile: a smiling face / a serious face"})
        saved = page.work("save", {**model, "what": "run", "result": found["id"], "name": "named"})
        report = (tmp_path / "runs/named/report.html").read_text()
        assert "smile" in report and "hair" not in report
        [file] = (tmp_path / "runs/studio").glob("*/words/*.txt")
        assert f"--scorer text -o words={file.relative_to(tmp_path)}" in saved["command"].replace(f"{tmp_path}/", "")
        job = page.post("analyze", {**question, "words": "a smile"}).value
        until = time.monotonic() + 20
        while (
            page.ask("GET", f"jobs/{job['id']}").value["state"] in {"waiting", "running"} and time.monotonic() < until
        ):
            time.sleep(0.01)
        failed = page.ask("GET", f"jobs/{job['id']}").value
        assert failed["state"] == "failed" and "slash" in failed["error"]
