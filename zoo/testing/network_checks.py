"""Checks of a network, whatever its architecture.

Each `check_` function takes an adapter and the seed of the codes to draw, and raises `ContractError` unless the
requirement of its docstring is met.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Sequence

import torch
from torch import Tensor

from zoo.core.adapter import Adapter
from zoo.core.channels import CHANNELS, as_rgb
from zoo.core.codes import Codes
from zoo.core.region import Region, parse_region
from zoo.errors import ContractError
from zoo.jacobian.columns import jacobian
from zoo.testing.assertions import OUTPUT_TOLERANCE, draw, leaves_no_trace, render, require, require_close

# The regions on which derivatives and cuts are checked.
REGIONS = ("all", "center", "box:1,2,3,2", "not:left", "top+box:0.75,0.75,0.25,0.25")

# In float64, central differences are exact to about h² + 1e-16 / h = 1e-10 of the function's scale. The tolerance,
# relative to the largest derivative, leaves room for curvature. The step h is this small because a derivative jumps
# where a unit is cut off at 0, and few units are that close to it.
DIFFERENCE_STEP = 1e-6
DIFFERENCE_TOLERANCE = 1e-6

# The number of random directions along which a gradient is compared. Along one, a wrong gradient may agree by chance.
_DIRECTIONS = 2

# How far float32 may be from float64, relative to the largest value: depth amplifies the rounding of 1e-7.
_ROUNDING = 1e-3


def check_codes(adapter: Adapter, seed: int = 0) -> None:
    """Codes fit the space, depend only on the seed, and do not depend on the count, up to rounding in a mapping."""
    codes = draw(adapter, 3, seed)
    again = draw(adapter, 3, seed)
    require(codes.latents.shape[1:] == adapter.space.shape, f"codes of {adapter.space}", codes.latents.shape)
    require(torch.equal(codes.latents, again.latents), "the same seed draws the same codes", "different codes")
    labelled = codes.labels is not None or not adapter.needs_labels
    require(labelled, "sample draws labels where none are given, as zoo.core.draw_labels does", "codes without labels")
    first = draw(adapter, 1, seed)
    require_close(first.latents, codes.latents[:1], OUTPUT_TOLERANCE, "the first code does not depend on the count")
    if codes.labels is not None and first.labels is not None:
        require(
            torch.equal(codes.labels[:1], first.labels), "the first label does not depend on the count", "another label"
        )


def check_images(adapter: Adapter, seed: int = 0) -> None:
    """Images have the declared shape, are finite, and depend on the code."""
    images = render(adapter, draw(adapter, 3, seed))
    channels = adapter.channels
    require(channels in CHANNELS, "channels is 1 (grey), 3 (RGB) or 4 (RGBA)", channels)
    wanted = (3, channels, *adapter.resolution)
    require(tuple(images.shape) == wanted, f"images of {wanted}", tuple(images.shape))
    require(bool(torch.isfinite(images).all()), "finite images", "NaN or infinity")
    require(not torch.equal(images[0], images[1]), "another code gives another image", "the same image")


def check_determinism(adapter: Adapter, seed: int = 0) -> None:
    """The same code gives the same image, bit for bit."""
    codes = draw(adapter, 3, seed)
    same = torch.equal(render(adapter, codes), render(adapter, codes))
    require(same, "the same code gives the same image", "another image: noise must come from the weights or a seed")


def check_batches(adapter: Adapter, seed: int = 0) -> None:
    """An image does not depend on the rest of its batch."""
    codes = draw(adapter, 3, seed)
    alone = torch.cat([render(adapter, codes[index]) for index in range(3)])
    require_close(alone, render(adapter, codes), OUTPUT_TOLERANCE, "an image does not depend on its batch")


def check_moves(adapter: Adapter, seed: int = 0) -> None:
    """`move` adds delta to the chosen rows of every code and does nothing else."""
    codes = draw(adapter, 2, seed)
    delta = torch.randn(adapter.space.dim, generator=torch.Generator().manual_seed(seed)).to(codes.latents)
    for layers in layer_choices(adapter):
        wanted = codes.latents.clone()
        if adapter.space.layers > 1:
            wanted[:, list(layers) if layers is not None else slice(None)] += delta
        else:
            wanted += delta
        moved = adapter.move(codes, delta, layers)
        require(
            torch.equal(moved.latents, wanted), "move adds delta to the chosen rows", f"other codes for layers {layers}"
        )


def check_projections(adapter: Adapter, seed: int = 0) -> None:
    """Projections are finite weights (out, dim) of existing layers."""
    for projection in adapter.projections():
        layer = projection.layer
        shape = tuple(projection.weight.shape)
        require(len(shape) == 2 and shape[1] == adapter.space.dim, f"a weight (out, {adapter.space.dim})", shape)
        require(layer >= 0, "a layer counted from 0", layer)
        if adapter.space.layers > 1:
            require(layer < adapter.space.layers, f"a layer below {adapter.space.layers}", layer)
        finite = bool(torch.isfinite(projection.weight).all())
        require(finite, "finite weights", f"NaN or infinity in layer {layer}")


def check_layer_names(adapter: Adapter, seed: int = 0) -> None:
    """Names of layers stand for layers that there are, and cannot be mistaken for numbers of layers."""
    there_are = {*range(adapter.space.layers), *(projection.layer for projection in adapter.projections())}
    for name, layers in adapter.layer_names().items():
        require(bool(re.fullmatch(r"(?![\d-]*$)[^\s,]+", name)), "names are single words, not numbers", repr(name))
        ordered = len(layers) > 0 and list(layers) == sorted(set(layers)) and set(layers) <= there_are
        require(ordered, f"layers of {sorted(there_are)} in ascending order, for {name!r}", list(layers))


def check_regions(adapter: Adapter, seed: int = 0) -> None:
    """The output of a region is the region cut from the whole image."""
    codes = draw(adapter, 2, seed)
    whole = render(adapter, codes).flatten(2)
    for text in REGIONS:
        region = parse_region(text, adapter.resolution)
        with torch.no_grad():
            part = adapter.region_output(codes, region)
        cut = whole[..., torch.from_numpy(region.pixels).to(whole.device)]
        require(
            part.shape == cut.shape,
            f"(n, {adapter.channels}, {len(region.pixels)}) pixels of {text}",
            tuple(part.shape),
        )
        require_close(part, cut, OUTPUT_TOLERANCE, f"the output of {text} equals the image, cut")


def check_forward(adapter: Adapter, seed: int = 0) -> None:
    """Forward-mode derivatives agree with central differences in float64, for all regions and choices of layers."""
    for text, layers in _regions_and_layers(adapter):
        check_forward_at(adapter, parse_region(text, adapter.resolution), layers, seed)


def check_reverse(adapter: Adapter, seed: int = 0) -> None:
    """Reverse-mode derivatives agree with central differences in float64, for all regions and choices of layers."""
    for text, layers in _regions_and_layers(adapter):
        check_reverse_at(adapter, parse_region(text, adapter.resolution), layers, seed)


def check_derivatives(adapter: Adapter, region: Region, layers: Sequence[int] | None = None, seed: int = 0) -> None:
    """Compare derivatives of one region in forward and reverse mode with central differences, in float64.

    Args:
        adapter: the adapter; a copy of it is moved to float64.
        region: the region whose grey pixels are differentiated.
        layers: the rows of the code to move; None for all.
        seed: the seed of the code, and of the random directions of reverse mode.

    Raises:
        ContractError: a derivative is wrong.

    """
    check_forward_at(adapter, region, layers, seed)
    check_reverse_at(adapter, region, layers, seed)


def check_forward_at(adapter: Adapter, region: Region, layers: Sequence[int] | None = None, seed: int = 0) -> None:
    """Compare the forward-mode derivatives of one region with central differences."""
    exact = in_float64(adapter)
    code = draw(exact, 1, seed)
    # column i of the Jacobian: (f(h eᵢ) - f(-h eᵢ)) / 2h
    columns = []
    for axis in torch.eye(exact.space.dim, dtype=torch.float64, device=exact.device) * DIFFERENCE_STEP:
        with torch.no_grad():
            ends = [_grey(exact, exact.move(code, delta, layers), region) for delta in (axis, -axis)]
        columns.append((ends[0] - ends[1]) / (2 * DIFFERENCE_STEP))
    what = f"the derivative of {region.text}, layers {layers}, equals central differences"
    forward = jacobian(exact, code, region, layers=layers)
    require_close(forward, torch.stack(columns, dim=1), DIFFERENCE_TOLERANCE, what)


def check_reverse_at(adapter: Adapter, region: Region, layers: Sequence[int] | None = None, seed: int = 0) -> None:
    """Compare the gradient of a random sum of a region's pixels with central differences along random directions."""
    exact = in_float64(adapter)
    code = draw(exact, 1, seed)
    generator = torch.Generator().manual_seed(seed)
    weights = torch.randn(len(region.pixels), dtype=torch.float64, generator=generator).to(exact.device)
    axes = torch.randn(_DIRECTIONS, exact.space.dim, dtype=torch.float64, generator=generator).to(exact.device)

    def value(delta: Tensor) -> Tensor:
        return (weights * _grey(exact, exact.move(code, delta, layers), region)).sum()

    delta = torch.zeros(exact.space.dim, dtype=torch.float64, device=exact.device, requires_grad=True)
    with torch.enable_grad():
        output = value(delta)
        gradient = torch.autograd.grad(output, delta, allow_unused=True)[0] if output.requires_grad else None
    contract = f"reverse mode of {region.text}, layers {layers}, equals central differences"
    if gradient is None:
        raise ContractError(f"the contract is: {contract}; seen: the pixels have no gradient in the code")
    with torch.no_grad():
        pairs = [[value(step * axis) for step in (DIFFERENCE_STEP, -DIFFERENCE_STEP)] for axis in axes]
    wanted = torch.stack([(high - low) / (2 * DIFFERENCE_STEP) for high, low in pairs])
    # aᵀg for each random direction a, against (f(ha) - f(-ha)) / 2h
    require_close(axes @ gradient, wanted, DIFFERENCE_TOLERANCE, contract)


def check_types(adapter: Adapter, seed: int = 0) -> None:
    """A network moved to float64 computes in it, and gives the same codes and images up to rounding."""
    exact = in_float64(adapter)
    require(exact.dtype == torch.float64, "the dtype of a network moved to float64 is float64", exact.dtype)
    codes = draw(adapter, 2, seed)
    exact_codes = draw(exact, 2, seed)
    require_close(exact_codes.latents, codes.latents.double(), _ROUNDING, "codes in float64 are those in float32")
    region = parse_region("center", exact.resolution)
    for images in (render(exact, exact_codes), exact.region_output(exact_codes, region)):
        require(images.dtype == torch.float64, "images in float64", images.dtype)
    wanted = render(adapter, codes).double()
    require_close(render(exact, exact_codes), wanted, _ROUNDING, "images in float64 are those in float32")


def check_devices(adapter: Adapter, seed: int = 0) -> None:
    """Rendering creates its tensors on the device of the codes, and images on CUDA are those on the CPU."""
    codes = draw(adapter, 2, seed)
    region = parse_region("center", adapter.resolution)
    wanted = render(adapter, codes)
    contract = "tensors are created on the device of the codes, as by torch.arange(…, device=codes.latents.device)"
    try:
        # A tensor that is created without a device goes to the default device, here one that cannot be mixed with any.
        with torch.no_grad(), torch.device("meta"):
            outputs = (adapter.synthesize(codes), adapter.region_output(codes, region))
    except RuntimeError as error:
        raise ContractError(f"the contract is: {contract}; seen: one without a device ({error})") from error
    require(all(output.device == wanted.device for output in outputs), contract, "images on the default device")
    if torch.cuda.is_available():
        moved = copy.deepcopy(adapter)
        moved.network.to("cuda")
        on_cuda = render(moved, codes.to("cuda", moved.dtype))
        require(on_cuda.device.type == "cuda", "images on the network's device", on_cuda.device)
        require_close(on_cuda.cpu(), wanted.cpu(), _ROUNDING, "images on CUDA are those on the CPU")


def check_traces(adapter: Adapter, seed: int = 0) -> None:
    """Drawing, rendering and differentiating leave weights, hooks, settings and random states unchanged."""
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
    require(torch.equal(codes.latents, before), "codes stay unchanged", "they changed")


def layer_choices(adapter: Adapter) -> list[tuple[int, ...] | None]:
    """List choices of layers that are worth checking: all rows, the first one, and the last two.

    Args:
        adapter: the adapter whose layers are chosen.

    Returns:
        Rows of the code; None for all. Only None in a space with a single row.

    """
    count = adapter.space.layers
    return [None] if count == 1 else [None, (0,), (count - 2, count - 1)]


def _regions_and_layers(adapter: Adapter) -> list[tuple[str, tuple[int, ...] | None]]:
    """List what to differentiate: every region with all layers, and one region with each other choice of layers."""
    return [(text, None) for text in REGIONS] + [("center", layers) for layers in layer_choices(adapter)[1:]]


def in_float64(adapter: Adapter) -> Adapter:
    """Copy an adapter to float64.

    Args:
        adapter: the adapter; it stays unchanged.

    Returns:
        The copy.

    """
    exact = copy.deepcopy(adapter)
    exact.network.to(torch.float64)
    return exact


def _grey(adapter: Adapter, codes: Codes, region: Region) -> Tensor:
    return as_rgb(adapter.region_output(codes, region))[0].mean(dim=0)
