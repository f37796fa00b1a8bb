"""What the studio saves is, byte for byte, what the command that it shows writes."""

from __future__ import annotations

import io
import os
import shlex
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import zoo
from tests.support.studio import Page, running
from tests.support.wrappings import dcgan
from tests.test_packaging import write_tiny
from zoo._utils.pixels import to_pixels
from zoo.cli import run
from zoo.errors import OptionError
from zoo.inversion.options import TuneOptions
from zoo.registry.registry import load_installation
from zoo.studio.server import Server

MODEL = {"model": "stylegan2.avatars32"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A working folder, in which the studio and the commands run: commands name files relative to it."""
    folder, before = tmp_path_factory.mktemp("saving"), Path.cwd()
    os.chdir(folder)
    yield folder
    os.chdir(before)


@pytest.fixture(scope="module")
def page(folder: Path) -> Iterator[Page]:
    with running(Path("runs")) as page:
        yield page


@pytest.fixture(scope="module")
def results(page: Page) -> list[dict[str, Any]]:
    asked = {**MODEL, "analyzer": "sefa", "settings": {"k": 3}, "show": 1, "unseen": 2}
    return [page.work("analyze", {**asked, "region": region}) for region in ("mouth", "top")]


def same_as_command(saved: dict[str, Any], *more: str) -> None:
    """Run the commands into another folder, and compare all files."""
    again, commands = f"{saved['folder']}-again", saved["command"].split(" && ")
    assert f"--out={saved['folder']}" in shlex.split(commands[0])
    for command in commands:
        words = [word.replace(f"--out={saved['folder']}", f"--out={again}") for word in shlex.split(command)]
        assert words[0] == "zoo"
        assert run([*(again if word == saved["folder"] else word for word in words[1:]), "-q"]) == 0
    files = {path.name: path.read_bytes() for path in Path(saved["folder"]).iterdir()}
    assert {path.name: path.read_bytes() for path in Path(again).iterdir()} == files
    assert {file["name"] for file in saved["files"]} == set(files) - {".zoo-run.json"}


def test_a_run(page: Page, results: list[dict[str, Any]]) -> None:
    page.ask("PATCH", f"results/{results[0]['id']}", {"index": 1, "given": "open mouth"})
    saved = page.work("save", {**MODEL, "what": "run", "result": results[0]["id"], "name": "mouth", "files": ["npy"]})
    assert saved["folder"] == "runs/mouth" and saved["command"].endswith(" && zoo name runs/mouth 1 'open mouth'")
    same_as_command(saved)
    assert zoo.Directions.load("runs/mouth").index_of("open mouth") == 1
    [file] = [file for file in saved["files"] if file["name"] == "sheet.png"]
    assert page.ask("GET", file["url"]).content == Path("runs/mouth/sheet.png").read_bytes()
    assert page.ask("GET", "results").value["results"][0]["folder"] == "runs/mouth"


@pytest.mark.long
def test_a_run_that_is_no_longer_in_memory(page: Page, results: list[dict[str, Any]]) -> None:
    with running(Path("runs")) as restarted:
        saved = restarted.work("save", {**MODEL, "what": "run", "result": results[1]["id"]})
    same_as_command(saved)


def edit_of(results: list[dict[str, Any]], **fields: Any) -> dict[str, Any]:
    moves = [
        {"result": results[0]["id"], "index": 0, "strength": 1.5},
        {"result": results[1]["id"], "index": 2, "strength": -0.7},
    ]
    codes = [{"seed": 7}, {"seed": 3}]
    return {**MODEL, "what": "edit", "codes": codes, "moves": moves, "files": ["sheet", "gif"], **fields}


@pytest.mark.long
def test_an_edit(page: Page, results: list[dict[str, Any]]) -> None:
    body = edit_of(results, name="edited", pixels="64")
    saved = page.work("save", body)
    assert page.post("command", body).value["command"] == saved["command"]
    assert "--seeds=7,3" in saved["command"] and "--together" in saved["command"]
    assert {file["name"] for file in saved["files"]} == {"sheet.png", "edit.gif", "codes.safetensors"}
    same_as_command(saved)


def test_an_edit_of_codes_that_no_option_draws_in_rows_of_their_own(page: Page, results: list[dict[str, Any]]) -> None:
    """Classes, truncations and rows that differ go to files, which the command names."""
    body = edit_of(results, name="mixed", codes=[{"seed": 7}, {"seed": 7}], files=["sheet", "each"])
    body["moves"][0]["layers"] = [0, 1]
    saved = page.work("save", body)
    assert "--codes=runs/studio/" in saved["command"]
    same_as_command(saved)
    [last] = Path("runs/mixed").glob("code-0001_*_04_+1.png")
    saved_pixels = np.asarray(Image.open(last)).astype(int)
    shown = np.asarray(page.post("render", {**body, "codes": body["codes"][:1]}).picture)
    assert np.abs(saved_pixels - shown).max() <= 1


def test_codes(page: Page, results: list[dict[str, Any]]) -> None:
    moved = page.work("save", edit_of(results, what="codes", name="moved"))
    same_as_command(moved)
    plain = page.work("save", edit_of(results, what="codes", name="plain", moves=[]))
    assert plain["command"] == "zoo sample stylegan2.avatars32 --seeds=7,3 --device=cpu --out=runs/plain"
    same_as_command(plain)


def test_directions_of_several_results(page: Page, results: list[dict[str, Any]]) -> None:
    first, second = (result["id"] for result in results)
    page.ask("PATCH", f"results/{second}", {"index": 2, "given": "smile", "starred": True})
    body = {
        **MODEL,
        "what": "directions",
        "name": "kept",
        "picks": [{"result": second, "indices": [2]}, {"result": first}],
    }
    saved = page.work("save", body)
    kept = zoo.Directions.load("runs/kept")
    whole = [zoo.Directions.load(f"runs/studio/{page.session}/results/{name}") for name in (first, second)]
    assert kept.index_of("smile") == 0 and len(kept) == 4
    assert bool((kept.vectors[0] == whole[1].vectors[2]).all() and (kept.vectors[1:] == whole[0].vectors).all())
    same_as_command(saved)
    assert run(["edit", MODEL["model"], "runs/kept:smile", "--video", "none", "--samples", "1", "-q"]) == 0


def test_directions_that_do_not_fit_together_are_a_sentence(page: Page, results: list[dict[str, Any]]) -> None:
    asked = {**MODEL, "analyzer": "sefa", "settings": {"k": 1}, "show": 1, "unseen": 0, "layers": "0-1"}
    picks = [{"result": result["id"]} for result in (results[0], page.work("analyze", asked))]
    answer = page.ask("POST", "command", {**MODEL, "what": "directions", "picks": picks})
    assert answer.status == 400 and "for different rows of the code" in answer.error


def test_what_is_there_stays(page: Page, results: list[dict[str, Any]]) -> None:
    body = edit_of(results, what="codes", name="there")
    page.work("save", body)
    job = page.post("save", body).value
    while (told := page.ask("GET", f"jobs/{job['id']}").value)["state"] in {"waiting", "running"}:
        pass
    assert told["state"] == "failed" and told["taken"] and "runs/there exists" in told["error"]
    page.work("save", {**body, "force": True})
    assert "the studio's own folder" in page.ask("POST", "command", {**body, "name": "studio"}).error
    nameless = [page.work("save", {**body, "name": None})["folder"] for _ in range(2)]
    assert nameless == ["runs/stylegan2.avatars32-samples", "runs/stylegan2.avatars32-samples-2"]


def test_a_painted_region_is_offered_a_name_that_is_one(page: Page) -> None:
    buffer = io.BytesIO()
    Image.fromarray(np.eye(32, dtype=np.uint8) * 255).save(buffer, "PNG")
    region = page.post("region", buffer.getvalue(), Content_Type="image/png").value["region"]
    asked = {**MODEL, "analyzer": "sefa", "settings": {"k": 1}, "show": 1, "unseen": 2, "region": region}
    body = {**MODEL, "what": "run", "result": page.work("analyze", asked)["id"]}
    offered = page.post("command", {**body, "name": None}).value["folder"]
    assert "painted" in offered
    assert page.post("command", {**body, "name": Path(offered).name}).value["folder"] == offered


def test_a_frame_in_full_size(page: Page, results: list[dict[str, Any]]) -> None:
    answer = page.post("save", edit_of(results, what="frame", size=16))
    assert answer.headers["content-type"] == "image/png" and answer.picture.size == (64, 32)


@pytest.mark.long
def test_a_photograph_in_a_file_of_ones_own(folder: Path) -> None:
    """It is projected, edited, and the edit is carried over to it."""
    write_tiny(Path("tiny.safetensors"))
    model = {"model": "./tiny.safetensors"}
    with running(Path("runs"), "./tiny.safetensors") as page:
        assert page.ask("GET", "/api/models").value["models"][0]["name"] == "./tiny.safetensors"
        content = io.BytesIO()
        page.post("render", {**model, "codes": [{"seed": 5}]}).picture.save(content, "PNG")
        picture = page.post("upload", content.getvalue(), X_Zoo_Name="me%20and.png").value
        assert picture["kind"] == "picture" and picture["name"] == "me_and.png"
        found = page.work("project", {**model, "picture": picture["id"], "starts": 1})
        assert found["figures"].startswith("PSNR ")
        same_as_command(page.work("save", {**model, "what": "run", "upload": found["upload"], "name": "projected"}))
        codes = [{"upload": found["upload"]}]
        result = page.work("analyze", {**model, "analyzer": "sefa", "codes": codes, "unseen": 0})
        moves = [{"result": result["id"], "index": 0, "strength": 1.0}]
        body = {**model, "what": "edit", "codes": codes, "moves": moves, "onto": True, "name": "onto"}
        onto = page.work("save", body)
        assert "--onto=runs/studio/" in onto["command"]
        same_as_command(onto)


def test_a_file_is_opened_with_options(folder: Path) -> None:
    """Those that the studio was started with hold for its file, and the commands name them."""
    networks = {"a": dcgan("main."), "b": {key: tensor * 2 for key, tensor in dcgan("main.").items()}}
    torch.save(networks, "two.pt")
    with pytest.raises(OptionError, match=r"-o network=…: name the model that this is an option of"):
        Server(None, load_installation(), host="127.0.0.1", port=0, options={"network": "b.main"})
    model = {"model": "./two.pt"}
    with running(Path("runs"), "./two.pt", options={"network": "b.main"}) as page:
        shown = page.post("render", {**model, "codes": [{"seed": 5}]}).picture
        second = zoo.load("two.pt", device="cpu", options={"network": "b.main"})
        assert np.array_equal(np.asarray(shown), to_pixels(second.render(second.sample_seeds([5])))[0])
        other = page.post("render", {**model, "options": {"network": "a.main"}, "codes": [{"seed": 5}]}).picture
        assert not np.array_equal(np.asarray(other), np.asarray(shown))
        result = page.work("analyze", {**model, "analyzer": "sefa", "show": 1, "unseen": 2})
        saved = page.work("save", {**model, "what": "run", "result": result["id"], "name": "second"})
        assert "-o network=b.main" in saved["command"]
        same_as_command(saved)
        drawn = page.work("save", {**model, "what": "codes", "codes": [{"seed": 5}], "moves": [], "name": "drawn"})
        assert "-o network=b.main" in drawn["command"]
        same_as_command(drawn)


@pytest.mark.long
def test_a_network_is_tuned_to_a_photograph(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The price is measured first; then all is drawn by the tuned network, and commands name it."""
    monkeypatch.setattr("zoo.inversion.request.TuneOptions", partial(TuneOptions, steps=3))
    write_tiny(Path("tuned.safetensors"))
    model = {"model": "./tuned.safetensors"}
    with running(Path("runs"), "./tuned.safetensors") as page:
        content = io.BytesIO()
        Image.new("RGB", (8, 8), (200, 90, 20)).save(content, "PNG")
        picture = page.post("upload", content.getvalue()).value["id"]
        found = page.work("project", {**model, "picture": picture, "starts": 1})
        assert found["shown"] == ["picture", "found", "difference"] and found["tuning_seconds"] > 0
        columns = page.ask("GET", f"compared/{found['upload']}").picture
        assert columns.width == 3 * columns.height and columns.getpixel((0, 0)) == (200, 90, 20)
        tuned = page.work("project", {**model, "picture": picture, "starts": 1, "tune": True})
        assert tuned["tuning_seconds"] is None and "the tuned network draws" in tuned["price"]
        shown = np.asarray(page.ask("GET", f"compared/{tuned['upload']}").picture)
        side = len(shown)
        view = {**model, "codes": [{"upload": tuned["upload"]}], "tuned": tuned["upload"]}
        drawn = np.asarray(page.post("render", view).picture)
        assert np.array_equal(drawn, shown[:, 2 * side : 3 * side])
        assert not np.array_equal(drawn, shown[:, side : 2 * side])
        saved = page.work("save", {**view, "what": "codes", "name": "tuned-codes"})
        assert "--tuned=runs/studio/" in saved["command"]
        same_as_command(saved)
        for wrong in ("../x", picture, "0" * 16):
            assert page.ask("POST", "render", {**view, "tuned": wrong}).status == 404
