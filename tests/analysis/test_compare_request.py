"""`zoo compare` on analyses that are carried out for it, and directions that were told what they change."""

import json
from pathlib import Path

import pytest
import torch
from zoo_analyzers.nullspace.analyzer import NullSpace
from zoo_analyzers.nullspace.options import NullSpaceOptions
from zoo_analyzers.sefa.analyzer import SeFa

import zoo
from tests.support.linear import Linear, model_of
from tests.support.toys import write_tiny
from zoo import Adapter, Directions, DirectionsError, LatentSpace, Probe
from zoo.cli import run
from zoo.core.region import parse_region
from zoo.plugins.manager import Plugins

NAMES = ("hat", "[red] hair", "bow")


def named(dim: int = 12) -> Directions:
    """Three axes that bear names; one of them looks like a mark of the terminal's."""
    return Directions(LatentSpace("z", dim), torch.eye(dim)[:3], torch.tensor([3.0, 2.0, 1.0]), attributes=NAMES)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_tiny(tmp_path / "tiny.safetensors")
    named().save(tmp_path / "named.safetensors")
    return tmp_path


# Attributes


def test_attributes_are_kept_in_the_file(here: Path) -> None:
    assert Directions.load("named.safetensors").attributes == NAMES
    assert Directions.load("named.safetensors").take(2).attributes == NAMES[:2]
    assert "attributes" not in Directions.load("named.safetensors").provenance


def test_files_without_attributes_are_read(here: Path) -> None:
    """Those that were written before there were any."""
    zoo.analyze("./tiny.safetensors", device="cpu").save("plain.safetensors")
    assert Directions.load("plain.safetensors").attributes is None


def test_there_are_as_many_attributes_as_directions() -> None:
    with pytest.raises(DirectionsError, match="3 directions have 3 attributes, not 1"):
        Directions(LatentSpace("z", 4), torch.eye(4)[:3], torch.ones(3), attributes=("hat",))


def test_moves_and_notebooks_name_the_attribute() -> None:
    assert str(named().move(0, 2.0)) == "2 * direction 0 hat"
    assert ">1 [red] hair</td>" in named()._repr_html_()


def test_a_boundary_that_is_made_local_keeps_its_name(here: Path) -> None:
    adapter = Linear.tiny(0)
    named(6).save("six.safetensors")
    probe = Probe(adapter.sample(1, torch.Generator()), parse_region("top", (8, 8)), None, torch.Generator())
    found = NullSpace(NullSpaceOptions(directions=Path("six.safetensors"), background_energy=0.3)).analyze(
        adapter, probe
    )
    assert found.attributes == tuple(NAMES[index] for index in found.provenance["came_from"])


def test_a_report_and_a_table_show_the_attributes(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    question = ["-a", "nullspace", "-r", "top", "-o", "directions=named.safetensors", "--unseen", "0"]
    assert run(["analyze", "./tiny.safetensors", *question, "--out", "run"]) == 0
    printed, page = capsys.readouterr().out, Path("run/report.html").read_text(encoding="utf-8")
    found = Directions.load("run")
    for index, name in enumerate(found.attributes or ()):
        assert f"{index} {name}" in printed
        assert f">Direction {index} {name}<" in page


def test_a_comparison_names_what_is_nearest(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = Directions(LatentSpace("z", 12), torch.eye(12)[[5, 1, 0]], torch.ones(3))
    other.save("other.safetensors")
    assert run(["compare", "named.safetensors", "other.safetensors"]) == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "0 hat 2 0.0000" in lines
    assert "1 [red] hair 1 0.0000" in lines
    assert "2 0 hat 0.0000" in lines
    told = zoo.compare(named(), other).as_json()
    assert (told["a"]["attributes"], told["b"]["attributes"]) == (list(NAMES), None)


# Analyses as sides


def test_analyses_are_carried_out_as_zoo_analyze_does(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["-o", "k=4", "-o", "normalize=false"]
    asked = ["--model", "./tiny.safetensors", "--seed", "3", "--samples", "2", "--json"]
    assert run(["compare", "sefa", "lowrank", *options, *asked]) == 0
    told = json.loads(capsys.readouterr().out)
    model = zoo.load("./tiny.safetensors", device="cpu")
    first = zoo.analyze(model, "sefa", k=4, normalize=False)
    second = zoo.analyze(model, "lowrank", k=4, seed=3, samples=2)
    wanted = zoo.compare(first, second).as_json()
    assert [row["nearest"] for row in told["nearest_of_a"]] == [row["nearest"] for row in wanted["nearest_of_a"]]
    assert told["principal_angles"] == pytest.approx(wanted["principal_angles"], abs=1e-3)  # float32 derivatives
    assert (told["a"]["analyzer"], told["b"]["analyzer"]) == ("sefa", "lowrank")
    folder = "compare-sefa-lowrank-model-tiny-samples-2-seed-3-k-4-normalize-false"
    assert (here / "runs" / folder / "comparison.png").exists()


def test_an_analysis_against_a_file(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["compare", "named.safetensors", "sefa", "--model", "./tiny.safetensors", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["a"]["name"], told["a"]["attributes"]) == ("named.safetensors", list(NAMES))
    assert told["b"]["analyzer"] == "sefa"


def test_a_file_comes_before_an_analysis_of_its_name(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("sefa").write_text("no directions")
    assert run(["compare", "sefa", "named.safetensors"]) == 2
    assert "cannot read directions from sefa" in capsys.readouterr().err


def test_scorers_reach_an_analysis(monkeypatch: pytest.MonkeyPatch) -> None:
    """The installed ones that fit the model, by name."""
    seen: list[Probe] = []

    class Light(zoo.Scorer):
        attributes = ("light",)

        def fits(self, card: object) -> bool:
            return True

        def score(self, images: torch.Tensor) -> torch.Tensor:
            return images.mean(dim=(1, 2, 3))[:, None]

    def spy(self: SeFa, adapter: Adapter, probe: Probe) -> Directions:
        seen.append(probe)
        return analyze(self, adapter, probe)

    plugin = zoo.ScorerPlugin(name="light", summary="test", load=lambda: Light, attributes=("light",))
    analyze = SeFa.analyze
    monkeypatch.setattr(Plugins, "scorers", {"light": plugin})
    monkeypatch.setattr(SeFa, "analyze", spy)
    zoo.analyze(model_of(Linear.tiny(0)), "sefa")
    [probe] = seen
    assert list(probe.scorers) == ["light"]
    assert isinstance(probe.scorers["light"], Light)
