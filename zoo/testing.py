"""The conformance suite: what every adapter must hold, built-in or not, as plain functions for any test runner.

Each check raises `ContractError` that says what the contract is and what was seen. `check_adapter` runs them all.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from zoo.adapter import Adapter
from zoo.codes import Codes
from zoo.errors import ContractError
from zoo.jacobian import jacobian
from zoo.region import Region, parse_region

REGIONS = ("all", "center", "box:1,2,3,2", "not:left", "top+box:0.75,0.75,0.25,0.25")
"""The regions that derivatives and cuts are checked on."""

DIFFERENCE_STEP = 1e-6
DIFFERENCE_TOLERANCE = 1e-6
"""Central differences in float64 are exact to about step² + 1e-16 / step = 1e-10 of the function's scale; the
tolerance, relative to the largest derivative, leaves room for curvature. The step is that small because a derivative
jumps where a unit of a network is cut off at 0: few units are so near to it."""

OUTPUT_TOLERANCE = 1e-5
"""Images and mapped codes may differ by float32 rounding when the batch is of another size."""


def check_adapter(adapter: Adapter, seed: int = 0) -> None:
    """Run every check on a network. Raises `ContractError` at the first that fails."""
    for check in (check_sampling, check_synthesis, check_move, check_projections, check_region_output):
        with leaves_no_trace(adapter):
            check(adapter, seed)
    for layers in layer_choices(adapter):
        for text in REGIONS:
            with leaves_no_trace(adapter):
                check_derivatives(adapter, parse_region(text, adapter.resolution), layers, seed)


def check_sampling(adapter: Adapter, seed: int = 0) -> None:
    """Codes fit the space, depend on the seed alone, and are the same for any count, up to a mapping's rounding."""
    codes, again = draw(adapter, 3, seed), draw(adapter, 3, seed)
    require(codes.latents.shape[1:] == adapter.space.shape, f"codes of {adapter.space}", codes.latents.shape)
    require(torch.equal(codes.latents, again.latents), "the same seed draws the same codes", "different ones")
    require(codes.labels is not None or not adapter.needs_labels, "labels where the network reads them", codes.labels)
    first = draw(adapter, 1, seed)
    require_close(first.latents, codes.latents[:1], OUTPUT_TOLERANCE, "the first code does not depend on the count")
    if codes.labels is not None and first.labels is not None:
        require(torch.equal(codes.labels[:1], first.labels), "the first label does not depend on the count", "it does")


def check_synthesis(adapter: Adapter, seed: int = 0) -> None:
    """Images have the declared shape, are finite, deterministic, and independent of the rest of the batch."""
    codes = draw(adapter, 3, seed)
    images = render(adapter, codes)
    require(
        tuple(images.shape) == (3, 3, *adapter.resolution), f"images of (3, 3, *{adapter.resolution})", images.shape
    )
    require(bool(torch.isfinite(images).all()), "finite images", "NaN or infinity")
    require(torch.equal(images, render(adapter, codes)), "the same code gives the same image", "another one")
    alone = torch.cat([render(adapter, codes[index]) for index in range(3)])
    require_close(alone, images, OUTPUT_TOLERANCE, "an image does not depend on its batch")


def check_move(adapter: Adapter, seed: int = 0) -> None:
    """Moving adds to the chosen rows and does nothing else."""
    codes = draw(adapter, 2, seed)
    delta = torch.randn(adapter.space.dim, generator=torch.Generator().manual_seed(seed)).to(codes.latents)
    for layers in layer_choices(adapter):
        wanted = codes.latents.clone()
        if adapter.space.layers > 1:
            wanted[:, list(layers) if layers is not None else slice(None)] += delta
        else:
            wanted += delta
        require(
            torch.equal(adapter.move(codes, delta, layers).latents, wanted),
            "a move adds delta to its rows",
            "it did not",
        )


def check_projections(adapter: Adapter, seed: int = 0) -> None:
    """Projections have `dim` columns and are finite."""
    for part in adapter.projections():
        require(
            part.weight.ndim == 2 and part.weight.shape[1] == adapter.space.dim,
            "a weight (out, dim)",
            part.weight.shape,
        )
        require(part.layer >= 0, "a layer counted from 0", part.layer)
        if adapter.space.layers > 1:
            require(part.layer < adapter.space.layers, f"a layer below {adapter.space.layers}", part.layer)
        require(bool(torch.isfinite(part.weight).all()), "finite weights", f"NaN or infinity in layer {part.layer}")


def check_region_output(adapter: Adapter, seed: int = 0) -> None:
    """A region's output equals the region cut from the whole image."""
    codes = draw(adapter, 2, seed)
    whole = render(adapter, codes).flatten(2)
    for text in REGIONS:
        region = parse_region(text, adapter.resolution)
        with torch.no_grad():
            part = adapter.region_output(codes, region)
        cut = whole[..., torch.from_numpy(region.pixels).to(whole.device)]
        require(part.shape == cut.shape, f"(n, 3, {len(region.pixels)}) pixels of {text}", part.shape)
        require_close(part, cut, OUTPUT_TOLERANCE, f"the output of {text} equals the image cut there")


def check_derivatives(adapter: Adapter, region: Region, layers: Sequence[int] | None = None, seed: int = 0) -> None:
    """Forward mode agrees with central differences, and reverse mode with forward mode, in float64."""
    exact = in_float64(adapter)
    code = draw(exact, 1, seed)
    forward = jacobian(exact, code, region, layers=layers)
    columns = []
    for axis in torch.eye(exact.space.dim, dtype=torch.float64, device=exact.device) * DIFFERENCE_STEP:
        ends = [_grey(exact, exact.move(code, delta, layers), region) for delta in (axis, -axis)]
        columns.append((ends[0] - ends[1]) / (2 * DIFFERENCE_STEP))
    what = f"the derivative of {region.text}, layers {layers}, equals central differences"
    require_close(forward, torch.stack(columns, dim=1), DIFFERENCE_TOLERANCE, what)
    weights = torch.randn(len(forward), dtype=torch.float64, generator=torch.Generator().manual_seed(seed)).to(
        exact.device
    )
    delta = torch.zeros(exact.space.dim, dtype=torch.float64, device=exact.device, requires_grad=True)
    with torch.enable_grad():
        value = (weights * _grey_with_grad(exact, exact.move(code, delta, layers), region)).sum()
        [backward] = torch.autograd.grad(value, delta)
    require_close(
        backward, weights @ forward, DIFFERENCE_TOLERANCE, f"reverse mode of {region.text} equals forward mode"
    )


@contextmanager
def leaves_no_trace(adapter: Adapter) -> Iterator[None]:
    """Require that what runs inside, even if it fails, leaves hooks, weights, randomness and settings as they were."""
    before = _state(adapter)
    try:
        yield
    finally:
        after = _state(adapter)
        for name, value in before.items():
            now = after[name]
            same = torch.equal(value, now) if isinstance(value, Tensor) and isinstance(now, Tensor) else value == now
            require(same, f"{name} is left as it was", "it changed")


def layer_choices(adapter: Adapter) -> list[tuple[int, ...] | None]:
    """List the layer choices worth checking: all rows, the first, the last two."""
    count = adapter.space.layers
    return [None] if count == 1 else [None, (0,), (count - 2, count - 1)]


def in_float64(adapter: Adapter) -> Adapter:
    """Copy an adapter, its network in float64."""
    exact = copy.deepcopy(adapter)
    exact.network.to(torch.float64)
    return exact


def draw(adapter: Adapter, count: int, seed: int) -> Codes:
    """Draw codes onto the adapter's device and type."""
    codes = adapter.sample(count, torch.Generator().manual_seed(seed))
    return codes.to(adapter.device, adapter.dtype)


def render(adapter: Adapter, codes: Codes) -> Tensor:
    """Render codes without derivatives."""
    with torch.no_grad():
        return adapter.synthesize(codes)


def require(held: bool, contract: str, seen: object) -> None:
    """Raise `ContractError` unless the contract held."""
    if not held:
        raise ContractError(f"the contract is: {contract}; seen: {seen}")


def require_close(found: Tensor, wanted: Tensor, tolerance: float, contract: str) -> None:
    """Raise `ContractError` if the largest deviation exceeds `tolerance` times the largest wanted value."""
    deviation = float((found - wanted).abs().max())
    scale = max(float(wanted.abs().max()), torch.finfo(torch.float32).tiny)
    require(deviation <= tolerance * scale, contract, f"a deviation of {deviation / scale:.1e}, above {tolerance:.0e}")


def _grey(adapter: Adapter, codes: Codes, region: Region) -> Tensor:
    with torch.no_grad():
        return _grey_with_grad(adapter, codes, region)


def _grey_with_grad(adapter: Adapter, codes: Codes, region: Region) -> Tensor:
    return adapter.region_output(codes, region)[0].mean(dim=0)


def _state(adapter: Adapter) -> dict[str, object]:
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    readings: dict[str, Callable[[], object]] = {
        "the number of module hooks": lambda: sum(
            len(getattr(module, kind)) for module in adapter.network.modules() for kind in hooks
        ),
        "training mode": lambda: [module.training for module in adapter.network.modules()],
        "requires_grad": lambda: [weight.requires_grad for weight in adapter.network.parameters()],
        "torch's random state": torch.get_rng_state,
        "the default type": torch.get_default_dtype,
        "the thread count": torch.get_num_threads,
        "gradient mode": torch.is_grad_enabled,
        "deterministic mode": torch.are_deterministic_algorithms_enabled,
    }
    weights = {f"weight {key}": value.clone() for key, value in adapter.network.state_dict().items()}
    return {**{name: read() for name, read in readings.items()}, **weights}
