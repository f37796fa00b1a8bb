"""What one image of a network costs, counted from shapes before anything is rendered, and the limits on it.

Every operation of the network's forward pass is looked at with tensors that have shapes and no numbers, so that even an
image of terabytes is counted in milliseconds.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import ceil, inf
from typing import Any

import torch
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef

from zoo._utils.dispatch import EagerDispatchMode, leaving_out, repeats
from zoo._utils.no_compiler import without_compiler
from zoo._utils.sizes import format_size
from zoo.core.adapter import Adapter
from zoo.core.codes import Codes
from zoo.core.options import LIMIT_OPTION
from zoo.errors import CheckpointError, OptionError
from zoo.models.sketches import result_of

# The limits for one image: bytes and multiplications, for a network of so many bytes of weights. The costliest of the
# published networks for its weights, StyleGAN3 of 1024 x 1024 pixels, needs 41 bytes of maps for a byte of them, and
# 4,100 multiplications. StyleGAN-XL needs 2.3 · 10¹² in all.
_LEAST_MEMORY, _MOST_MEMORY, _MEMORY_PER_BYTE = 10**9, 4 * 10**9, 60
_LEAST_WORK, _MOST_WORK, _WORK_PER_BYTE = 5 * 10**10, 4 * 10**12, 6_000
_MOST_OPERATIONS = 200_000

# Operations that are looked at: a network of more is not counted to the end.
_MOST_STEPS = 30_000
# Products of the two matrices, or batches of them, that are the last arguments.
_MATRICES = {"mm", "bmm", "addmm", "baddbmm"}
# The most numbers of labels and indices, which are computed in truth.
_MOST_INDICES = 10_000


@dataclass
class ImageCost:
    """What one image costs.

    Attributes:
        memory: The peak of the memory that a network's maps take, in bytes, its weights aside.
        multiplications: Those of convolutions and matrices, and one for each number that another operation makes.
        operations: How many operations of torch there are.
    """

    memory: int = 0
    multiplications: int = 0
    operations: int = 0


class _TooLongError(Exception):
    """There are more operations than are looked at."""


class _Shape(Tensor):
    """A tensor without numbers, which says that it is on a device, so that code takes the way that it takes there."""

    sketch: Tensor

    @staticmethod
    def __new__(cls, sketch: Tensor, device: torch.device) -> _Shape:
        made: _Shape = Tensor._make_wrapper_subclass(
            cls, sketch.shape, strides=sketch.stride(), dtype=sketch.dtype, device=device
        )
        made.sketch = sketch
        return made

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        raise NotImplementedError(f"{func} of a tensor without numbers")


class _CostCounter(EagerDispatchMode):
    """Replaces every tensor by a sketch on the device ``meta``, and adds up what operations on the sketches cost."""

    def __init__(self, device: torch.device) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.cost = ImageCost()
        self._device = device
        self._steps = 0
        self._sketches: dict[int, tuple[Tensor, Tensor]] = {}
        self._alive: dict[StorageWeakRef, int] = {}
        self._alive_bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        tensors = [*_tensors_in(args), *_tensors_in(kwargs.values())]
        if func is torch.ops.aten._local_scalar_dense.default:
            if isinstance(tensors[0], _Shape):
                raise NotImplementedError("the network reads a number of the image that it draws")
            return func(*args, **kwargs)
        if tensors and all(map(_is_index, tensors)):
            return func(*args, **kwargs)
        device = kwargs.get("device") or (tensors[0].device if tensors else self._device)
        if kwargs.get("device") or (not tensors and any(one.name == "device" for one in func._schema.arguments)):
            kwargs = {**kwargs, "device": torch.device("meta")}
        args = _map_tensors(self._sketch, args)
        kwargs = {name: _map_tensors(self._sketch, value) for name, value in kwargs.items()}
        result = None if kwargs else result_of(func, args)
        if result is None:
            result = func(*args, **kwargs)
        self._count(func, map(self._sketch, tensors), args, result)
        return _map_tensors(lambda sketch: _Shape(sketch, device), result)

    def _sketch(self, tensor: Tensor) -> Tensor:
        """Return the sketch of a tensor, the same one for the same weight."""
        if isinstance(tensor, _Shape):
            return tensor.sketch
        if id(tensor) not in self._sketches:
            sketch = torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device="meta")
            self._sketches[id(tensor)] = tensor, sketch
        return self._sketches[id(tensor)][1]

    def _count(self, func: Any, tensors: Iterable[Tensor], args: Any, result: Any) -> None:
        """Add what one operation costs."""
        inputs = {StorageWeakRef(tensor.untyped_storage()) for tensor in tensors}
        made = 0
        for tensor in _tensors_in([result]):
            ref = StorageWeakRef(tensor.untyped_storage())
            if ref not in inputs:
                made += tensor.numel()
                self._alive[ref] = tensor.untyped_storage().nbytes()
                self._alive_bytes += self._alive[ref]
        if self._alive_bytes > self.cost.memory:  # perhaps, as far as what is counted is alive still
            self._alive = {ref: size for ref, size in self._alive.items() if not ref.expired()}
            self._alive_bytes = sum(self._alive.values())
            self.cost.memory = max(self.cost.memory, self._alive_bytes)
        self.cost.multiplications += (_multiplications(func, args, result) or made) * repeats()
        self.cost.operations += repeats()
        self._steps += 1
        if self._steps > _MOST_STEPS:
            raise _TooLongError


def _multiplications(func: Any, args: Any, result: Any) -> int:
    """Count the multiplications of a convolution or of matrices; 0 for any other operation."""
    name = func._overloadpacket.__name__
    if name == "convolution":
        x, weight, transposed = args[0], args[1], args[6]
        each: int = weight[0].numel()
        return each * int(x.numel() if transposed else result.numel())
    if name in _MATRICES:  # …, (…, n, k), (…, k, m)
        left, right = args[-2:]
        return int(left.numel() * right.shape[-1])
    return 0


def _tensors_in(arguments: Iterable[Any]) -> Iterator[Tensor]:
    """Yield the tensors among arguments of an operation, which are numbers, tensors, and lists of them."""
    for argument in arguments:
        if isinstance(argument, Tensor):
            yield argument
        elif isinstance(argument, (list, tuple)):
            yield from _tensors_in(argument)


def _map_tensors(function: Callable[[Tensor], Tensor], value: Any) -> Any:
    """Apply a function to the tensors in an argument or a result of an operation."""
    if isinstance(value, Tensor):
        return function(value)
    if isinstance(value, (list, tuple)):
        parts = [_map_tensors(function, part) for part in value]
        return tuple(parts) if isinstance(value, tuple) else parts
    return value


def _is_index(tensor: Tensor) -> bool:
    """Whether a tensor holds labels or indices, which are few, and whose numbers are needed."""
    number = tensor.is_floating_point() or tensor.is_complex()
    return not number and not isinstance(tensor, _Shape) and tensor.numel() < _MOST_INDICES


# What is known of each network already; None where its cost cannot be told from shapes.
_known: weakref.WeakKeyDictionary[nn.Module, ImageCost | None] = weakref.WeakKeyDictionary()


def image_cost(adapter: Adapter) -> ImageCost | None:
    """Count what one image of a network costs in float32, from the shapes of its tensors.

    Args:
        adapter: The network.

    Returns:
        The cost, which is kept as long as the network; None where the forward pass depends on numbers.

    Raises:
        LookupError, TypeError, ValueError, RuntimeError, ArithmeticError: Whatever the network raises, as its layers do
            not fit each other.
    """
    if adapter.network not in _known:
        _known[adapter.network] = _count_image(adapter)
    return _known[adapter.network]


def _count_image(adapter: Adapter) -> ImageCost | None:
    counter = _CostCounter(adapter.device)
    labels = torch.zeros(1, dtype=torch.long, device=adapter.device) if adapter.needs_labels else None
    latents = torch.zeros(1, *adapter.space.shape, device=adapter.device, dtype=adapter.dtype)
    try:
        with without_compiler(), torch.no_grad(), leaving_out(), counter:
            adapter.synthesize(Codes(latents, labels))
    except NotImplementedError:
        return None
    except _TooLongError:
        counter.cost.operations = max(counter.cost.operations, _MOST_OPERATIONS + 1)
    counter.cost.memory = counter.cost.memory * 4 // adapter.dtype.itemsize
    return counter.cost


def images_at_a_time(adapter: Adapter, most: int) -> int:
    """Choose how many images are rendered at a time, so that they take no more memory than one may.

    Args:
        adapter: The network.
        most: How many it is at most, from 1 on.

    Returns:
        From 1 to `most`; the same on every machine.
    """
    cost = image_cost(adapter)
    return most if cost is None else max(1, min(most, _MOST_MEMORY // max(1, cost.memory)))


def limits_of(adapter: Adapter) -> ImageCost:
    """Return the limits for one image of a network, which grow with its weights.

    Args:
        adapter: The network.

    Returns:
        The most that an image may cost.
    """
    weights = 4 * sum(tensor.numel() for tensor in adapter.network.state_dict().values())
    return ImageCost(
        min(max(_LEAST_MEMORY, _MEMORY_PER_BYTE * weights), _MOST_MEMORY),
        min(max(_LEAST_WORK, _WORK_PER_BYTE * weights), _MOST_WORK),
        _MOST_OPERATIONS,
    )


def read_image_limit(options: Mapping[str, Any]) -> float:
    """Read by how much the limits on the cost of an image are multiplied.

    Args:
        options: Options of an architecture, of which `image_limit` may be one.

    Returns:
        The factor; 1 if it is not given.

    Raises:
        OptionError: If it is no number above 0.
    """
    if not isinstance(options, Mapping):
        raise OptionError(f"options: they are a dictionary of values by name, not {type(options).__name__}")
    given = options.get(LIMIT_OPTION, 1)
    try:
        factor = float(given)
    except (TypeError, ValueError):
        factor = 0.0
    if not 0 < factor < inf:
        raise OptionError(f"-o {LIMIT_OPTION}={given}: write by how much to multiply the limits, such as 4")
    return factor


def check_cost(adapter: Adapter, origin: str, factor: float = 1.0) -> None:
    """Refuse a network one image of which costs more than is allowed.

    Args:
        adapter: The network.
        origin: Where it comes from, for the message.
        factor: What the limits are multiplied by.

    Raises:
        CheckpointError: If an image costs more.
    """
    cost = image_cost(adapter)
    if cost is None:
        return
    limits = limits_of(adapter)
    parts = {
        "of memory": (cost.memory, limits.memory, format_size),
        "multiplications": (cost.multiplications, limits.multiplications, _format_count),
        "operations": (cost.operations, limits.operations, _format_count),
    }
    unit, (needed, limit, written) = max(parts.items(), key=lambda part: part[1][0] / part[1][1])
    if needed > factor * limit:
        height, width = adapter.resolution
        raise CheckpointError(
            f"{origin} draws images of {height} x {width} pixels, and one of them takes {written(needed)} {unit}: the "
            f"limit for a network of so many weights is {written(limit)}; -o {LIMIT_OPTION}={ceil(needed / limit)} "
            "allows it"
        )


def _format_count(count: int) -> str:
    return f"{count:.2g}" if count >= 10**7 else f"{count:,}"
