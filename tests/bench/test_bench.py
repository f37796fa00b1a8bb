"""A bench of a generator whose every answer is known: three bands, each the brightness of one number of the code."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor

import zoo
from tests.support.linear import Linear, model_of
from tests.support.toys import write_avatars_card, write_tiny
from zoo import AnalyzerPlugin, Directions, ScorerPlugin
from zoo.bench import Bench, BenchRequest
from zoo.bench.intervals import Figure
from zoo.bench.methods import read_methods
from zoo.bench.result import TABLES
from zoo.bench.samples import Sample, Samples
from zoo.bench.tables.coordinates import coordinates_along
from zoo.bench.tables.locality import _interpolate
from zoo.cli import run
from zoo.editing.requests import CodesRequest
from zoo.errors import OptionError, OutputError, RegionError, UnknownNameError
from zoo.models.model import Model
from zoo.registry.cards import Card
from zoo.registry.registry import Installation, load_installation

SIDE, GAIN = 6, 0.2
QUICK: dict[str, Any] = {"samples": 2, "unseen": 4, "readings": 200, "pictures": 1, "repetitions": 2, "draws": 6}


def bands() -> Model:
    """Three numbers, each the brightness of a band of two rows, and a fourth that nothing shows."""
    rows = torch.zeros(SIDE, SIDE, 4)
    for band in range(3):
        rows[2 * band : 2 * band + 2, :, band] = GAIN
    rows[..., 3] = 1e-3
    return model_of(Linear(rows.view(SIDE * SIDE, 4), (SIDE, SIDE)))


class Bands(zoo.Scorer):
    """Whether each band is bright, and where the first one is."""

    attributes: ClassVar[Sequence[str]] = tuple(
        f"{band}={shade}" for band in ("top", "middle", "bottom") for shade in ("dark", "bright")
    )
    parts: ClassVar[Sequence[str]] = ("top",)

    def fits(self, card: Card) -> bool:
        return card.name == "test.model"

    def score(self, images: Tensor) -> Tensor:
        means = [part.mean(dim=(1, 2, 3)) for part in images.chunk(3, dim=2)]
        return torch.stack([sign * mean for mean in means for sign in (-1, 1)], dim=1)

    def masks(self, images: Tensor) -> Tensor:
        found = torch.zeros(len(images), 1, *images.shape[2:], dtype=torch.bool)
        found[:, 0, :2] = True
        return found


class Axes(zoo.Analyzer[zoo.Options]):
    """A method of somebody else: the axes of the code."""

    def analyze(self, adapter: zoo.Adapter, probe: zoo.Probe) -> Directions:
        return Directions(adapter.space, torch.eye(adapter.space.dim), torch.ones(adapter.space.dim))


class Nothing(Axes):
    """A method that cannot do it."""

    def analyze(self, adapter: zoo.Adapter, probe: zoo.Probe) -> Directions:
        raise zoo.CapabilityError("it needs a moon")


@pytest.fixture(scope="module")
def installation() -> Installation:
    """An installation with a scorer and two analyses of other packages."""
    made = load_installation()
    for name, load in {"axes": lambda: Axes, "nothing": lambda: Nothing}.items():
        made.plugins.analyzers[name] = AnalyzerPlugin(name=name, summary="axes", load=load, requires=frozenset())
    made.plugins.scorers["bands"] = ScorerPlugin(
        name="bands", summary="bands", load=lambda: Bands, attributes=tuple(Bands.attributes)
    )
    return made


@pytest.fixture(scope="module")
def found(installation: Installation) -> Bench:
    return BenchRequest(model="test.model", region="top", **QUICK).measure(bands(), installation)


def mean(bench: Bench, method: str, table: str, key: str) -> float:
    return bench.figure(method, table, key).mean


def test_every_installed_analysis_stands_between_floor_and_ceiling(found: Bench) -> None:
    assert found.methods[0] == "random" and found.methods[-1] == "supervised"
    assert {"sefa", "lowrank", "nullspace", "resefa", "axes", "lowrank:region=all"} <= set(found.methods)
    assert "nullspace:region=all" not in {*found.methods, *found.skipped}
    assert "it needs a moon" in found.skipped["nothing"]
    assert any(note.startswith("nothing was left out: ") for note in found.notes())
    counts = {name: sum(one.method == name for one in found.samples) for name in found.methods}
    assert counts == {name: 6 if name == "random" else 2 for name in found.methods}


def test_its_figures_are_those_of_the_generator(found: Bench) -> None:
    """An axis changes its own band, and nothing else."""
    assert mean(found, "axes", "factors", "selectivity") > 1.5 * mean(found, "random", "factors", "selectivity")
    assert mean(found, "axes", "factors", "leakage") == pytest.approx(0, abs=1e-9)
    assert mean(found, "axes", "nearest", "distance") < 0.05 < mean(found, "random", "nearest", "distance")
    assert mean(found, "axes", "coordinates", "mig") > 0.3
    assert mean(found, "axes", "coordinates", "mig") > 2 * mean(found, "random", "coordinates", "mig")
    assert mean(found, "axes", "locality", "best@0.02") > 100 * mean(found, "random", "locality", "best@0.02")
    # the fourth axis changes all bands alike: its cosine with each of three others is 1 / √3, that of others 0
    assert mean(found, "axes", "locality", "redundancy") == pytest.approx(0.5 / 3**0.5, abs=1e-3)
    assert mean(found, "axes", "transfer", "consistency") == pytest.approx(1, abs=1e-3)
    assert mean(found, "axes", "readback", "same_change") == pytest.approx(1, abs=1e-3)
    assert mean(found, "axes", "transfer", "kept") == pytest.approx(1, abs=1e-3)


def test_the_advice_names_the_best_and_what_cannot_be_told_apart(found: Bench) -> None:
    by_wish = {one.wish: one for one in found.advice}
    named = by_wish["an edit of this part and nothing else"]
    assert (
        named.use in {"axes", "resefa", "nullspace", "sefa", "lowrank"}
        and "random directions" in named.text
        and "supervised ones" in named.text
    )
    steady = by_wish["a global edit that does the same to every picture"]
    assert steady.use is None and "no analysis is clearly better" in steady.text


def test_differences_at_the_same_codes_count(found: Bench) -> None:
    """What both methods have in common in a repetition is no reason to doubt that one is better."""

    def beats(ours: list[float], theirs: list[float], table: str, key: str) -> bool:
        rows = {"ours": ours, "theirs": theirs}
        samples = [
            Sample(name, seed, 0, {table: {key: value}}, 0.0, 1)
            for name, values in rows.items()
            for seed, value in enumerate(values)
        ]
        return Bench(found.model, samples, {}, found.record).beats("ours", "theirs", table, key)

    for ours, theirs, better in [
        ([1.1, 5.12, 9.1], [1.0, 5.0, 9.0], True),
        ([1.0, 5.0, 9.0], [1.1, 5.2, 9.1], False),
        ([1.1, 4.0, 9.1], [1.0, 5.0, 9.0], False),
        ([2.0], [1.0], False),
        ([math.nan, 5.0, 6.0], [1.0, 3.0, 4.0], True),
    ]:
        assert beats(ours, theirs, "factors", "effect") is better
    # a locality is a ratio: three times as much each time, of whatever size
    assert beats([9.0, 4.2, 3.6], [3.0, 1.5, 1.2], "locality", "mean")
    assert not beats([9.0, 4.2, 3.6], [3.0, 1.5, 1.2], "factors", "effect")
    assert not beats([9.0, 1.2, 1.1], [3.0, 1.5, 1.2], "locality", "mean")


def test_json_and_page_have_all_tables(found: Bench, tmp_path: Path) -> None:
    found.save(tmp_path / "bench")
    told = json.loads((tmp_path / "bench" / "bench.json").read_text())
    assert told["format"] == "zoo-bench/1"
    assert set(told["tables"]) == {table.name for table in TABLES}
    assert told["part"] == "top"
    figure = told["tables"]["locality"]["random"]["mean"]
    assert figure["repetitions"] == 6 and figure["interval"][0] < figure["mean"] < figure["interval"][1]
    page = (tmp_path / "bench" / "report.html").read_text()
    for table in TABLES:
        assert table.title in page
    assert "What to use" in page and "<script>" in page
    assert "Locality" not in found._repr_html_() or "<table>" in found._repr_html_()


def test_an_interrupted_bench_goes_on(installation: Installation, tmp_path: Path) -> None:
    words = {**QUICK, "pictures": 0, "draws": 4, "analyzers": ("sefa",)}
    request = BenchRequest(model="test.model", region="top", **words)
    model, path = bands(), tmp_path / "bench.unfinished.json"
    question = request._question(model)

    def stop_at_random(done: int, total: int, what: str) -> None:
        if what == "random directions" and done == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        request.measure(model, installation, Samples(path, question), stop_at_random)
    kept = Samples(path, question)
    assert 2 < kept.resume() < 8
    whole = request.measure(model, installation, Samples(path, question))
    assert list(whole.samples[: len(kept.found)]) == kept.found
    straight = request.measure(model, installation)
    assert len(whole.samples) == len(straight.samples) == 2 + 2 + 4
    for name in straight.methods:
        for key in ("best@0.02", "mean"):
            wanted = mean(straight, name, "locality", key)
            assert mean(whole, name, "locality", key) == pytest.approx(wanted, rel=1e-6, nan_ok=True)
    assert Samples(path, replace(request, seed=5)._question(model)).resume() == 0


def test_a_file_of_somebody_else_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "mine.unfinished.json"
    path.write_text("[1, 2]")
    with pytest.raises(OutputError, match="is no unfinished bench: move it away"):
        Samples(path, {}).resume()
    assert path.read_text() == "[1, 2]"


def test_what_is_wrong_is_said_before_anything_is_measured(installation: Installation) -> None:
    model = bands()
    cases: list[tuple[dict[str, Any], type[zoo.ZooError], str]] = [
        ({"region": "all"}, RegionError, "leaves nothing outside"),
        ({"analyzers": ("sfea",)}, UnknownNameError, "sfea"),
        ({"analyzers": ("sefa:nrmalize=false",)}, OptionError, "nrmalize"),
        ({"analyzers": ("sefa", "sefa")}, OptionError, "measured once"),
        ({"show": 1}, OptionError, "--show"),
        ({"repetitions": 0}, OptionError, "--repetitions"),
    ]
    for words, error, match in cases:
        with pytest.raises(error, match=match):
            BenchRequest(model="test.model", **{"region": "top", **QUICK, **words}).measure(model, installation)


def test_an_analysis_may_have_a_region_of_its_own(installation: Installation) -> None:
    model = bands()
    asked = ("lowrank:region=not:top", "lowrank:region=all,k=2", "lowrank")
    methods, _ = read_methods(asked, model, "top", installation)
    assert [(one.region, dict(one.options)) for one in methods] == [("not:top", {}), ("all", {"k": "2"}), (None, {})]
    assert [one.request("top", CodesRequest()).region for one in methods] == ["not:top", "all", "top"]
    with pytest.raises(UnknownNameError, match="nose"):
        read_methods(("lowrank:region=nose",), model, "top", installation)


def test_an_analysis_with_options_and_no_scorer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_tiny(tmp_path / "tiny.safetensors")
    words = "-a sefa -a nullspace:basis=published,background_energy=0.5 -r center --samples 2 --unseen 4 --draws 2"
    more = "--repetitions 1 --pictures 0 --show 2"
    assert run(["bench", "./tiny.safetensors", *words.split(), *more.split()]) == 0
    [file] = Path("runs").glob("tiny-bench-center-analyzers-sefa_nullspace_basis_*-samples-2-unseen-4-*/bench.json")
    told = json.loads(file.read_text())
    assert set(told["tables"]) == {"locality", "transfer"}
    assert list(told["tables"]["locality"]) == ["random", "sefa", "nullspace:basis=published,background_energy=0.5"]
    assert told["command"].startswith("zoo bench ./tiny.safetensors --analyzer sefa --analyzer nullspace:basis")
    assert not list(Path("runs").glob("*.unfinished.json"))


def test_words_are_what_tables_are_about(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    registry = write_avatars_card(tmp_path)
    Path("w.txt").write_text("smile: a smiling face / a serious face")
    few = "-a sefa -r spot --samples 1 --unseen 4 --draws 1 --repetitions 1 --pictures 0 --show 2 --readings 50"
    words = ["--registry", registry, "bench", "dcgan.avatars", *few.split()]
    assert run([*words, "--scorer", "text", "--words", "w.txt"]) == 0
    [file] = Path("runs").glob("*-scorer-text-*/bench.json")
    told = json.loads(file.read_text())
    assert told["scorers"] == ["text"]
    columns = {key for table in told["tables"].values() for key in table["sefa"]}
    assert {key for key in columns if key.startswith("of:")} == {"of:smile"}
    assert told["command"].endswith("--scorer text -o words=w.txt")
    assert run([*words, "--scorer", "nobody"]) == 2
    assert "no scorer is called 'nobody'" in capsys.readouterr().err


def test_figures_have_students_interval() -> None:
    figure = Figure.of([1.0, 2.0, 3.0, math.nan])
    assert (figure.mean, figure.count) == (2, 3)
    width = 4.303 / math.sqrt(3)
    assert figure.interval == pytest.approx((2 - width, 2 + width), rel=1e-4)
    assert Figure.of([5.0]).interval is None and Figure.of([]).text() == "–"
    assert Figure.of([1.0, 2.0, 3.0]).text() == "2 ± 2.5"


def test_ratios_are_averaged_as_logarithms() -> None:
    figure = Figure.of([1.0, 10.0, 100.0, 0.0], ratio=True)
    width = 4.303 / math.sqrt(3)
    assert figure.mean == pytest.approx(10) and figure.count == 3 and figure.interval is not None
    assert [math.log10(end) for end in figure.interval] == pytest.approx([1 - width, 1 + width], rel=1e-4)
    assert Figure.of([2.0, 8.0, 4.0], ratio=True).text() == "4 (0.71 to 22)"
    assert Figure.of([0.0], ratio=True).text() == "–" and Figure.of([3.0], ratio=True).text() == "3"
    assert figure.as_json()["ratio"] and "ratio" not in Figure.of([1.0]).as_json()


def test_curves_are_read_between_strengths_and_below_the_first() -> None:
    points = [[math.log(x), math.log(y)] for x, y in ((0.01, 0.001), (0.04, 0.016))]
    assert _interpolate(points, math.log(0.02)) == pytest.approx(0.004)
    assert _interpolate(points, math.log(0.005)) == pytest.approx(0.0005)
    assert math.isnan(_interpolate(points, math.log(0.05)))


def test_coordinates_of_directions_that_are_not_orthogonal() -> None:
    space = zoo.LatentSpace("z", 3)
    directions = Directions(space, torch.tensor([[1.0, 0, 0], [0.6, 0.8, 0]]).double(), torch.ones(2))
    code = 2 * directions.vectors[0] - 3 * directions.vectors[1]
    torch.testing.assert_close(coordinates_along(directions, code[None]), torch.tensor([[2.0, -3.0]]).double())


@pytest.mark.long
def test_other_seeds_give_the_same_figures_within_their_intervals(installation: Installation) -> None:
    """The intervals of two benches meet for nine figures of ten, at least, as they should for nearly all."""
    model = zoo.load("stylegan2.avatars32", device="cpu")
    words = {"samples": 4, "unseen": 16, "readings": 300, "pictures": 0, "repetitions": 4, "draws": 8, "show": 3}
    asked: dict[str, Any] = {"analyzers": ("sefa", "resefa"), "region": "mouth", **words}
    one, other = (
        BenchRequest(model="stylegan2.avatars32", seed=seed, **asked).measure(model, installation) for seed in (0, 50)
    )
    meeting = []
    for table in TABLES:
        for name in one.methods:
            for key, _ in one.columns(table):
                first, second = (bench.figure(name, table.name, key) for bench in (one, other))
                if first.interval and second.interval:
                    meeting.append(first.interval[0] <= second.interval[1] and second.interval[0] <= first.interval[1])
    assert len(meeting) > 50
    assert sum(meeting) >= 0.9 * len(meeting)
