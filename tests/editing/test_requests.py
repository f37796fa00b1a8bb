"""Which codes are taken, in the words of every command."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
import torch
from zoo_adapters.biggan.adapter import BigGAN
from zoo_adapters.dcgan.adapter import DCGAN

import zoo
from tests.support.linear import model_of
from tests.support.toys import write_avatars_card, write_tiny
from zoo import Codes, OptionError
from zoo.cli import run
from zoo.core.codes import join
from zoo.core.files.codes import load_codes, save_codes
from zoo.editing.requests import CodesRequest
from zoo.models.limits import parse_seeds


@pytest.mark.parametrize(
    ("text", "seeds"),
    [("7", (7,)), ("3,1,2", (3, 1, 2)), ("1-4", (1, 2, 3, 4)), (" 5 - 6, 0", (5, 6, 0)), ([4, 2], (4, 2))],
)
def test_seeds_keep_their_order(text: str | list[int], seeds: tuple[int, ...]) -> None:
    assert parse_seeds(text) == seeds


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "write seeds as 1,2,3 or 1-8"),
        ("1;2", "write seeds as"),
        ("-1", "write seeds as"),
        ([1.5], "write seeds as"),
        ("8-1", "8-1 runs backwards"),
        ("1-8,5", "seed 5 is there twice"),
        ("4294967296", "a seed lies within 0 and 4294967295"),
        ("0-100000", "at most 100,000"),
    ],
)
def test_seeds_that_cannot_be_read(text: str, words: str) -> None:
    with pytest.raises(OptionError, match=words):
        parse_seeds(text)


@pytest.mark.parametrize("other", [{"samples": 2}, {"seed": 0}, {"codes": Codes(torch.zeros(1, 12))}])
def test_seeds_stand_alone(other: dict[str, object]) -> None:
    with pytest.raises(OptionError, match=f"^--{next(iter(other))} and --seeds both say which codes"):
        CodesRequest(seeds="1,2", **other).check()  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="both say which codes"):
        zoo.edit(model_of(DCGAN.tiny(0)), zoo.analyze(model_of(DCGAN.tiny(0))), seeds=[1], **other)  # type: ignore[arg-type]


@pytest.mark.parametrize("family", [DCGAN, BigGAN])
def test_a_seed_gives_the_same_face_everywhere(family: type[zoo.Adapter], tmp_path: Path) -> None:
    """With its class, where the class is drawn too."""
    model = model_of(family.tiny(0))
    directions = zoo.analyze(model, "sefa", seeds="7,3", show=1, unseen=0, out=tmp_path / "run")
    analysed = model.read_codes(tmp_path / "run" / "codes.safetensors")
    edited = zoo.edit(model, directions, seeds=[7, 3]).codes
    for index, seed in enumerate((7, 3)):
        wanted = model.sample(1, seed)
        for codes in (analysed, edited):
            assert torch.equal(codes[index].latents, wanted.latents)
            assert codes.labels is None or wanted.labels is not None
            assert wanted.labels is None or torch.equal(codes[index].labels, wanted.labels)  # type: ignore[arg-type]
            assert model.code_name(codes, index).startswith(f"seed {seed}")
    assert (directions.provenance["seeds"], directions.provenance["seed"]) == ([7, 3], None)
    assert "--seeds 7,3" in directions.provenance["command"]


def test_codes_keep_their_seeds(tmp_path: Path) -> None:
    codes = Codes(torch.arange(6.0).view(3, 2), seeds=(4, 9, 2))
    assert codes[1].seeds == (9,) and codes[1:].seeds == (9, 2)
    assert join([codes[2], codes[0]]).seeds == (2, 4)
    assert join([codes, Codes(torch.zeros(1, 2))]).seeds is None
    save_codes(tmp_path / "c.safetensors", codes, {})
    assert load_codes(tmp_path / "c.safetensors")[0].seeds == (4, 9, 2)
    with pytest.raises(zoo.CodesError, match="3 codes need 3 seeds, not 2"):
        Codes(codes.latents, seeds=(1, 2))


@pytest.mark.parametrize("seeds", ["1,2", [1], [1, "x", 2], [1, 2, -3]])
def test_seeds_of_a_file_that_are_none(seeds: object, tmp_path: Path) -> None:
    save_codes(tmp_path / "c.safetensors", Codes(torch.zeros(3, 2)), {"seeds": seeds})
    with pytest.raises(zoo.CodesError, match="seeds"):
        load_codes(tmp_path / "c.safetensors")


@pytest.mark.parametrize("other", [{"samples": 2}, {"truncation": 0.5}])
def test_what_would_have_no_effect_beside_given_codes_is_refused(other: dict[str, object]) -> None:
    with pytest.raises(OptionError, match=f"--{next(iter(other))}"):
        CodesRequest(codes=torch.zeros(1, 4), **other).check()  # type: ignore[arg-type]


def test_samples_and_edits_record_the_command_that_writes_them_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_tiny(tmp_path / "tiny.safetensors")
    assert run(["analyze", "./tiny.safetensors", "-a", "sefa", "--show", "1", "--unseen", "0", "--out", "found"]) == 0
    commands = (
        "sample ./tiny.safetensors --samples 2 --seed 4 --truncation 0.5 --each --size 32",
        "sample ./tiny.safetensors --seeds 1,2 --dtype float64",
        "edit ./tiny.safetensors found --index 0,1 --strengths -1,0,2.5 --video gif --frames 4 --seeds 3-4",
        "edit ./tiny.safetensors found:0 found:1 --grid --strengths=-1,1 --video none",
    )
    for command in commands:
        assert run([*command.split(), "--out", "one", "--force"]) == 0
        told = load_codes(Path("one"))[1]["command"]
        assert run([*shlex.split(told)[1:], "--out", "two", "--force"]) == 0
        assert load_codes(Path("two"))[1]["command"] == told
        assert {path.name for path in Path("one").iterdir()} == {path.name for path in Path("two").iterdir()}
        for path in Path("one").glob("[!.]*"):
            assert path.read_bytes() == Path("two", path.name).read_bytes(), path


def test_scores_and_comparisons_record_the_command_that_repeats_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    registry = ["--registry", write_avatars_card(tmp_path)]
    found = "analyze dcgan.avatars -a sefa --show 1 --unseen 0 --out found"
    assert run([*registry, *found.split()]) == 0
    commands = {
        "score dcgan.avatars found --samples 4 --show 2 --scorer avatars --step 0.5 --region spot": "scores.json",
        "compare found found --top 2": "comparison.json",
        "compare found sefa -o k=3 --model dcgan.avatars --top 1 --samples 1 --seed 2": "comparison.json",
    }
    for command, name in commands.items():
        assert run([*registry, *command.split(), "--out", "one", "--force"]) == 0
        told = Path("one", name).read_text()
        assert run([*registry, *shlex.split(json.loads(told)["command"])[1:], "--out", "two", "--force"]) == 0
        assert Path("two", name).read_text() == told
