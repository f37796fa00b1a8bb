"""One direction has one step, one locality and one name, whichever command tells of it."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import zoo
from zoo.cli import run
from zoo.core.directions import Directions
from zoo.core.sampling import derived_generator
from zoo.editing.locality import Locality
from zoo.editing.measured import MeasuredRecord
from zoo.editing.render import render
from zoo.models.model import Model
from zoo.plugins import load_plugins
from zoo.report.report import _sheet_name
from zoo.report.table import DirectionSummary
from zoo.scoring.choosing import choose_scorers
from zoo.scoring.effects import read_attributes
from zoo.scoring.scores import Scores

QUESTION: dict[str, Any] = {"region": "micah_hair", "label": "micah", "samples": 2, "show": 3, "seed": 3}


@pytest.fixture(scope="module")
def model() -> Model:
    return zoo.load("biggan.avatars32", device="cpu")


@pytest.fixture(scope="module")
def folder(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of an analysis of one class, with pictures."""
    path = tmp_path_factory.mktemp("run") / "hair"
    zoo.analyze(model, "nullspace", **QUESTION, output="rgb", energy=0.999, out=path)
    return path


@pytest.fixture(scope="module")
def found(folder: Path) -> Directions:
    return Directions.load(folder)


@pytest.fixture(scope="module")
def scores(model: Model, folder: Path) -> Scores:
    return zoo.score(model, folder, show=3)


def test_scores_are_those_of_the_analysis(found: Directions, scores: Scores) -> None:
    recorded = found.provenance
    assert scores.samples == 32
    assert [one.step for one in scores.directions] == recorded["measured"]["steps"]
    assert [row["name"] for row in scores.as_json()["directions"]] == recorded["names"]
    assert any(recorded["names"])
    assert [row["locality"] for row in scores.as_json()["directions"]] == recorded["locality"]["unseen"]


def test_the_locality_of_the_record_is_the_ratio_of_sums(model: Model, found: Directions) -> None:
    """At 32 codes of the class, drawn here from the record, moved by the step of the record."""
    record = MeasuredRecord.read(found, model)
    assert record is not None and record.labels == (model.label_index("micah"),) * 32
    inside = torch.from_numpy(model.region("micah_hair").mask.copy())
    codes = model.adapter.sample(32, derived_generator(3, "unseen codes"), torch.tensor(record.labels))
    for index, step in enumerate(record.steps):
        squares = torch.zeros(32, 32, dtype=torch.float64)
        for end in (step, -step):
            moved = model.adapter.move(codes, (end * found.vectors[index]).float(), found.layers)
            with torch.no_grad():
                change = model.adapter.synthesize(moved) - model.adapter.synthesize(codes)
            squares += change.double().square().mean(dim=(0, 1))
        wanted = squares[inside].mean() / squares[~inside].mean()
        told = found.provenance["locality"]["unseen"][index]
        assert told["value"] == pytest.approx(float(wanted), rel=1e-4)
        assert told["interval"][0] < told["value"] < told["interval"][1]
        assert sum(told["inside"]) / sum(told["outside"]) == pytest.approx(told["value"])


def test_heat_maps_are_of_the_same_codes_and_step(folder: Path, found: Directions) -> None:
    page = (folder / "report.html").read_text(encoding="utf-8")
    heats = re.findall(r"change at (\d+) (\w+) codes: .*?; ([\d.e-]+) inside the region, ([\d.e-]+) outside", page)
    assert [heat[:2] for heat in heats] == [("2", "analysed"), ("32", "unseen")] * 3
    for index, (_, which, inside, outside) in enumerate(heats):
        told = found.provenance["locality"]["own" if which == "analysed" else "unseen"][index // 2]
        assert float(inside) / float(outside) == pytest.approx(told["value"], rel=0.02)  # three digits each


def test_what_is_asked_of_scores_is_done(model: Model, found: Directions, scores: Scores) -> None:
    steps = [one.step for one in scores.directions]
    assert [one.step for one in zoo.score(model, found, samples=4, show=3).directions] == steps
    assert [one.step for one in zoo.score(model, found, samples=4, show=3, region="all").directions] != steps
    assert [one.step for one in zoo.score(model, found, samples=4, show=3, step=1.5).directions] == [1.5] * 3
    assert zoo.score(model, found, samples=4, label="lorelei", show=1).directions[0].effects[0].effect == 0
    assert len(zoo.score(model, found.take(2), samples=4).directions) == 2


def test_a_record_that_cannot_be_used_is_none(model: Model, found: Directions) -> None:
    broken: list[Any] = [None, 3, {}, {**found.provenance["measured"], "seed": -1}]
    broken += [{**found.provenance["measured"], "labels": [99] * 32}, {**found.provenance["measured"], "steps": ["x"]}]
    for entry in broken:
        assert MeasuredRecord.read(found.with_provenance(measured=entry), model) is None
    other = found.with_provenance(weights_sha256="0" * 64)
    with pytest.warns(UserWarning, match="other weights"):
        assert zoo.score(model, other, samples=4, show=1).samples == 4
    assert MeasuredRecord.read(other, model) is None


def test_more_directions_than_were_measured_are_scored(model: Model, found: Directions) -> None:
    entry = {**found.provenance["measured"], "steps": found.provenance["measured"]["steps"][:1]}
    scores = zoo.score(model, found.with_provenance(measured=entry), samples=4, show=2)
    assert scores.directions[0].step == entry["steps"][0]
    assert 0 < scores.directions[1].step <= 8


@pytest.mark.long
def test_the_table_tells_step_interval_and_what_repeats(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    sefa = zoo.analyze(model, "sefa", k=2, show=1, unseen=0)
    vectors = sefa.vectors[[0, 1, 0]] * torch.tensor([1, 1, -1])[:, None]
    replace(sefa, vectors=vectors, scores=torch.ones(3), provenance={}).save("twice.safetensors")
    options = ["-o", "directions=twice.safetensors", "-o", "background_energy=0.1"]
    assert run(["analyze", "biggan", "-a", "nullspace", "-r", "eyes", "--unseen", "4", *options]) == 0
    heading, *rows = capsys.readouterr().out.splitlines()
    assert "step" in heading and "locality, unseen" in heading and "repeats" in heading
    assert len(re.findall(r"[\d.]+ \([\d.]+–[\d.]+\)", "\n".join(rows[:3]))) == 6
    assert re.search(r"\d \(0\.[5-9]\d\)", rows[2])
    assert any(row.startswith("repeats: ") for row in rows)


def test_labels_of_the_sheet_have_signs_that_its_font_has() -> None:
    locality = Locality(2.0, (1.5, 3.0), 1.0, (2.0,), (1.0,))
    summary = DirectionSummary(label="0", score=1.0, retained=None, step=1.0, own=None, unseen=locality)
    assert "unseen 2 (1.5-3)" in _sheet_name(summary)


def test_a_name_says_what_is_seen_at_most_codes(model: Model, found: Directions) -> None:
    """The values are read here, at the codes and steps of the record, from pictures rendered for it."""
    record = MeasuredRecord.read(found, model)
    assert record is not None
    [(scorer_name, scorer)] = choose_scorers(model.card, load_plugins()).items()
    attributes = {one.name: one for one in read_attributes({scorer_name: scorer})}
    codes = model.adapter.sample(32, derived_generator(3, "unseen codes"), torch.tensor(record.labels))
    seen = 0
    for index, (step, name) in enumerate(zip(record.steps, found.provenance["names"], strict=True)):
        if name is None:
            continue
        attribute = attributes[name["attribute"]]
        ends = [model.adapter.move(codes, sign * step * found.vectors[index].float()) for sign in (-1, 1)]
        values = [attribute.predicted(scorer.score(render(model, one).clamp(-1, 1))).tolist() for one in ends]
        told = [value if value is None else attribute.values.index(value) for value in name["ends"]]
        changed = [pair for pair in zip(*values, strict=True) if pair[0] != pair[1]]
        assert len(changed) / 32 == name["effect"] >= 0.5
        if told != [None, None]:
            fits = [all(want in {None, one} for want, one in zip(told, pair, strict=True)) for pair in changed]
            assert sum(fits) > 16
        seen += 1
    assert seen
