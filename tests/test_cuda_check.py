"""The check for a GPU, tried on the CPU: it passes where zoo is right, and says so where it is not."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

from benchmarks import cuda_check
from benchmarks.gpu_checks import precision
from benchmarks.gpu_checks.results import Cell, Deadline, Section, Settings, attempt, compare, relative_deviation, table
from zoo.jacobian import RegionJacobian

QUICK = ["--device", "cpu", "--quick"]
USAGE = ["studio", "inversion"]  # sections that start a server, and search for codes


@pytest.mark.long
def test_it_holds_on_the_cpu_in_seconds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    start, page = time.process_time(), tmp_path / "gpu" / "cpu.md"
    sections = [name for name in cuda_check.SECTIONS if name not in USAGE]
    assert cuda_check.main([*QUICK, *sections, "--out", str(page)]) == 0
    assert time.process_time() - start <= 20
    written = page.read_text(encoding="utf-8")
    assert written == capsys.readouterr().out
    assert written.startswith("# CPU, ")
    assert "✗" not in written
    for name in sections:
        assert f"## {cuda_check.SECTIONS[name].title}" in written
    for case in ("dcgan, tiny, float32", "stylegan2, tiny, float64", "skipped: it has no TF32", "StyleGAN2, tiny"):
        assert case in written
    assert f"torch {torch.__version__}" in written


@pytest.mark.long
def test_the_studio_and_searches_are_timed(capsys: pytest.CaptureFixture[str]) -> None:
    assert cuda_check.main([*QUICK, *USAGE]) == 0
    page = capsys.readouterr().out
    assert re.search(r"^\| stylegan2\.avatars32 \| [\d.]+ \| [\d.]+ \| \d+ \|$", page, re.MULTILINE)
    assert "1 of 1 comparisons held; 0 cases were skipped." in page


def test_a_wrong_derivative_is_a_failure(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The device of the check computes in float32 too, the reference in float64 alone: only the former is spoiled."""
    right = RegionJacobian.vjp

    def wrong(operator: RegionJacobian, cotangents: Tensor) -> Tensor:
        products = right(operator, cotangents)
        return products * 1.01 if products.dtype == torch.float32 else products

    monkeypatch.setattr(RegionJacobian, "vjp", wrong)
    assert cuda_check.main([*QUICK, "agreement", "jacobians"]) == 1
    page = capsys.readouterr().out
    assert page.count("**1e-02** ✗") == 2  # the column "reverse" of both networks in float32
    assert "## Jacobians" in page


def test_what_fails_does_not_stop_the_rest(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def failing(settings: Settings) -> Iterator[Cell]:
        yield compare("first", "images", 1e-9, 1e-4)
        yield from attempt("second", lambda: int("x"), settings)  # type: ignore[arg-type,return-value]
        yield compare("third", "images", float("nan"), 1e-4)
        raise RuntimeError("no more")

    sections = {"agreement": Section("Failing", "", failing, 10), "memory": cuda_check.SECTIONS["memory"]}
    monkeypatch.setattr(cuda_check, "SECTIONS", sections)
    assert cuda_check.main(QUICK) == 1
    page = capsys.readouterr().out
    assert "| first | 1e-09 |" in page
    assert "| second |  | **ValueError: invalid literal for int() with base 10: 'x'** ✗ |" in page
    assert "| third | **nan** ✗ |" in page
    assert "**RuntimeError: no more** ✗" in page
    assert "## Out of memory" in page


def test_cases_are_skipped_once_time_is_up() -> None:
    settings = Settings("cpu", quick=True, deadline=Deadline(0))
    [cell] = attempt("late", lambda: [Cell("late", "images", "1e-9", True)], settings)
    assert (cell.text, cell.held) == ("skipped: no time left", None)


def test_deviations() -> None:
    reference = torch.tensor([3.0, 4.0])
    assert relative_deviation(1.01 * reference, reference) == pytest.approx(0.01, rel=1e-5)
    assert relative_deviation(reference[:1], reference) == float("inf")
    assert relative_deviation(torch.ones(2) * 2, torch.zeros(2)) == pytest.approx(8**0.5)
    assert table([Cell("a", "x", "1", held=False), Cell("b", "y", "2")]) == (
        "| case | x | y |\n| --- | --- | --- |\n| a | **1** ✗ |  |\n| b |  | 2 |"
    )


@pytest.fixture
def restored_tf32() -> Iterator[None]:
    yield
    torch.backends.cuda.matmul.allow_tf32 = False


@pytest.mark.usefixtures("restored_tf32")
def test_tf32_that_is_not_active_is_not_taken_for_proof() -> None:
    """On the CPU nothing is computed in TF32, so that the comparisons which require it fail; zoo's own hold."""
    cells = {cell.column: cell.held for cell in precision.check_way("`allow_tf32 = True`", "cpu", quick=True)}
    failed = {column for column, held in cells.items() if held is False}
    assert failed == {"torch, matrices", "torch, convolution", "torch, derivative"}
    assert cells["zoo, forward"] and cells["zoo, reverse"] and cells["zoo, Gram"] and cells["settings after"]
    assert torch.backends.cuda.matmul.allow_tf32
