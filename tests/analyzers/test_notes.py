"""Where an option or a region makes the answer that of another analysis, or empty, the analysis says so."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from zoo_adapters.dcgan.adapter import DCGAN

import zoo
from tests.support.linear import Linear, model_of
from tests.support.toys import write_tiny
from zoo.cli import run
from zoo.errors import AnalysisWarning
from zoo.models.model import Model

DIM = 12


def spread(scale: float = 1.0) -> Tensor:
    """A Gram matrix of full rank whose eigenvectors are no axes."""
    rows = torch.randn(4 * DIM, DIM, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return scale * rows.T @ rows


def low(rank: int) -> Tensor:
    """A Gram matrix of this rank."""
    rows = torch.randn(rank, DIM, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return rows.T @ rows


def grams(top: Tensor, bottom: Tensor) -> Model:
    return model_of(Linear.with_grams(top, bottom))


def noted(model: Model, analyzer: str, words: str, **options: Any) -> zoo.Directions:
    """Analyse, and expect a note, which is a warning and recorded too."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", AnalysisWarning)
        found = zoo.analyze(model, analyzer, unseen=0, **{"region": "top", **options})
    notes = [str(one.message) for one in told]
    assert found.provenance["notes"] == notes
    assert any(re.search(words, note) for note in notes), notes
    return found


def test_a_rest_of_rank_0_leaves_the_directions_of_lowrank(tmp_path: Path) -> None:
    """A diagonal matrix is sparse, so that nothing of it is left in the low-rank part."""
    model = grams(low(3), torch.eye(DIM, dtype=torch.float64))
    given = zoo.analyze(grams(low(3), spread()), "lowrank", region="top", unseen=0, energy=0.999)
    given.save(tmp_path / "given.safetensors")
    options = {"directions": tmp_path / "given.safetensors", "factorization": "pursuit"}
    found = noted(model, "nullspace", "pursuit finds rank 0 for the rest .* given.safetensors", **options)
    assert found.provenance["rank"] == 0
    products = (found.vectors @ given.vectors.T).abs()
    torch.testing.assert_close(products.max(dim=1).values, torch.ones(len(found), dtype=torch.float64))


def test_the_published_loop_says_so_too() -> None:
    model = grams(torch.eye(DIM, dtype=torch.float64), low(1))
    found = noted(model, "nullspace", "published finds rank 0 for the rest .* lowrank", factorization="published")
    plain = zoo.analyze(model, "lowrank", region="top", unseen=0, factorization="published")
    assert (found.provenance["rank"], len(found)) == (0, len(plain))
    torch.testing.assert_close(found.retained, torch.ones(len(found), dtype=torch.float64))


@pytest.mark.parametrize("factorization", ["pursuit", "published"])
def test_an_empty_low_rank_part_is_told(factorization: str) -> None:
    """pursuit takes a diagonal matrix for sparse, and the published loop, at so few dimensions, one of rank 1."""
    model = grams(low(1) if factorization == "published" else torch.eye(DIM, dtype=torch.float64), low(1))
    assert len(zoo.analyze(model, "lowrank", region="top", unseen=0))
    words = f"factorization={factorization} finds rank 0: use factorization=spectrum"
    assert not len(noted(model, "lowrank", words, factorization=factorization))


def test_relaxing_further_than_the_rank_is_told() -> None:
    usual = zoo.analyze(grams(spread(), low(3)), "nullspace", region="top", unseen=0, relax=1, background_energy=1.0)
    assert usual.provenance["rank"] == 2
    assert usual.provenance["notes"] == []
    found = noted(
        grams(spread(), low(3)),
        "nullspace",
        "relax=3, but the rest of the image has rank 3",
        relax=3,
        background_energy=1.0,
    )
    assert found.provenance["rank"] == 1


def test_a_single_dimension_that_is_left_is_told() -> None:
    options = {"background_energy": 1.0, "energy": 1.0}
    found = noted(grams(spread(), spread()), "nullspace", "rank 12 of 12: one dimension is left", **options)
    products = found.vectors @ found.vectors.T
    torch.testing.assert_close(products.abs(), torch.ones_like(products))


@pytest.mark.parametrize(
    ("analyzer", "options", "words"),
    [
        ("lowrank", {"energy": 0.5, "k": 2}, "energy was not used: k=2 decides"),
        ("lowrank", {"energy": 0.5, "factorization": "published"}, "energy was not used: factorization=published"),
        ("nullspace", {"background_energy": 0.5, "factorization": "published"}, "background_energy was not used"),
        ("nullspace", {"energy": 0.5, "factorization": "published"}, "energy was not used"),
        ("nullspace", {"tau": 0.5, "basis": "published"}, "tau was not used: it is for basis=generalized"),
        ("resefa", {"tau": 20.0}, "tau=20 is so large that the rest of the image hardly counts"),
    ],
)
def test_options_that_change_nothing_are_told(analyzer: str, options: dict[str, Any], words: str) -> None:
    noted(grams(low(1) * 100, low(1)), analyzer, words, **options)


def test_a_large_tau_gives_the_directions_of_lowrank() -> None:
    model = grams(spread(), low(3))
    found = noted(model, "resefa", "tau=1000", tau=1000.0, k=2)
    wanted = zoo.analyze(model, "lowrank", region="top", unseen=0, k=2)
    assert float((found.vectors * wanted.vectors).sum(dim=1).abs().min()) > 0.999


def test_codes_that_are_all_the_same_are_told() -> None:
    model = model_of(DCGAN.tiny(0))
    code = model.sample(1)
    same = zoo.Codes(code.latents.repeat(3, 1))
    noted(model, "lowrank", "all 3 codes are the same", codes=same)
    noted(model, "lowrank", "with truncation 0 all codes are the mean", truncation=0.0, samples=2)


def test_the_command_line_and_the_page_tell_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_tiny(tmp_path / "tiny.safetensors")
    little = ["--show", "1", "--unseen", "0"]
    asked = ["analyze", "./tiny.safetensors", "-a", "nullspace", "-r", "top", *little, "--out", "run"]
    assert run([*asked, "-o", "relax=99"]) == 0
    assert "relax=99, but the rest of the image has rank" in capsys.readouterr().out
    assert "<p>Relax=99, but the rest" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    more = ["-o", "k=99", "--samples", "2", *little]
    assert run(["analyze", "./tiny.safetensors", "-a", "sefa", "-r", "top", *more]) == 0
    out = capsys.readouterr().out
    assert "sefa reads weights alone" in out
    assert "k=99: there are no more than these 12" in out


@pytest.mark.parametrize(
    ("words", "analyzer", "told"),
    [
        ([], "sefa", False),
        (["-r", "top"], "nullspace", True),
        (["-r", "top", "--samples", "2"], "nullspace", False),
        (["-r", "top", "-a", "lowrank"], "lowrank", False),
    ],
)
def test_a_region_is_analysed_locally_where_no_analysis_is_named(
    words: list[str], analyzer: str, told: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, folder = tmp_path / "tiny.safetensors", tmp_path / "run"
    write_tiny(file)
    assert run(["analyze", str(file), *words, "--show", "1", "--unseen", "0", "--out", str(folder)]) == 0
    assert zoo.Directions.load(folder).provenance["analyzer"] == analyzer
    assert ("found at one code: --samples 16" in capsys.readouterr().out) is told


def test_python_takes_the_same_analysis_where_none_is_named() -> None:
    model = model_of(DCGAN.tiny(0))
    for region, analyzer in (("all", "sefa"), ("top", "nullspace")):
        assert zoo.analyze(model, region=region, unseen=0).provenance["analyzer"] == analyzer
