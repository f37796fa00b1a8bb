"""The studio's server, asked as its page asks it: models, pictures, regions, analyses, results."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest
from PIL import Image

import zoo
from tests.support.studio import Page, running
from zoo._utils.pixels import to_pixels
from zoo.models.model import Model

MODEL = {"model": "dcgan.digiface64"}


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with running(tmp_path_factory.mktemp("studio") / "runs") as page:
        yield page


def view(*seeds: int, **fields: object) -> dict[str, object]:
    return {**MODEL, "codes": [{"seed": seed} for seed in seeds], **fields}


def test_the_page(page: Page) -> None:
    answer = page.ask("GET", "/")
    assert answer.status == 200 and b"<title>" in answer.content
    assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_the_models_and_their_licences(page: Page) -> None:
    listed = {model["name"]: model for model in page.ask("GET", "/api/models").value["models"]}
    assert list(listed) == zoo.models()
    assert listed["dcgan.digiface64"]["licence"]["text"].startswith("dcgan.digiface64 · weights: ")
    assert listed["stylegan2.avatars64"]["where"] == "in zoo"


def test_an_open_model(page: Page) -> None:
    told = page.work("open", MODEL)
    assert told["resolution"] == [64, 64] and told["rows"] == 1
    assert {region["name"] for region in told["regions"]} >= {"mouth", "all", "left"}
    [lowrank] = [one for one in told["analyzers"] if one["name"] == "lowrank"]
    fields = {field["name"]: field for field in lowrank["options"]}
    assert fields["factorization"]["choices"] == ["spectrum", "pursuit", "published"]
    assert fields["k"]["kind"] == "int" and fields["k"]["min"] == 1 and fields["k"]["optional"]
    assert "features" not in fields  # the path of a file


def test_pictures_are_those_of_the_network(page: Page, digiface: Model) -> None:
    answer = page.post("render", view(7, 3))
    assert answer.headers["x-zoo-columns"] == "2" and answer.headers["content-type"] == "image/png"
    wanted = to_pixels(digiface.render(digiface.sample_seeds([7, 3])))
    assert np.array_equal(np.asarray(answer.picture), np.concatenate(list(wanted.numpy()), axis=1))


def test_reduced_pictures(page: Page) -> None:
    assert page.post("render", view(7, 3, size=32)).picture.size == (64, 32)


def test_an_analysis_and_its_directions(page: Page, digiface: Model) -> None:
    body = {**MODEL, "analyzer": "sefa", "settings": {"k": 3}, "region": "mouth", "seed": 0, "show": 2, "unseen": 2}
    result = page.work("analyze", body)
    assert result["command"].startswith("zoo analyze dcgan.digiface64 --analyzer sefa --region mouth")
    assert [row["step"] is None for row in result["rows"]] == [False, False, True]
    moves = [{"result": result["id"], "index": 1, "strength": -2.0}]
    moved = np.asarray(page.post("render", view(7, moves=moves)).picture)
    directions = zoo.analyze(digiface, "sefa", k=3)
    wanted = zoo.edit(digiface, directions, indices=[1], seeds="7", strengths=[-2.0]).images[0, 0, 0]
    assert np.abs(moved.astype(int) - to_pixels(wanted).numpy()).max() <= 1
    marked = page.ask("PATCH", f"results/{result['id']}", {"index": 1, "given": " smile ", "starred": True}).value
    assert marked["rows"][1]["given"] == "smile" and marked["rows"][1]["starred"] is True
    for index, given in ((0, "smile"), (0, "3"), (0, "smile\u202e")):
        refused = page.ask("PATCH", f"results/{result['id']}", {"index": index, "given": given})
        assert refused.status == 400 and "name" in refused.error
    assert page.ask("GET", "results").value["results"] == [marked]


def test_regions(page: Page) -> None:
    mask = np.zeros((64, 64), dtype=np.uint8)
    mask[8:16, 8:24] = 255
    buffer = io.BytesIO()
    Image.fromarray(mask).save(buffer, "PNG")
    painted = page.post("region", buffer.getvalue(), Content_Type="image/png").value
    assert painted["share"] == pytest.approx(128 / 4096, abs=1e-5)
    both = page.post("region", {**MODEL, "text": f"box:0,0,8,8+{painted['region']}"}).value
    assert both["share"] == pytest.approx(192 / 4096, abs=1e-5)
    other = page.ask("POST", "region", {**MODEL, "text": "mask:/etc/passwd"})
    assert other.status == 400 and "painted in the studio" in other.error


def test_a_state_is_kept(page: Page) -> None:
    assert page.ask("GET", "state").value == {}
    assert page.ask("PUT", "state", {"seeds": [1, 2]}).status == 200
    assert page.ask("GET", "state").value == {"seeds": [1, 2]}
    assert page.ask("PUT", "state", [1]).status == 400


def test_codes_without_classes_take_the_one_that_is_chosen(page: Page) -> None:
    model = zoo.load("biggan.avatars32", device="cpu")
    drawn = model.sample_seeds([3], label=1)
    buffer = io.BytesIO()
    np.save(buffer, drawn.latents.numpy())
    asked, label = json.dumps({"model": model.name}), model.adapter.classes[1]
    without = page.ask("POST", f"upload?as=codes&model={quote(asked)}", buffer.getvalue(), X_Zoo_Name="a.npy")
    assert without.status == 400 and without.error.startswith("a.npy ") and "choose a class" in without.error
    told = page.post(f"upload?as=codes&model={quote(asked)}&label={quote(label)}", buffer.getvalue()).value
    shown = page.post("render", {"model": model.name, "codes": [{"upload": told["id"], "label": told["label"]}]})
    assert told["label"] == label
    assert np.array_equal(np.asarray(shown.picture), to_pixels(model.render(drawn))[0].numpy())


def test_uploads(page: Page, digiface: Model, tmp_path: Path) -> None:
    digiface.save_codes(tmp_path / "codes.safetensors", digiface.sample(2, 5))
    sent = (tmp_path / "codes.safetensors").read_bytes()
    told = page.post(f"upload?model={quote(json.dumps(MODEL))}", sent, X_Zoo_Name="../../codes.safetensors").value
    assert told["kind"] == "codes" and told["count"] == 2 and told["name"] == "codes.safetensors"
    answer = page.post("render", {**MODEL, "codes": [{"upload": told["id"], "index": 1}]})
    assert np.array_equal(np.asarray(answer.picture), to_pixels(digiface.render(digiface.sample(2, 5)))[1].numpy())
