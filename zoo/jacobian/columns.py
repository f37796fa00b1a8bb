"""Exact Jacobians of image regions: one product for each of the code's dimensions, in chunks that fit a budget.

See `zoo.jacobian.operator` for what exactly is differentiated, and `zoo.jacobian.gram` for what most analyses need.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from zoo._utils.progress import Progress, silent
from zoo._utils.sizes import format_size
from zoo.core.adapter import Adapter
from zoo.core.codes import Codes
from zoo.core.compute import ComputeBudget
from zoo.core.region import Region
from zoo.errors import CheckpointError, OptionError, is_out_of_memory
from zoo.jacobian.memory import MemoryModel, peak_bytes
from zoo.jacobian.operator import RegionJacobian
from zoo.jacobian.outputs import GREY, Output

_MOST_PIXELS = {"cpu": 2**22, "cuda": 2**24}
_MOST_TANGENTS = {"cpu": 32, "cuda": 1024}
"""More at a time are not faster there."""
_ALLOWANCE = 1.4
"""Memory that a process takes for each byte of its tensors: allocators keep some, libraries make copies."""


def default_chunk(adapter: Adapter, region: Region | None = None) -> int:
    """Choose how many tangents are pushed at a time: fewer for larger images, and the same on every machine.

    They are shared out evenly, so that no batch is left with a few.
    """
    dim = adapter.space.dim
    return math.ceil(dim / max(1, round(dim / most_tangents(adapter, region))))


def most_tangents(adapter: Adapter, region: Region | None = None) -> int:
    """Say about how many tangents, of one code or of several, are worth pushing at a time.

    Of a small region twice as many are, so that weights, which are read for each batch anew, weigh less.
    """
    height, width = adapter.resolution
    kind = "cuda" if adapter.device.type == "cuda" else "cpu"
    most = max(1, min(_MOST_TANGENTS[kind], _MOST_PIXELS[kind] // (height * width)))
    return 2 * most if region is not None and region.small else most


def jacobian(
    adapter: Adapter,
    code: Codes,
    region: Region,
    *,
    layers: Sequence[int] | None = None,
    output: Output = GREY,
    budget: ComputeBudget | None = None,
    progress: Progress = silent,
) -> Tensor:
    """Compute the Jacobian of an output of a region at one code: (rows, dim), held in memory whole.

    The result is bit-equal for an equal chunk, thread count and build. Raises `CapabilityError` if the network is not
    forward-mode differentiable, `CheckpointError` if a derivative is not finite, `OptionError` if the budget is too
    small.
    """
    if len(code) != 1:
        raise ValueError(f"a Jacobian is taken at one code, not {len(code)}")
    columns = ColumnStream(adapter, code, region, layers=layers, output=output, budget=budget or ComputeBudget())
    return torch.cat([part for _, part in columns.compute(progress=progress)]).T


class ColumnStream:
    """The columns of a Jacobian at some codes, computed `chunk` at a time within a budget.

    Where there is a budget, what the network needs is counted first; `reserved` bytes of it are left alone. Raises
    `OptionError` if it does not suffice for one column.
    """

    def __init__(
        self,
        adapter: Adapter,
        codes: Codes,
        region: Region,
        *,
        layers: Sequence[int] | None,
        output: Output,
        budget: ComputeBudget,
        reserved: int = 0,
    ) -> None:
        self._operator = RegionJacobian(adapter, codes, region, layers=layers, output=output)
        self._basis = torch.eye(adapter.space.dim, dtype=adapter.dtype, device=adapter.device)
        wanted = min(budget.chunk or default_chunk(adapter, region), adapter.space.dim)
        self.chunk = wanted if budget.memory is None else self._within(budget.memory, reserved, wanted)

    def compute(self, start: int = 0, progress: Progress = silent) -> Iterator[tuple[int, Tensor]]:
        """Yield (start, columns (k, n rows)), from the column `start` on; fewer at a time once memory runs out.

        Raises `CapabilityError` if there is no derivative, `CheckpointError` if one is not finite.
        """
        size = self.chunk
        if start:  # the first push carries what checks the recording: bits are to be those of a run in one go
            self._operator.prepare()
        while start < len(self._basis):
            progress(start, len(self._basis), "Jacobian")
            try:
                columns = self._operator.jvp(self._basis[start : start + size])
            except Exception as error:
                if size == 1 or not is_out_of_memory(error):
                    raise
                size = max(1, size // 2)
                continue
            if not bool(torch.isfinite(columns).all()):
                raise CheckpointError("a derivative is not finite: the weights are damaged")
            yield start, columns
            start += len(columns)
        progress(start, start, "Jacobian")

    def _within(self, memory: int, reserved: int, wanted: int) -> int:
        """Find how many columns at a time a budget allows."""
        recording, held = peak_bytes(self._operator.prepare)
        need = MemoryModel(lambda size: self._operator.jvp(self._basis[:size]))
        left = int(memory / _ALLOWANCE) - reserved - held
        size = need.largest(left, wanted)
        if not size or recording > memory / _ALLOWANCE:
            least = 1.02 * _ALLOWANCE * max(recording, need.of(1) + held + reserved)
            raise OptionError(
                f"--memory {format_size(memory)}: a single derivative of this network needs {format_size(least)}; "
                "allow that much, or choose a smaller region"
            )
        return size
