"""Gram matrices: from a pass over the network, from what is kept, within a budget, after a kill."""

from __future__ import annotations

import shutil
from dataclasses import replace
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from zoo_adapters.dcgan.adapter import DCGAN

from tests.support.linear import Linear
from tests.support.marks import mostly_long
from zoo import CheckpointError, Codes, OptionError, Region
from zoo.core.compute import ComputeBudget
from zoo.core.region import parse_region
from zoo.jacobian.cache import JacobianCache
from zoo.jacobian.columns import jacobian
from zoo.jacobian.gram import gram_matrices
from zoo.jacobian.outputs import GREY, RGB, Output
from zoo.testing import draw


@pytest.fixture(scope="module")
def adapter() -> DCGAN:
    return DCGAN.tiny(1)


class Counting(DCGAN):
    """Counts how often it renders."""

    renders = 0

    def region_output(self, codes: Codes, region: Region) -> Tensor:
        type(self).renders += 1
        return super().region_output(codes, region)


@pytest.fixture
def counting() -> Counting:
    Counting.renders = 0
    return Counting(DCGAN.tiny(1).network)


def regions_of(adapter: DCGAN, *texts: str) -> list[Region]:
    return [parse_region(text, adapter.resolution) for text in texts]


def direct(adapter: DCGAN, codes: Codes, region: Region) -> Tensor:
    """M as it is defined, each code by itself."""
    rows = [jacobian(adapter, codes[index], region).double() for index in range(len(codes))]
    return torch.stack([part.T @ part / len(part) for part in rows]).mean(dim=0)


def close(found: Tensor, wanted: Tensor) -> bool:
    """Equal to float32 rounding of J: other batches and crops sum in another order."""
    return torch.allclose(found, wanted, rtol=1e-5, atol=1e-6 * float(wanted.abs().max()))


def test_overlapping_regions_and_several_codes(adapter: DCGAN) -> None:
    codes = draw(adapter, 5, 0)  # an odd number: codes are computed two at a time
    regions = regions_of(adapter, "top", "box:2,2,9,5", "all", "box:0,0,1,1")
    found = gram_matrices(adapter, codes, regions)
    for region, matrix in zip(regions, found.matrices, strict=True):
        assert close(matrix, direct(adapter, codes, region))


@pytest.mark.parametrize("columns_limit", [10**9, 0], ids=["columns", "matrices"])
def test_what_was_computed_is_not_computed_again(counting: Counting, tmp_path: Path, columns_limit: int) -> None:
    budget = ComputeBudget(cache=JacobianCache(tmp_path, "a network", columns_limit=columns_limit))
    codes = draw(counting, 3, 0)
    pair = regions_of(counting, "center", "not:center")
    first = gram_matrices(counting, codes, pair, budget=budget)
    passes = Counting.renders
    again = gram_matrices(counting, codes, pair, budget=budget)
    assert Counting.renders == passes > 0
    assert all(torch.equal(a, b) for a, b in zip(first.matrices, again.matrices, strict=True))
    assert again.provenance == first.provenance
    assert any(tmp_path.rglob("columns-*")) is bool(columns_limit), "columns that are too large are not kept"


def test_other_regions_with_the_same_pixels_are_answered_from_kept_columns(counting: Counting, tmp_path: Path) -> None:
    budget = ComputeBudget(cache=JacobianCache(tmp_path, "a network"))
    codes = draw(counting, 3, 0)
    gram_matrices(counting, codes, regions_of(counting, "center", "not:center"), budget=budget)
    passes = Counting.renders
    other = regions_of(counting, "box:3,3,4,4", "not:box:3,3,4,4")
    found = gram_matrices(counting, codes, other, budget=budget)
    assert Counting.renders == passes
    for region, matrix in zip(other, found.matrices, strict=True):
        assert close(matrix, direct(counting, codes, region))


QUESTIONS = {
    "a region and the rest": ("center", "not:center"),
    "another region and the rest": ("box:3,3,4,4", "not:box:3,3,4,4"),
    "a region": ("center",),
    "the whole image": ("all",),
}


@pytest.mark.parametrize("columns_limit", mostly_long([10**9, 0], (10**9,)), ids=["columns", "matrices"])
def test_the_cache_and_earlier_questions_change_no_bit_of_an_answer(
    adapter: DCGAN, tmp_path: Path, columns_limit: int
) -> None:
    codes = draw(adapter, 3, 0)

    def ask(name: str, budget: ComputeBudget) -> list[Tensor]:
        return gram_matrices(adapter, codes, regions_of(adapter, *QUESTIONS[name]), budget=budget).matrices

    wanted = {name: ask(name, ComputeBudget()) for name in QUESTIONS}
    for first, second in permutations(QUESTIONS, 2):
        cache = JacobianCache(tmp_path / f"{first}, {second}", "a network", columns_limit=columns_limit)
        for name in (first, second, first):
            found = ask(name, ComputeBudget(cache=cache))
            assert all(torch.equal(a, b) for a, b in zip(found, wanted[name], strict=True)), (first, second, name)


def test_fewer_codes_or_tangents_at_a_time_change_no_bit_of_a_later_answer(adapter: DCGAN, tmp_path: Path) -> None:
    codes, regions = draw(adapter, 2, 0), regions_of(adapter, "all")
    wanted = gram_matrices(adapter, codes, regions).matrices[0]
    cache = JacobianCache(tmp_path, "a network")
    gram_matrices(adapter, codes[0], regions, budget=ComputeBudget(cache=cache))
    gram_matrices(adapter, codes, regions, budget=ComputeBudget(chunk=5, cache=cache))
    gram_matrices(adapter, codes, regions, budget=ComputeBudget(memory=90_000_000, cache=cache))
    assert torch.equal(gram_matrices(adapter, codes, regions, budget=ComputeBudget(cache=cache)).matrices[0], wanted)


@pytest.mark.parametrize("change", ["identity", "code", "label", "layers", "output", "pixels"])
def test_another_question_is_computed(counting: Counting, tmp_path: Path, change: str) -> None:
    keep, codes = JacobianCache(tmp_path, "a network"), draw(counting, 1, 0)
    region = regions_of(counting, "center")
    gram_matrices(counting, codes, region, budget=ComputeBudget(cache=keep))
    before = Counting.renders
    if change == "identity":
        keep = JacobianCache(tmp_path, "another network")
    elif change == "code":
        codes = draw(counting, 1, 1)
    elif change == "label":
        codes = replace(codes, labels=torch.tensor([0]))
    elif change == "pixels":
        region = regions_of(counting, "box:4,4,8,7")
    output: Output = RGB if change == "output" else GREY
    if change == "layers":
        entries = {keep.entry({"layers": layers}).folder for layers in (None, [0], [1])}
        assert len(entries) == 3
        return
    gram_matrices(counting, codes, region, output=output, budget=ComputeBudget(cache=keep))
    assert Counting.renders > before


class Interrupted(Exception):
    pass


@pytest.mark.parametrize("stop", mostly_long([0, 1, 3, 4], (1, 4)))
def test_an_interrupted_run_goes_on_and_ends_the_same(
    adapter: DCGAN, tmp_path: Path, stop: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zoo.jacobian.column_buffer._WRITE_INTERVAL", -1.0)  # every chunk is written at once
    codes, regions = draw(adapter, 2, 0), regions_of(adapter, "center", "not:center")
    wanted = gram_matrices(adapter, codes, regions, budget=ComputeBudget(chunk=5))
    seen: list[int] = []

    def interrupt(done: int, total: int, what: str) -> None:
        seen.append(done)
        if len(seen) > stop:
            raise Interrupted

    budget = ComputeBudget(chunk=5, cache=JacobianCache(tmp_path, "a network"))
    with pytest.raises(Interrupted):
        gram_matrices(adapter, codes, regions, budget=budget, progress=interrupt)
    left: list[int] = []
    found = gram_matrices(adapter, codes, regions, budget=budget, progress=lambda done, total, what: left.append(done))
    assert all(torch.equal(a, b) for a, b in zip(found.matrices, wanted.matrices, strict=True))
    assert found.chunk == wanted.chunk == 5
    assert len(left) + max(stop - 1, 0) <= 9, "columns that were there are computed again"


def test_the_oldest_are_deleted_once_there_are_too_many(adapter: DCGAN, tmp_path: Path) -> None:
    keep = JacobianCache(tmp_path, "a network", limit=40_000)
    regions = regions_of(adapter, "all")
    for seed in range(6):
        gram_matrices(adapter, draw(adapter, 1, seed), regions, budget=ComputeBudget(cache=keep))
    sizes = [path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()]
    assert 0 < sum(sizes) <= 40_000
    newest = keep.entry({})
    assert newest.columns() == []


def test_damaged_and_foreign_files_are_as_good_as_absent(adapter: DCGAN, tmp_path: Path) -> None:
    budget, codes = ComputeBudget(cache=JacobianCache(tmp_path, "a network")), draw(adapter, 1, 0)
    regions = regions_of(adapter, "all")
    wanted = gram_matrices(adapter, codes, regions, budget=budget)
    [path] = tmp_path.rglob("columns-*")
    whole = path.read_bytes()
    for content in (b"", whole[:100], whole[:-5], b"\x00" * len(whole)):
        path.write_bytes(content)
        found = gram_matrices(adapter, codes, regions, budget=budget)
        assert torch.equal(found.matrices[0], wanted.matrices[0])


def test_a_disk_that_refuses_is_no_reason_to_fail(adapter: DCGAN, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    budget = ComputeBudget(cache=JacobianCache(tmp_path / "file", "a network"))
    found = gram_matrices(adapter, draw(adapter, 1, 0), regions_of(adapter, "all"), budget=budget)
    assert close(found.matrices[0], direct(adapter, draw(adapter, 1, 0), regions_of(adapter, "all")[0]))


def test_columns_that_do_not_fit_into_memory_wait_on_disk(
    adapter: DCGAN, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path))
    monkeypatch.setattr("zoo.jacobian.gram_request._MAX_BUFFERED", 1)
    codes, regions = draw(adapter, 2, 0), regions_of(adapter, "center", "all")
    found = gram_matrices(adapter, codes, regions)
    for region, matrix in zip(regions, found.matrices, strict=True):
        assert close(matrix, direct(adapter, codes, region))
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_budget_that_is_too_small_is_refused_and_says_what_is_needed(adapter: DCGAN) -> None:
    with pytest.raises(OptionError, match=r"^--memory 1kB: a single derivative of this network needs [\d.]+MB"):
        gram_matrices(adapter, draw(adapter, 1, 0), regions_of(adapter, "all"), budget=ComputeBudget(memory=1000))


def test_fewer_at_a_time_once_memory_has_run_out(adapter: DCGAN, monkeypatch: pytest.MonkeyPatch) -> None:
    from zoo.jacobian.operator import RegionJacobian

    jvp, sizes = RegionJacobian.jvp, []

    def short(self: RegionJacobian, tangents: Tensor) -> Tensor:
        sizes.append(len(tangents))
        if len(tangents) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return jvp(self, tangents)

    code, [region] = draw(adapter, 1, 0), regions_of(adapter, "all")
    wanted = jacobian(adapter, code, region)
    monkeypatch.setattr(RegionJacobian, "jvp", short)
    assert torch.allclose(jacobian(adapter, code, region), wanted, atol=1e-6)
    assert sizes == [12, 6, 3, 3, 3, 3]


def test_a_derivative_that_is_not_finite_is_refused_and_not_kept(tmp_path: Path) -> None:
    adapter = Linear.tiny(0)
    adapter.network.get_parameter("weight").data[3, 1] = float("nan")
    region = Region("all", np.ones(adapter.resolution, dtype=bool))
    with pytest.raises(CheckpointError, match="not finite"):
        gram_matrices(
            adapter, draw(adapter, 1, 0), [region], budget=ComputeBudget(cache=JacobianCache(tmp_path, "a network"))
        )
    assert not list(tmp_path.rglob("*.safetensors"))


def test_what_another_process_deletes_meanwhile_is_computed_again(
    adapter: DCGAN, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zoo.jacobian.column_buffer._WRITE_INTERVAL", -1.0)
    monkeypatch.setattr("zoo.jacobian.gram_request._MAX_BUFFERED", 1)  # so that columns are on disk only
    codes, regions = draw(adapter, 1, 0), regions_of(adapter, "all")

    def delete(done: int, total: int, what: str) -> None:
        if done == 10:
            shutil.rmtree(tmp_path / "kept")

    budget = ComputeBudget(chunk=5, cache=JacobianCache(tmp_path / "kept", "a network"))
    found = gram_matrices(adapter, codes, regions, budget=budget, progress=delete)
    assert close(found.matrices[0], direct(adapter, codes, regions[0]))


def test_the_limit_holds_while_codes_are_computed(adapter: DCGAN, tmp_path: Path) -> None:
    sizes = []

    def look(done: int, total: int, what: str) -> None:
        sizes.append(sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()))

    keep = JacobianCache(tmp_path, "a network", limit=30_000)
    gram_matrices(
        adapter, draw(adapter, 8, 0), regions_of(adapter, "all"), budget=ComputeBudget(cache=keep), progress=look
    )
    assert 0 < max(sizes) <= 30_000 + 2 * 14_000, "two codes are computed together"


def test_several_codes_at_a_time_equal_one_by_one(counting: Counting) -> None:
    codes, regions = draw(counting, 5, 0), regions_of(counting, "center", "not:center")
    together = gram_matrices(counting, codes, regions)
    passes = Counting.renders
    singly = gram_matrices(counting, codes, regions, budget=ComputeBudget(chunk=12))
    assert passes < Counting.renders - passes, "groups of two take fewer passes"
    assert all(close(a, b) for a, b in zip(together.matrices, singly.matrices, strict=True))
