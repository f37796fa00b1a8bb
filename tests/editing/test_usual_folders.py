"""The folders that commands write by default: what differs in what was chosen has different ones."""

from pathlib import Path
from typing import Any

import pytest

from zoo.analysis.compare_request import CompareRequest
from zoo.editing.edit_request import EditRequest
from zoo.editing.move_syntax import parse_move_spec
from zoo.editing.requests import CodesRequest, OpeningRequest
from zoo.editing.run_folder import claimed_run_folder, new_run_folder
from zoo.editing.samples import SampleRequest
from zoo.errors import OutputError
from zoo.inversion.command import ProjectCommand
from zoo.inversion.request import ProjectionRequest

FLOAT64 = OpeningRequest(dtype="float64", options={"noise": "none"})


def sample(seed: int | None = None, samples: int | None = None, **words: Any) -> str:
    request = SampleRequest(model="m", codes=CodesRequest(seed=seed, samples=samples, usual=16), **words)
    return str(request._usual_folder())


def edit(*directions: str, samples: int | None = None, **words: Any) -> str:
    codes = CodesRequest(samples=samples, usual=4)
    request = EditRequest(model="m", directions=directions, codes=codes, **words)
    return str(request._usual_folder([parse_move_spec(text, request.index) for text in directions]))


def project(*pictures: str, each: bool = False, opening: OpeningRequest = FLOAT64, **words: Any) -> str:
    projection = ProjectionRequest(pictures=pictures, **words)
    return str(ProjectCommand(model="m", projection=projection, each=each, opening=opening).folder)


def compare(**words: Any) -> str:
    return str(CompareRequest(**{"a": Path("a"), "b": Path("b"), "model": "m", **words}).folder)


def test_what_is_as_usual_is_not_in_the_name() -> None:
    assert sample() == sample(seed=0, samples=16) == "runs/m-samples"
    assert edit("d.npy") == edit("d.npy:0") == edit("d.npy", video="auto", frames=50) == "runs/m-edit-d"
    assert project("x.png", opening=OpeningRequest()) == "runs/m-project-x"
    assert compare() == compare(top=10) == "runs/compare-a-b-model-m"


@pytest.mark.parametrize("url", ["s3://bucket/run", "memory://run"])
def test_a_url_is_no_folder(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    told = f"cannot write {url}: only 'zoo sweep' writes to a URL; name a folder"
    for writing in (claimed_run_folder(Path(url), force=False), new_run_folder(Path(url))):
        with pytest.raises(OutputError, match=told), writing:
            pass
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "names",
    [
        [
            *(sample(), sample(seed=1), sample(samples=1), sample(each=True), sample(size="64")),
            sample(opening=FLOAT64),
        ],
        [
            *(edit("d.npy"), edit("d.npy:1"), edit("d.npy:0,1"), edit("d.npy:0=2"), edit("d.npy", "e.npy")),
            *(edit("d.npy", index="2"), edit("d.npy", together=True), edit("d.npy", grid=True)),
            *(edit("d.npy", strengths="0,1"), edit("d.npy", layers="4-7"), edit("d.npy", video="none")),
            *(edit("d.npy", frames=8), edit("d.npy", fps=10), edit("d.npy", each=True), edit("d.npy", size="64")),
            *(edit("d.npy", onto=[Path("x.png")]), edit("d.npy", region="eyes"), edit("d.npy", read_as="rows")),
            *(edit("d.npy", samples=2), edit("d.npy", opening=FLOAT64)),
        ],
        [
            *(
                project("x.png"),
                project("y.png"),
                project("x.png", "y.png"),
                project("x.png", opening=OpeningRequest()),
            ),
            *(project("x.png", rows="one"), project("x.png", ridge=0.1), project("x.png", starts=2)),
            *(project("x.png", loss="features"), project("x.png", region="eyes"), project("x.png", align="none")),
            *(project("x.png", label=3), project("x.png", seed=3), project("x.png", tune=True)),
            *(project("x.png", tune=True, steps=9), project("x.png", options={"k": 2}), project("x.png", each=True)),
        ],
        [
            *(compare(), compare(b=Path("c")), compare(model="n"), compare(region="eyes"), compare(top=3)),
            *(compare(read_as="rows"), compare(codes=CodesRequest(seed=3)), compare(opening=FLOAT64)),
        ],
    ],
)
def test_whatever_differs_is_in_the_name(names: list[str]) -> None:
    assert len(set(names)) == len(names) and max(map(len, names)) < 210
