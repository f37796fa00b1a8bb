"""Suggested names, by a scorer whose truth is known: the brightness of the upper and of the lower half."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from torch import Tensor
from zoo_analyzers.sefa.analyzer import SeFa

import zoo
from tests.registry.test_registry import CARD
from tests.support.linear import Linear, model_of
from tests.support.toys import write_tiny
from zoo.cli import run
from zoo.models.model import Model
from zoo.plugins import PluginWarning
from zoo.registry.cards import Card
from zoo.scoring.effects import Attribute, Effect, measure_effect
from zoo.scoring.score import measure_scores

PLUGIN = """
import torch
from zoo import Scorer, ScorerPlugin, hookimpl

class Halves(Scorer):
    attributes = ("bright top", "bright bottom")

    def fits(self, card):
        return card.name == "test.model"

    def score(self, images):
        {body}

@hookimpl
def zoo_scorers():
    return [ScorerPlugin(name="halves", summary="test", load=lambda: Halves, attributes=Halves.attributes)]
"""
GOOD = "return torch.stack([half.mean(dim=(1, 2, 3)) for half in images.chunk(2, dim=2)], dim=1)"

Install = Callable[[str], None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Write a distribution with the scorer, whose `score` has this body, and make it importable for this test."""

    def write(body: str) -> None:
        folder = tmp_path / "site" / "halves-1.0.dist-info"
        folder.mkdir(parents=True)
        (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: halves\nVersion: 1.0\n")
        (folder / "entry_points.txt").write_text("[zoo]\nhalves = halves_scorer\n")
        (tmp_path / "site" / "halves_scorer.py").write_text(PLUGIN.format(body=body))
        monkeypatch.syspath_prepend(tmp_path / "site")

    yield write
    sys.modules.pop("halves_scorer", None)


def halves() -> Model:
    """Three numbers: minus the brightness of the upper half, that of the lower half, and stripes of mean 0."""
    rows = torch.zeros(8, 8, 3)
    rows[:4, :, 0], rows[4:, :, 1] = -0.12, 0.1
    rows[:, ::2, 2], rows[:, 1::2, 2] = 0.05, -0.05
    return model_of(Linear(rows.view(64, 3), (8, 8)))


def test_a_plugin_names_directions_and_the_file_and_the_page_say_so(install: Install, tmp_path: Path) -> None:
    install(GOOD)
    found = zoo.analyze(halves(), "sefa", normalize=False, out=tmp_path / "run")
    names = found.provenance["names"]
    assert [name and name["attribute"] for name in names] == ["bright top", "bright bottom", None]
    assert names[0]["scorer"] == "halves"
    assert names[0]["effect"] < -1
    assert names[1]["effect"] > 1
    assert names[0]["agreement"] == 1
    assert zoo.Directions.load(tmp_path / "run" / "directions.safetensors").provenance["names"] == names
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "Direction 0 <span>less bright top</span>" in page
    assert "Direction 1 <span>more bright bottom</span>" in page
    assert f"{names[0]['effect']:+.1f}".replace("-", "−") + " standard deviations, at 100% of the codes" in page
    assert "<td>–</td>" in page


def test_the_report_has_the_scores_of_a_scorer_that_fits(install: Install, tmp_path: Path) -> None:
    install(GOOD)
    zoo.analyze(halves(), "sefa", normalize=False, out=tmp_path / "run")
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    _, _, after = page.partition('<h2 id="scores">Scores</h2>')
    table = after.partition("</table>")[0]
    assert '<th scope="col">bright top</th><th scope="col">bright bottom</th>' in table
    assert "less bright top, 0." in table
    assert "Disentanglement 1.00" in after


def test_the_report_has_no_scores_without_a_scorer(tmp_path: Path) -> None:
    zoo.analyze(halves(), "sefa", out=tmp_path / "run")
    assert "Scores" not in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")


@pytest.fixture
def cards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Furnish the working folder with a card of the name that the scorer fits, and directions in its model."""
    write_tiny(tmp_path / "netG.safetensors")
    card = {**CARD, "name": "test.model", "weights": {"sources": [{"url": "netG.safetensors"}]}}
    (tmp_path / "cards.yaml").write_text(yaml.safe_dump({"models": [card]}))
    monkeypatch.chdir(tmp_path)
    zoo.analyze(zoo.load("test.model", registry=["cards.yaml"]), region="center", show=2, unseen=0, out="run")


@pytest.mark.usefixtures("cards")
def test_zoo_score(install: Install, capsys: pytest.CaptureFixture[str]) -> None:
    install(GOOD.replace("return", "return 1000 *"))
    call = ["--registry", "cards.yaml", "score", "test.model", "run", "--samples", "20", "--show", "2"]
    capsys.readouterr()
    assert run([*call, "--out", "scores"]) == 0
    told = capsys.readouterr().out
    assert "measured: at 20 codes, region center" in told
    assert "bright bottom" in told and "completeness" in told and "scores.md" in told
    assert {path.name for path in Path("scores").glob("[!.]*")} == {"scores.json", "scores.md"}
    assert run([*call, "--out", "scores"]) == 2
    assert "exists" in capsys.readouterr().err
    assert run([*call, "--scorer", "halves", "--json", "--out", "scores", "--force"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads(Path("scores/scores.json").read_text())
    assert [attribute["name"] for attribute in printed["attributes"]] == ["bright top", "bright bottom"]
    assert len(printed["directions"]) == 2
    model = zoo.load("test.model", registry=["cards.yaml"])
    assert zoo.score(model, "run", scorer="halves", samples=20, show=2).as_json() == printed | {"command": None}


@pytest.mark.usefixtures("cards")
def test_zoo_score_with_a_scorer_that_fails(install: Install, capsys: pytest.CaptureFixture[str]) -> None:
    install("raise RuntimeError('no weights')")
    capsys.readouterr()
    assert run(["--registry", "cards.yaml", "score", "test.model", "run", "--samples", "2"]) == 2
    warning, error = capsys.readouterr().err.splitlines()
    assert "the scorer halves failed on test.model" in warning
    assert error == "zoo: no scorer is left for test.model: each that fits failed"


@pytest.mark.usefixtures("cards")
def test_zoo_score_of_a_file_whose_card_the_scorer_does_not_know(
    install: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    install(GOOD)
    capsys.readouterr()
    assert run(["score", "./netG.safetensors", "run"]) == 2
    assert "no scorer fits file.netg: there are avatars (" in capsys.readouterr().err
    assert run(["list", "--scorers"]) == 0
    assert "halves\tbright top, bright bottom" in capsys.readouterr().out
    assert run(["info", "scorer:halves"]) == 0
    assert "bright bottom" in capsys.readouterr().out


def test_the_command_line_tells_the_names(
    install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    install(GOOD.replace("return", "return 1000 *"))
    write_tiny(tmp_path / "netG.safetensors")
    card = {**CARD, "name": "test.model", "weights": {"sources": [{"url": "netG.safetensors"}]}}
    (tmp_path / "cards.yaml").write_text(yaml.safe_dump({"models": [card]}))
    monkeypatch.chdir(tmp_path)
    assert run(["--registry", "cards.yaml", "analyze", "test.model", "--unseen", "8"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].rstrip().endswith("suggested name")
    assert all(line.split()[-1] in {"top", "bottom", "–"} for line in lines[1:6])


def test_a_scorer_that_does_not_fit_names_nothing(install: Install) -> None:
    install("raise AssertionError('asked about a model that it does not fit')")
    model = model_of(Linear.tiny(0), "other.model")
    assert zoo.analyze(model, "sefa").provenance["names"] is None


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("raise RuntimeError('no weights')", "RuntimeError: no weights"),
        pytest.param("raise MemoryError('too large')", "MemoryError: too large", marks=pytest.mark.long),
        (
            "return images.mean(dim=(1, 2, 3))",
            r"ValueError: scores of shape \(16,\), but .* \(16, 2\)",
        ),
        pytest.param(
            "return images[:, :2, 0, 0] * float('nan')", "ValueError: .* finite ones of shape", marks=pytest.mark.long
        ),
        pytest.param("return None", "AttributeError", marks=pytest.mark.long),
    ],
)
def test_a_scorer_that_fails_loses_nothing_but_its_names(
    install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, words: str
) -> None:
    install(body)
    with pytest.warns(PluginWarning, match=f"the scorer halves failed on test.model and was skipped: {words}") as told:
        found = zoo.analyze(halves(), "sefa", out=tmp_path / "run")
    assert len(told) == 1
    assert len(found) == 3 and found.provenance["names"] is None
    assert (tmp_path / "run" / "report.html").exists()
    monkeypatch.setenv("ZOO_STRICT_PLUGINS", "1")
    with pytest.raises(zoo.PluginError, match=words):
        zoo.analyze(halves(), "sefa")


@pytest.mark.parametrize(
    ("sound", "broken", "words"),
    [
        ("lambda: Halves", "lambda: 1 / 0", "the scorer halves cannot be loaded: {}; it was skipped"),
        (
            "return card.name",
            "return 1 / 0 + card.name",
            "the scorer halves failed on test.model and was skipped: {}",
        ),
    ],
)
def test_a_scorer_that_cannot_be_asked_is_met_before_the_analysis(
    install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sound: str, broken: str, words: str
) -> None:
    install(GOOD)
    source = tmp_path / "site" / "halves_scorer.py"
    source.write_text(source.read_text().replace(sound, broken))
    analyses, analyze = [], SeFa.analyze

    def count(*given: Any) -> zoo.Directions:
        analyses.append(given)
        return analyze(*given)

    monkeypatch.setattr(SeFa, "analyze", count)
    words = words.format("ZeroDivisionError: division by zero")
    with pytest.warns(PluginWarning, match=words):
        assert zoo.analyze(halves(), "sefa").provenance["names"] is None
    assert len(analyses) == 1
    monkeypatch.setenv("ZOO_STRICT_PLUGINS", "1")
    with pytest.raises(zoo.PluginError, match=words):
        zoo.analyze(halves(), "sefa")
    assert len(analyses) == 1


def test_the_command_line_tells_of_a_scorer_that_failed(
    install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    install("raise RuntimeError('no weights')")
    monkeypatch.chdir(tmp_path)
    source = (tmp_path / "site" / "halves_scorer.py").read_text()
    (tmp_path / "site" / "halves_scorer.py").write_text(source.replace("test.model", "file.tiny"))
    write_tiny(tmp_path / "tiny.safetensors")
    assert run(["analyze", "./tiny.safetensors", "--show", "1", "--unseen", "2", "--out", "run"]) == 0
    told = capsys.readouterr()
    assert "zoo: warning: the scorer halves failed on file.tiny and was skipped: RuntimeError: no weights" in told.err
    assert "suggested name" not in told.out
    assert (tmp_path / "run" / "directions.safetensors").exists()


class Square(zoo.Scorer):
    """Scores the square of the first pixel, a shade that never varies, and the first pixel itself, ten times."""

    attributes = ("square", "constant")

    def fits(self, card: Card) -> bool:
        return True

    def score(self, images: Tensor) -> Tensor:
        pixel = images[:, 0, 0, 0]
        return torch.stack([pixel.square(), torch.ones_like(pixel)], dim=1)


def name_at(latents: Tensor, step: float, **scorers: zoo.Scorer) -> Effect | None:
    """Ask for the name of the one direction of a generator whose only pixel is a tenth of the code."""
    model = model_of(Linear(torch.tensor([[0.1]]), (1, 1)))
    directions = zoo.Directions(model.adapter.space, torch.ones(1, 1), torch.ones(1))
    codes, steps, region = zoo.Codes(latents[:, None]), torch.tensor([step]), model.region("all")
    found = measure_scores(model, scorers, codes, directions, steps=steps, region=region)
    assert found is not None
    return found.directions[0].name


def effect_at(latents: list[float], step: float) -> Effect | None:
    return name_at(torch.tensor(latents), step, square=Square())


def test_the_effect_is_the_mean_difference_in_standard_deviations() -> None:
    """(x + s)² − (x − s)² = 4 x s, for the pixel x = z / 10 and the step s / 10."""
    latents = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0])
    found = effect_at(latents.tolist(), 0.9)
    assert found is not None
    wanted = (4 * latents * 0.9).mean() / latents.square().std()
    assert found.effect == pytest.approx(float(wanted), rel=1e-5)  # images are float32
    assert (found.attribute, found.agreement, str(found)) == ("square", 1, "more square")
    assert str(effect_at((-latents).tolist(), 0.9)) == "less square"


def test_the_others_name_where_one_scorer_fails() -> None:
    class Late(Square):
        """Fails at the second batch, once its first scores are in."""

        def score(self, images: Tensor) -> Tensor:
            if len(images) < 16:
                raise RuntimeError("late")
            return super().score(images) * 100

    with pytest.warns(PluginWarning, match="the scorer late failed"):
        found = name_at(torch.linspace(1, 6, 20), 0.9, late=Late(), square=Square())
    assert found is not None
    assert found.scorer == "square"


def test_a_weak_effect_is_not_named() -> None:
    latents = [1.0, 2.0, 3.0, 4.0, 5.0]
    assert effect_at(latents, 0.38) is None  # 0.47 standard deviations
    assert effect_at(latents, 0.42) is not None  # 0.52


@pytest.mark.parametrize(("others", "named"), [(1, True), (2, False)])
def test_an_effect_that_is_not_the_same_at_nine_of_ten_codes_is_not_named(others: int, named: bool) -> None:
    latents = [3.0] * (10 - others) + [-1.0] * others
    assert (effect_at(latents, 3.0) is not None) == named


def test_images_are_clamped_before_they_are_scored() -> None:
    """Pixels of 2, 3 and 4 all score 1, which does not vary: there is nothing to name."""
    assert effect_at([20.0, 30.0, 40.0], 1.0) is None


def path_of(before: str, after: str) -> str:
    """Write the name of a change of hair from the values of one row to those of another, a letter each."""
    values = sorted(set(before + after))
    attribute = Attribute("hair_colour", "test", tuple(range(len(values))), tuple(values))
    minus, plus = (
        torch.nn.functional.one_hot(torch.tensor([values.index(one) for one in row]), len(values)).double()
        for row in (before, after)
    )
    return str(measure_effect(attribute, minus, minus, plus))


@pytest.mark.parametrize(
    ("before", "after", "name"),
    [
        ("kkkkk", "rrrrk", "hair colour, k to r"),
        ("kkrrg", "bbbbb", "hair colour, to b"),
        ("kkkkk", "rrbbk", "hair colour, from k"),
        # the commonest ends are k and r, but the way from k to r is that of two codes of ten
        ("kkkkbbbggg", "rrbbrrgrkk", "hair colour"),
        ("krkrkr", "rkrkrk", "hair colour"),
        ("kkrr", "rrrr", "hair colour"),  # half of the codes are not most of them
    ],
)
def test_a_name_says_what_most_codes_do(before: str, after: str, name: str) -> None:
    assert path_of(before, after) == name
