"""From words to a direction: the best combination, where it is known exactly, and the command on a real model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor

import zoo
from tests.support.linear import Linear, model_of
from tests.support.marks import mostly_long
from zoo._utils.progress import silent
from zoo.analysis.find import Candidates, Finder, FindOptions
from zoo.analysis.find_request import FindRequest
from zoo.cli import run
from zoo.core.analyzer import Probe
from zoo.models.model import Model
from zoo.registry.cards import Card
from zoo.registry.registry import load_installation
from zoo.scoring import chance

DIM = 6


class Corner(zoo.Scorer):
    """Scores the mean of the upper left quarter; it can be differentiated."""

    attributes = ("light corner",)
    against_random = True
    differentiable = True

    def fits(self, card: Card) -> bool:
        return True

    def score(self, images: Tensor) -> Tensor:
        return images[:, 0, :4, :4].mean(dim=(1, 2))[:, None]


@pytest.fixture
def model() -> Model:
    rows = torch.randn(64, DIM, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    return model_of(Linear(0.05 * rows, (8, 8)))


def found_in(model: Model, region: str, count: int, steps: int = 200) -> zoo.Directions:
    codes = model.adapter.sample(16, torch.Generator().manual_seed(0)).to(torch.device("cpu"), torch.float64)
    probe = Probe(codes, model.region(region), None, torch.Generator(), scorers={"corner": Corner()})
    candidates = Candidates(torch.eye(DIM, dtype=torch.float64)[:count], tuple(f"row {i}" for i in range(count)), None)
    return Finder(FindOptions(words="light corner", steps=steps), candidates, "light corner").analyze(
        model.adapter, probe
    )


@pytest.mark.parametrize("count", mostly_long([DIM, 3], (3,)))
@pytest.mark.parametrize("region", mostly_long(["all", "box:0,0,8,2"], ("box:0,0,8,2",)))
def test_the_combination_is_the_best_one_in_the_span(model: Model, region: str, count: int) -> None:
    """For an image A z the gain is w · A n / ‖A n‖ up to a factor: n = (AᵀA)⁻¹ Aᵀ w, both in the span."""
    assert isinstance(model.adapter, Linear)
    A = model.adapter.network.get_parameter("weight")[:, :count]
    seen = model.region(region).mask.copy()
    seen[4:], seen[:, 4:] = False, False  # what the scorer looks at, within the region
    w = torch.from_numpy(seen.reshape(-1)).double()
    wanted = torch.linalg.solve(A.T @ A, A.T @ w)
    found = found_in(model, region, count)
    cosine = float(found.vectors[0, :count] @ wanted / wanted.norm())
    assert cosine > 0.99 and float(found.vectors[0, count:].abs().max() if count < DIM else 0) < 1e-9
    assert found.given_names is not None and found.given_names[0] == "light corner"
    weights = found.provenance["combination"]
    assert [weights[f"row {i}"] for i in range(count)] == pytest.approx(found.vectors[0, :count].tolist(), abs=1e-5)


def test_candidates_follow_turned_and_in_order(model: Model) -> None:
    found = found_in(model, "all", DIM, steps=0)
    assert len(found) == DIM + 1
    assert bool((found.scores[:-1] >= found.scores[1:]).all()) and float(found.scores[-1]) >= 0
    torch.testing.assert_close(found.vectors[0], found.vectors[1])  # without a step, the best candidate


@pytest.fixture
def directions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(chance, "RANDOM_DIRECTIONS", 4)
    zoo.analyze("biggan", "sefa", k=4, show=1, unseen=0, device="cpu").take(3).save("d.safetensors")


class Axes(zoo.Analyzer[zoo.Options]):
    def analyze(self, adapter: zoo.Adapter, probe: zoo.Probe) -> zoo.Directions:
        return zoo.Directions(adapter.space, torch.eye(adapter.space.dim), torch.ones(adapter.space.dim))


def test_analyses_that_look_for_attributes_are_not_combined(model: Model) -> None:
    installation = load_installation()
    installation.plugins.analyzers.clear()
    for name, supervised in {"axes": False, "taught": True}.items():
        installation.plugins.analyzers[name] = zoo.AnalyzerPlugin(
            name=name, summary="axes", load=lambda: Axes, requires=frozenset(), supervised=supervised
        )
    candidates = FindRequest(model="test.model", words="light corner")._candidates(model, installation, silent)
    assert candidates.names == tuple(f"axes {index}" for index in range(DIM))


CALL = ["find", "biggan", "closed eyes", "--directions", "d.safetensors", "--region", "eyes", "--label", "micah"]
CALL += ["--samples", "2", "--steps", "2", "--show", "1"]


@pytest.mark.usefixtures("directions")
def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*CALL, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    folder = Path("runs/biggan-find-closed_eyes-eyes-directions-d.safetensors-samples-2-label-micah")
    assert {path.name for path in folder.glob("[!.]*")} >= {"directions.safetensors", "sheet.png", "report.html"}
    found = zoo.Directions.load(folder)
    assert found.index_of("closed eyes") == 0 and len(found) == 4
    assert found.provenance["analyzer"] == "find" and found.provenance["options"]["words"] == "closed eyes"
    command = found.provenance["command"]
    assert command.startswith("zoo find biggan.avatars32 'closed eyes' --directions d.safetensors --region eyes")
    assert told["scores"]["attributes"][0]["name"] == "closed eyes"
    assert told["directions"][0]["label"] == "0 closed eyes"


@pytest.mark.long
@pytest.mark.usefixtures("directions")
def test_python_finds_what_the_command_finds() -> None:
    assert run([*CALL, "--out", "found"]) == 0
    again = zoo.find(
        zoo.load("biggan", device="cpu"), "closed eyes", directions=["d.safetensors"], region="eyes", label="micah",
        samples=2, steps=2, show=1,
    )  # fmt: skip
    torch.testing.assert_close(again.vectors, zoo.Directions.load("found").vectors)


@pytest.mark.parametrize(
    ("words", "more", "told"),
    [
        ("grinning", [], "does not know 'grinning'"),
        (" ", [], "there are no words"),
        ("a / b / c", [], "no opposites"),
        ("closed eyes", ["--scorer", "avatars"], "the scorer avatars does not understand words"),
        ("closed eyes", ["--region", "tail"], "tail"),
        ("closed eyes", ["--steps", "-1"], "--steps"),
        ("closed eyes", ["--directions", "none.npy"], "none.npy"),
    ],
)
def test_what_cannot_be_looked_for_is_refused(
    words: str,
    more: list[str],
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["find", "biggan", words, *more]) == 2
    assert told in capsys.readouterr().err.splitlines()[-1]
    assert not Path("runs").exists() or not list(Path("runs").iterdir())
