"""What every network of an adapter must hold, whatever its architecture: functions of the adapter and a seed."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor

from zoo.core.adapter import Adapter
from zoo.core.codes import Codes
from zoo.core.region import Region, parse_region
from zoo.errors import ContractError
from zoo.jacobian.columns import jacobian
from zoo.testing.require import OUTPUT_TOLERANCE, draw, leaves_no_trace, render, require, require_close

REGIONS = ("all", "center", "box:1,2,3,2", "not:left", "top+box:0.75,0.75,0.25,0.25")
"""The regions that derivatives and cuts are checked on."""

DIFFERENCE_STEP = 1e-6
DIFFERENCE_TOLERANCE = 1e-6
"""Central differences in float64 are exact to about step² + 1e-16 / step = 1e-10 of the function's scale; the
tolerance, relative to the largest derivative, leaves room for curvature. The step is that small because a derivative
jumps where a unit of a network is cut off at 0: few units are so near to it."""

_DIRECTIONS = 2
"""Along how many directions a gradient is compared: a wrong one agrees along a random direction by chance alone."""

_ROUNDING = 1e-3
"""How far float32 may lie from float64, of the largest value: a network amplifies 1e-7 by its depth."""


def check_codes(adapter: Adapter, seed: int = 0) -> None:
    """Codes fit the space, depend on the seed alone, and are the same for any count, up to a mapping's rounding."""
    codes, again = draw(adapter, 3, seed), draw(adapter, 3, seed)
    require(codes.latents.shape[1:] == adapter.space.shape, f"codes of {adapter.space}", codes.latents.shape)
    require(torch.equal(codes.latents, again.latents), "the same seed draws the same codes", "different ones")
    drawn = codes.labels is not None or not adapter.needs_labels
    require(drawn, "sample draws labels where none are given, as zoo.codes.draw_labels does", "none in its codes")
    first = draw(adapter, 1, seed)
    require_close(first.latents, codes.latents[:1], OUTPUT_TOLERANCE, "the first code does not depend on the count")
    if codes.labels is not None and first.labels is not None:
        require(torch.equal(codes.labels[:1], first.labels), "the first label does not depend on the count", "it does")


def check_images(adapter: Adapter, seed: int = 0) -> None:
    """Images have the declared shape and finite numbers, and follow the code."""
    images = render(adapter, draw(adapter, 3, seed))
    wanted = (3, 3, *adapter.resolution)
    require(tuple(images.shape) == wanted, f"images of {wanted}", tuple(images.shape))
    require(bool(torch.isfinite(images).all()), "finite images", "NaN or infinity")
    require(not torch.equal(images[0], images[1]), "another code gives another image", "the same")


def check_determinism(adapter: Adapter, seed: int = 0) -> None:
    """The same code gives the same image, bit for bit."""
    codes = draw(adapter, 3, seed)
    same = torch.equal(render(adapter, codes), render(adapter, codes))
    require(same, "the same code gives the same image", "another one: noise must come from the weights or a seed")


def check_batches(adapter: Adapter, seed: int = 0) -> None:
    """An image does not depend on the others of its batch."""
    codes = draw(adapter, 3, seed)
    alone = torch.cat([render(adapter, codes[index]) for index in range(3)])
    require_close(alone, render(adapter, codes), OUTPUT_TOLERANCE, "an image does not depend on its batch")


def check_moves(adapter: Adapter, seed: int = 0) -> None:
    """Moving adds to the chosen rows of every code and does nothing else."""
    codes = draw(adapter, 2, seed)
    delta = torch.randn(adapter.space.dim, generator=torch.Generator().manual_seed(seed)).to(codes.latents)
    for layers in layer_choices(adapter):
        wanted = codes.latents.clone()
        if adapter.space.layers > 1:
            wanted[:, list(layers) if layers is not None else slice(None)] += delta
        else:
            wanted += delta
        moved = adapter.move(codes, delta, layers)
        require(torch.equal(moved.latents, wanted), "a move adds delta to its rows", f"in layers {layers} it did not")


def check_projections(adapter: Adapter, seed: int = 0) -> None:
    """Projections are finite weights (out, dim) of layers that there are."""
    for part in adapter.projections():
        shape = tuple(part.weight.shape)
        require(len(shape) == 2 and shape[1] == adapter.space.dim, f"a weight (out, {adapter.space.dim})", shape)
        require(part.layer >= 0, "a layer counted from 0", part.layer)
        if adapter.space.layers > 1:
            require(part.layer < adapter.space.layers, f"a layer below {adapter.space.layers}", part.layer)
        require(bool(torch.isfinite(part.weight).all()), "finite weights", f"NaN or infinity in layer {part.layer}")


def check_regions(adapter: Adapter, seed: int = 0) -> None:
    """A region's output equals the region cut from the whole image."""
    codes = draw(adapter, 2, seed)
    whole = render(adapter, codes).flatten(2)
    for text in REGIONS:
        region = parse_region(text, adapter.resolution)
        with torch.no_grad():
            part = adapter.region_output(codes, region)
        cut = whole[..., torch.from_numpy(region.pixels).to(whole.device)]
        require(part.shape == cut.shape, f"(n, 3, {len(region.pixels)}) pixels of {text}", tuple(part.shape))
        require_close(part, cut, OUTPUT_TOLERANCE, f"the output of {text} equals the image cut there")


def check_forward(adapter: Adapter, seed: int = 0) -> None:
    """Forward mode agrees with central differences in float64, for every region, and for every choice of layers."""
    for text, layers in _questions(adapter):
        check_forward_at(adapter, parse_region(text, adapter.resolution), layers, seed)


def check_reverse(adapter: Adapter, seed: int = 0) -> None:
    """Reverse mode agrees with central differences in float64, for every region, and for every choice of layers."""
    for text, layers in _questions(adapter):
        check_reverse_at(adapter, parse_region(text, adapter.resolution), layers, seed)


def check_derivatives(adapter: Adapter, region: Region, layers: Sequence[int] | None = None, seed: int = 0) -> None:
    """Check forward and reverse mode of one region, for one choice of layers."""
    check_forward_at(adapter, region, layers, seed)
    check_reverse_at(adapter, region, layers, seed)


def check_forward_at(adapter: Adapter, region: Region, layers: Sequence[int] | None = None, seed: int = 0) -> None:
    """Compare one region's forward mode with central differences."""
    exact = in_float64(adapter)
    code = draw(exact, 1, seed)
    columns = []
    for axis in torch.eye(exact.space.dim, dtype=torch.float64, device=exact.device) * DIFFERENCE_STEP:
        with torch.no_grad():
            ends = [_grey(exact, exact.move(code, delta, layers), region) for delta in (axis, -axis)]
        columns.append((ends[0] - ends[1]) / (2 * DIFFERENCE_STEP))
    what = f"the derivative of {region.text}, layers {layers}, equals central differences"
    forward = jacobian(exact, code, region, layers=layers)
    require_close(forward, torch.stack(columns, dim=1), DIFFERENCE_TOLERANCE, what)


def check_reverse_at(adapter: Adapter, region: Region, layers: Sequence[int] | None = None, seed: int = 0) -> None:
    """Compare the gradient of a random sum of one region's pixels with central differences, along random directions."""
    exact = in_float64(adapter)
    code, generator = draw(exact, 1, seed), torch.Generator().manual_seed(seed)
    weights = torch.randn(len(region.pixels), dtype=torch.float64, generator=generator).to(exact.device)
    axes = torch.randn(_DIRECTIONS, exact.space.dim, dtype=torch.float64, generator=generator).to(exact.device)

    def value(delta: Tensor) -> Tensor:
        return (weights * _grey(exact, exact.move(code, delta, layers), region)).sum()

    delta = torch.zeros(exact.space.dim, dtype=torch.float64, device=exact.device, requires_grad=True)
    with torch.enable_grad():
        end = value(delta)
        found = torch.autograd.grad(end, delta, allow_unused=True)[0] if end.requires_grad else None
    contract = f"reverse mode of {region.text}, layers {layers}, equals central differences"
    require(found is not None, contract, "no path back from the pixels to the code")
    assert found is not None
    with torch.no_grad():
        pairs = [[value(step * axis) for step in (DIFFERENCE_STEP, -DIFFERENCE_STEP)] for axis in axes]
    wanted = torch.stack([(high - low) / (2 * DIFFERENCE_STEP) for high, low in pairs])
    require_close(axes @ found, wanted, DIFFERENCE_TOLERANCE, contract)


def check_types(adapter: Adapter, seed: int = 0) -> None:
    """The network computes in the type that it was moved to: in float64 the same codes and images, up to rounding."""
    exact = in_float64(adapter)
    require(exact.dtype == torch.float64, "a network moved to float64 says so", exact.dtype)
    codes, fine = draw(adapter, 2, seed), draw(exact, 2, seed)
    require_close(fine.latents, codes.latents.double(), _ROUNDING, "a seed's codes are those of float32")
    region = parse_region("center", exact.resolution)
    for images in (render(exact, fine), exact.region_output(fine, region)):
        require(images.dtype == torch.float64, "images in float64", images.dtype)
    require_close(render(exact, fine), render(adapter, codes).double(), _ROUNDING, "images are those of float32")


def check_devices(adapter: Adapter, seed: int = 0) -> None:
    """What rendering makes lies where the codes do; on CUDA, where there is one, images are those of the CPU."""
    codes, region = draw(adapter, 2, seed), parse_region("center", adapter.resolution)
    wanted = render(adapter, codes)
    contract = "tensors are made on the device of the codes, as by torch.arange(…, device=codes.latents.device)"
    try:
        with torch.no_grad(), torch.device("meta"):  # what is made without a device lies elsewhere then
            made = (adapter.synthesize(codes), adapter.region_output(codes, region))
    except RuntimeError as error:
        raise ContractError(f"the contract is: {contract}; seen: one without a device ({error})") from error
    require(all(images.device == wanted.device for images in made), contract, "images where the default device is")
    if torch.cuda.is_available():
        moved = copy.deepcopy(adapter)
        moved.network.to("cuda")
        there = render(moved, codes.to("cuda", moved.dtype))
        require(there.device.type == "cuda", "images on the network's device", there.device)
        require_close(there.cpu(), wanted.cpu(), _ROUNDING, "images on CUDA are those of the CPU")


def check_traces(adapter: Adapter, seed: int = 0) -> None:
    """Drawing, rendering and differentiating leave weights, hooks, settings and every random state as they were."""
    region = parse_region("center", adapter.resolution)
    with leaves_no_trace(adapter):
        codes = draw(adapter, 2, seed)
        before = codes.latents.clone()
        adapter.projections()
        render(adapter, codes)
        adapter.region_output(codes, region)
        adapter.normalize(codes)
        delta = torch.zeros(adapter.space.dim, device=adapter.device, dtype=adapter.dtype, requires_grad=True)
        _grey(adapter, adapter.move(codes, delta), region)
    require(torch.equal(codes.latents, before), "codes are left as they were", "they changed")


def layer_choices(adapter: Adapter) -> list[tuple[int, ...] | None]:
    """List the layer choices worth checking: all rows, the first, the last two."""
    count = adapter.space.layers
    return [None] if count == 1 else [None, (0,), (count - 2, count - 1)]


def _questions(adapter: Adapter) -> list[tuple[str, tuple[int, ...] | None]]:
    """List regions and layers to differentiate: all regions for all rows, one for each other choice of them."""
    return [(text, None) for text in REGIONS] + [("center", layers) for layers in layer_choices(adapter)[1:]]


def in_float64(adapter: Adapter) -> Adapter:
    """Copy an adapter, its network in float64."""
    exact = copy.deepcopy(adapter)
    exact.network.to(torch.float64)
    return exact


def _grey(adapter: Adapter, codes: Codes, region: Region) -> Tensor:
    return adapter.region_output(codes, region)[0].mean(dim=0)
