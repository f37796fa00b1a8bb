"""What the checks of a GPU yield: cells of tables, some of which are comparisons that hold or do not."""

from __future__ import annotations

import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

REMARK = "remark"  # the column of a case that was skipped or failed


@dataclass(frozen=True)
class Cell:
    """One cell of a section's table.

    Attributes:
        case: The row: what was checked.
        column: The column: which quantity.
        text: What the cell says.
        held: Whether a comparison held; None where nothing was compared.
    """

    case: str
    column: str
    text: str
    held: bool | None = None


@dataclass(frozen=True)
class Settings:
    """How the checks run.

    Attributes:
        device: ``cuda`` or ``cpu``.
        quick: Whether the smallest networks suffice.
        deadline: When no further case is started.
    """

    device: str
    quick: bool
    deadline: Deadline


class Deadline:
    """A point in time after which no further case is started.

    Args:
        seconds: Seconds from now.
    """

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Return the seconds that are left, 0 at least."""
        return max(0.0, self._end - time.monotonic())


@dataclass(frozen=True)
class Section:
    """A group of checks with a table of its own.

    Attributes:
        title: Heading of the table.
        about: What the table shows and which tolerances apply.
        checks: Runs the checks.
        seconds: How long the section may take before it starts no further case.
    """

    title: str
    about: str
    checks: Callable[[Settings], Iterable[Cell]]
    seconds: float


def relative_deviation(found: Tensor, reference: Tensor) -> float:
    """Compute ‖found − reference‖ / ‖reference‖ in float64, Frobenius norms.

    Args:
        found: What is checked, of any dtype and on any device.
        reference: What it is compared with, of the same shape.

    Returns:
        The deviation, absolute where the reference is zero; infinite where the shapes differ.
    """
    if found.shape != reference.shape:
        return float("inf")
    exact = reference.detach().cpu().double()
    scale = float(exact.norm()) or 1.0
    return float((found.detach().cpu().double() - exact).norm()) / scale


def typical_deviation(found: Tensor, reference: Tensor) -> float:
    """Measure how far most numbers deviate from a reference, on the CPU in float64.

    Derivatives jump where the input of a ReLU changes its sign. Among the millions of inputs of a large network, some
    are so close to 0 that rounding decides their sign. The derivatives of the few pixels behind them deviate by as much
    as their size, in float32 on a CPU too, and dominate the Frobenius norm. They do not change the median.

    Args:
        found: A tensor.
        reference: A tensor that should be equal.

    Returns:
        The median of the absolute deviations over the median of the absolute values of the reference; infinite where
        the shapes differ.
    """
    if found.shape != reference.shape:
        return float("inf")
    exact = reference.detach().cpu().double()
    scale = float(exact.abs().median()) or 1.0
    return float((found.detach().cpu().double() - exact).abs().median()) / scale


def compare(case: str, column: str, deviation: float, tolerance: float) -> Cell:
    """Compare a deviation with its tolerance.

    Args:
        case: The row.
        column: The column.
        deviation: The deviation; one that is not a number does not hold.
        tolerance: The largest deviation that holds.

    Returns:
        The cell.
    """
    return Cell(case, column, f"{deviation:.0e}", deviation <= tolerance)


def exceeds(case: str, column: str, deviation: float, least: float) -> Cell:
    """Require a deviation to be visible, as evidence that a check would notice it.

    Args:
        case: The row.
        column: The column.
        deviation: The deviation.
        least: The smallest deviation that holds.

    Returns:
        The cell.
    """
    return Cell(case, column, f"{deviation:.0e}", deviation > least)


def attempt(case: str, checks: Callable[[], Iterable[Cell]], settings: Settings, needed: float = 0.0) -> Iterator[Cell]:
    """Run the checks of one case; an error becomes a cell that does not hold.

    Args:
        case: The row.
        checks: Yields the cells of this case.
        settings: How the checks run.
        needed: Seconds that the case takes at most; with less time left it is skipped.

    Yields:
        The cells of the case.
    """
    if settings.deadline.left() <= needed:
        yield Cell(case, REMARK, "skipped: no time left")
        return
    try:
        yield from checks()
    except Exception as error:
        traceback.print_exc(file=sys.stderr)
        lines = str(error).splitlines() or [""]
        yield Cell(case, REMARK, f"{type(error).__name__}: {lines[0]}", held=False)
    finally:
        if settings.device == "cuda":
            torch.cuda.empty_cache()


@contextmanager
def without_deprecation() -> Iterator[None]:
    """Hide the warning of torch's forward mode about its own use of torch.jit.script."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r".*torch\.jit\.script.*")
        yield


def run_section(section: Section, settings: Settings) -> list[Cell]:
    """Run a section; an error between its cases becomes a cell that does not hold.

    Args:
        section: The section.
        settings: How the checks run.

    Returns:
        All cells of the section.
    """
    deadline = Deadline(min(section.seconds, settings.deadline.left()))
    limited = Settings(settings.device, settings.quick, deadline)
    return list(attempt("the section itself", lambda: section.checks(limited), limited))


def table(cells: Iterable[Cell]) -> str:
    """Set cells as a Markdown table, cases as rows.

    Args:
        cells: The cells; of two for the same place the later one counts.

    Returns:
        The table; cells that do not hold are bold.
    """
    cells = list(cells)
    columns = list(dict.fromkeys(cell.column for cell in cells))
    texts = {(cell.case, cell.column): f"**{cell.text}** ✗" if cell.held is False else cell.text for cell in cells}
    lines = [["case", *columns], ["---"] * (len(columns) + 1)]
    lines += [[case, *(texts.get((case, column), "") for column in columns)] for case in _cases(cells)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cases(cells: Iterable[Cell]) -> list[str]:
    return list(dict.fromkeys(cell.case for cell in cells))
