"""Searches instead of whole Jacobians: where analyses make them, what they find, and what they say of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import zoo
from tests.support.linear import Linear, model_of
from tests.support.marks import mostly_long
from zoo import Model, OptionError
from zoo.linalg.symmetric import principal_angles

DIM = 400


def falling(dim: int = DIM, seed: int = 0) -> Linear:
    """A generator of 24 x 24 pixels whose singular values fall as those of real ones."""
    generator = torch.Generator().manual_seed(seed)
    left, right = (torch.linalg.qr(torch.randn(count, dim, generator=generator)).Q for count in (24 * 24, dim))
    return Linear((left * torch.arange(1, dim + 1) ** -1.0) @ right.T, (24, 24))


@pytest.fixture(scope="module")
def model() -> Model:
    return model_of(falling())


def ask(model: Model, analyzer: str, **options: Any) -> zoo.Directions:
    return zoo.analyze(model, analyzer, region="center", show=1, unseen=0, keep=False, **options)


def shares(model: Model, rows: Tensor) -> Tensor:
    """What each direction changes of the centre, for the mean of its pixels."""
    region = model.region("center")
    matrix = model.adapter.network.get_parameter("weight")[region.pixels].double()
    return (rows @ matrix.T).square().mean(dim=1)


def test_lowrank_searches_where_that_is_cheaper(model: Model) -> None:
    found, exact = ask(model, "lowrank", k=6), ask(model, "lowrank", k=6, method="exact")
    assert found.provenance["method"] == "sketched" and exact.provenance["method"] == "exact"
    assert found.provenance["cost"] < 1 / 3 and found.provenance["residual"] <= 1e-3
    assert float(shares(model, found.vectors).sum() / shares(model, exact.vectors).sum()) >= 1 - 1e-4
    assert torch.allclose(found.scores, exact.scores, rtol=1e-3)
    assert float(principal_angles(found.vectors[:3], exact.vectors[:3]).max()) < 1e-2


def test_resefa_searches_where_that_is_cheaper(model: Model) -> None:
    found, exact = ask(model, "resefa", k=3, tau=0.01), ask(model, "resefa", k=3, tau=0.01, method="exact")
    assert found.provenance["method"] == "sketched" and exact.provenance["method"] == "exact"
    assert found.provenance["cost"] < 0.5
    assert float(found.scores.sum() / exact.scores.sum()) >= 1 - 1e-2, "the trace is estimated"


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"k": 6, "chunk": 16},
        {"k": 6, "memory": "80MB"},
        pytest.param({"k": 6, "factorization": "published"}, marks=pytest.mark.long),
        {"k": 100},
    ],
    ids=str,
)
def test_lowrank_is_exact_where_a_search_does_not_pay(model: Model, options: dict[str, Any]) -> None:
    assert ask(model, "lowrank", **options).provenance["method"] == "exact"


def test_several_codes_are_exact_unless_a_search_is_asked_for(model: Model) -> None:
    assert ask(model, "lowrank", k=4, samples=3).provenance["method"] == "exact"
    asked = ask(model, "lowrank", k=4, samples=3, method="sketched")
    assert asked.provenance["method"] == "sketched"
    assert torch.allclose(asked.scores, ask(model, "lowrank", k=4, samples=3).scores, rtol=1e-3)


def test_what_is_kept_does_not_change_the_answer_of_a_search(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path))
    monkeypatch.setenv("ZOO_JACOBIANS", "1GB")
    wanted = zoo.analyze(model, "lowrank", region="all", show=1, unseen=0, k=4, keep=False)
    zoo.analyze(model, "nullspace", region="left", show=1, unseen=0)
    found = zoo.analyze(model, "lowrank", region="all", show=1, unseen=0, k=4)
    assert found.provenance["method"] == wanted.provenance["method"] == "sketched"
    assert torch.equal(found.vectors, wanted.vectors)


def test_a_search_that_gives_up_is_told_and_the_exact_way_taken() -> None:
    flat = Linear(torch.linalg.qr(torch.randn(576, DIM, generator=torch.Generator().manual_seed(0))).Q, (24, 24))
    found = ask(model_of(flat), "lowrank", k=6)
    assert found.provenance["method"] == "exact"
    assert 0 < found.provenance["search"]["cost"] <= 0.5


@pytest.mark.parametrize(
    ("analyzer", "options", "reason"),
    [
        ("lowrank", {}, "it needs k, and factorization=spectrum"),
        ("lowrank", {"k": 3, "factorization": "pursuit"}, "it needs k, and factorization=spectrum"),
        ("lowrank", {"k": 3, "memory": "80MB"}, "a search keeps to no budget"),
        ("resefa", {"tau": 0}, "it needs a tau above 0"),
    ],
)
def test_a_search_that_cannot_be_is_refused(model: Model, analyzer: str, options: dict[str, Any], reason: str) -> None:
    with pytest.raises(OptionError, match=f"^method=sketched: {reason}.*method=exact$"):
        ask(model, analyzer, method="sketched", **options)


def test_few_dimensions_can_be_searched_on_request() -> None:
    small = model_of(falling(dim=12))
    found, exact = ask(small, "lowrank", k=20, method="sketched"), ask(small, "lowrank", k=20, method="exact")
    assert len(found) == len(exact) == 12
    assert torch.allclose(found.scores, exact.scores, rtol=1e-3, atol=1e-6)


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> Model:
    """A generator whose space counts as large."""
    monkeypatch.setattr("zoo.jacobian.gram._MOST_DIM", DIM - 1)
    return model_of(falling())


@pytest.mark.parametrize("analyzer", ["lowrank", "nullspace", "resefa"])
def test_large_spaces_are_searched_without_a_matrix_of_their_size(
    analyzer: str, large: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*sizes: Any, **options: Any) -> Tensor:
        assert sizes[:2] not in {(DIM, DIM), ((DIM, DIM),)}
        return zeros(*sizes, **options)

    zeros = torch.zeros
    monkeypatch.setattr(torch, "zeros", refuse)
    monkeypatch.setattr(
        torch, "eye", lambda size, **options: zeros(size, size, **options).fill_diagonal_(1) if size < DIM else None
    )
    found = ask(large, analyzer)
    assert len(found) == 10
    assert found.provenance["method"] == "sketched"


@pytest.mark.parametrize(
    ("analyzer", "options", "message"),
    [
        ("lowrank", {"method": "exact"}, "codes have 400 numbers, and matrices of 400 x 400 take"),
        ("nullspace", {"method": "exact"}, "codes have 400 numbers"),
        (
            "lowrank",
            {"factorization": "pursuit"},
            "a space of 400 numbers is searched: it needs factorization=spectrum$",
        ),
        ("nullspace", {"factorization": "published"}, "it needs factorization=spectrum$"),
        ("resefa", {"tau": 0.0}, "it needs a tau above 0$"),
        ("nullspace", {"memory": "1 GB"}, "a search keeps to no budget; leave --memory out$"),
    ],
)
def test_what_needs_a_matrix_is_refused_in_large_spaces(
    analyzer: str, options: dict[str, Any], message: str, large: Model
) -> None:
    with pytest.raises(OptionError, match=message):
        ask(large, analyzer, **options)


@pytest.mark.parametrize("basis", mostly_long(["published", "generalized"], ("generalized",)))
def test_a_search_finds_the_null_space_directions_of_whole_jacobians(basis: str, model: Model) -> None:
    options: dict[str, Any] = {"basis": basis, "background_rank": 6}
    exact = ask(model, "nullspace", method="exact", energy=0.8, **options)
    found = ask(model, "nullspace", method="sketched", k=len(exact), **options)
    assert torch.allclose(found.scores, exact.scores, rtol=0.05)
    assert float((found.vectors * exact.vectors).sum(dim=1).abs().min()) > 0.95
    assert 0 < found.provenance["share_projected_out"] < 1
    assert found.provenance["rank"] == 6
