"""Exact Jacobians of image regions: one product for each number of the code, in chunks that fit a memory budget.

See `zoo.jacobian.operator` for what is differentiated, and `zoo.jacobian.gram` for what most analyses need.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from zoo._utils.progress import Progress, silent
from zoo._utils.sizes import format_size
from zoo.core.adapter import Adapter
from zoo.core.codes import Codes
from zoo.core.compute import ComputeBudget, Spread
from zoo.core.region import Region
from zoo.errors import CheckpointError, OptionError, is_out_of_memory
from zoo.jacobian.memory import MemoryModel
from zoo.jacobian.operator import RegionJacobian
from zoo.jacobian.outputs import GREY, Output

# Pixels of all images that a chunk of tangents makes. On a GPU, more take more memory and are not faster (docs/gpu).
_MAX_PIXELS = {"cpu": 2**22, "cuda": 2**23}
_MAX_TANGENTS = {"cpu": 32, "cuda": 1024}  # larger chunks are not faster
MEMORY_OVERHEAD = 1.4  # memory of a process per byte of its tensors: allocators keep some, libraries make copies


def default_chunk(adapter: Adapter, region: Region | None = None) -> int:
    """Choose how many tangents are computed at a time: fewer for larger images, and the same on every machine.

    Args:
        adapter: The network.
        region: The region that is differentiated; None stands for the whole image.

    Returns:
        The size of a chunk. The tangents are divided evenly, so that no chunk has only a few.
    """
    dim = adapter.space.dim
    return math.ceil(dim / max(1, round(dim / max_tangents(adapter, region))))


def max_tangents(adapter: Adapter, region: Region | None = None) -> int:
    """Choose how many tangents, of one code or of several, are worth computing at a time.

    Args:
        adapter: The network.
        region: The region that is differentiated; None stands for the whole image.

    Returns:
        The number of tangents: twice as many for a small region, so that reading the weights, which every chunk does
        anew, costs less.
    """
    height, width = adapter.resolution
    device = "cuda" if adapter.device.type == "cuda" else "cpu"
    count = max(1, min(_MAX_TANGENTS[device], _MAX_PIXELS[device] // (height * width)))
    return 2 * count if region is not None and region.small else count


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
    """Compute the Jacobian of an output of a region at one code.

    The result is bit-equal for an equal chunk, thread count and build of torch.

    Args:
        adapter: The network.
        code: A single code.
        region: The pixels that the output maps.
        layers: Indices of the rows of the code that are moved; None moves all.
        output: The map of the region's pixels that is differentiated.
        budget: The memory and the size of a chunk; None leaves both to zoo. Its cache is not used.
        progress: Told how many columns are done.

    Returns:
        J, (rows, dim), in the network's dtype on its device.

    Raises:
        CapabilityError: The network has no forward-mode derivative.
        CheckpointError: A derivative is not finite.
        OptionError: The budget does not suffice for a single column.
    """
    if len(code) != 1:
        raise ValueError(f"a Jacobian is taken at one code, not {len(code)}")
    stream = ColumnStream(adapter, code, region, layers=layers, output=output, budget=budget or ComputeBudget())
    return torch.cat([columns for _, columns in stream.compute(progress=progress)]).T


@dataclass(frozen=True, eq=False)
class _Question:
    """What is differentiated, besides the network."""

    codes: Codes
    region: Region
    layers: tuple[int, ...] | None
    output: Output

    def operator(self, adapter: Adapter) -> RegionJacobian:
        return RegionJacobian(adapter, self.codes, self.region, layers=self.layers, output=self.output)

    def on_cpu(self) -> _Question:
        return replace(self, codes=self.codes.to("cpu", self.codes.latents.dtype))

    def beside(self, adapter: Adapter) -> _Question:
        """Move codes and output to where a network is."""
        place = adapter.device, adapter.dtype
        return replace(self, codes=self.codes.to(*place), output=self.output.to(*place))


def _compute_block(adapter: Adapter, part: tuple[_Question, int, int]) -> tuple[int, Tensor]:
    """Compute columns of a Jacobian in another process, as many as `ColumnStream.compute` would at a time."""
    question, first, end = part
    basis = torch.eye(adapter.space.dim, dtype=adapter.dtype, device=adapter.device)
    return first, _finite(question.beside(adapter).operator(adapter).jvp(basis[first:end])).cpu()


def _finite(columns: Tensor) -> Tensor:
    if not bool(torch.isfinite(columns).all()):
        raise CheckpointError("a derivative is not finite: the weights are damaged")
    return columns


class ColumnStream:
    """The columns of a Jacobian at some codes, computed `chunk` at a time within a budget.

    Where the budget limits memory, the memory of a derivative is counted first, and `chunk` follows from it.

    Args:
        adapter: The network.
        codes: The n codes at which it is differentiated.
        region: The pixels that the output maps.
        layers: Indices of the rows of the codes that are moved; None moves all.
        output: The map of the region's pixels that is differentiated.
        budget: The memory and the size of a chunk.
        reserved: Bytes of the memory that are in use while columns are computed.
        needed_later: Bytes beside these that are in use once the columns are there.

    Raises:
        OptionError: The budget does not suffice for a single column.
        CapabilityError: The network has no forward-mode derivative.
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
        needed_later: int = 0,
    ) -> None:
        self._question = _Question(codes, region, None if layers is None else tuple(layers), output)
        self._operator = self._question.operator(adapter)
        self._basis = torch.eye(adapter.space.dim, dtype=adapter.dtype, device=adapter.device)
        chunk = min(budget.chunk or default_chunk(adapter, region), adapter.space.dim)
        if budget.memory is not None:
            chunk = self._fit_chunk(budget.memory, reserved, needed_later, chunk)
        self.chunk = chunk

    def compute(self, start: int = 0, progress: Progress = silent) -> Iterator[tuple[int, Tensor]]:
        """Compute the columns in order, fewer at a time once memory runs out.

        Args:
            start: Index of the first column.
            progress: Told how many columns are done.

        Yields:
            The index of the first column of a chunk, and its columns as rows, (k, n rows).

        Raises:
            CapabilityError: The network has no forward-mode derivative.
            CheckpointError: A derivative is not finite.
        """
        size = self.chunk
        while start < len(self._basis):
            progress(start, len(self._basis), "Jacobian")
            try:
                columns = self._operator.jvp(self._basis[start : start + size])
            except Exception as error:
                if size == 1 or not is_out_of_memory(error):
                    raise
                size = max(1, size // 2)
                continue
            yield start, _finite(columns)
            start += len(columns)
        progress(start, start, "Jacobian")

    def spread(self, spread: Spread, take: Callable[[int, Tensor], object], start: int, progress: Progress) -> None:
        """Let several processes compute the columns: the same chunks as `compute`, and so the same bits.

        Args:
            spread: The processes.
            take: Called with what `compute` yields, in its order, on the CPU.
            start: Index of the first column.
            progress: Told how many columns are done.

        Raises:
            EngineError: If the processes fail, for lack of memory too.
        """
        count = len(self._basis)
        question = self._question.on_cpu()
        blocks = [(question, first, min(first + self.chunk, count)) for first in range(start, count, self.chunk)]

        def take_block(block: tuple[int, Tensor]) -> None:
            take(*block)
            progress(block[0] + len(block[1]), count, "Jacobian")

        spread.each(_compute_block, blocks, take_block)

    def _fit_chunk(self, memory: int, reserved: int, needed_later: int, most: int) -> int:
        """Find the largest chunk, at most `most`, that fits into a budget of `memory` bytes."""
        model = MemoryModel(lambda size: self._operator.jvp(self._basis[:size]))
        available = int(memory / MEMORY_OVERHEAD) - reserved
        size = model.largest(available, most)
        if not size or needed_later > available:
            least = 1.02 * MEMORY_OVERHEAD * (max(model.of(1), needed_later) + reserved)
            raise OptionError(
                f"--memory {format_size(memory)}: a single derivative of this network needs {format_size(least)}; "
                "allow that much, or choose a smaller region"
            )
        return size
