"""Layers computed on windows, against the cut of the whole layer."""

import doctest
from itertools import product
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional
from zoo_adapters.dcgan.adapter import DCGAN

from zoo.core.adapter import Adapter
from zoo.core.region import Region, parse_region
from zoo.nn import local_layers, stored_names
from zoo.nn.local_layers import (
    BilinearUpsample,
    Convolution,
    Kernel,
    LocalLayer,
    NearestUpsample,
    TransposedConvolution,
)
from zoo.nn.window import Patch, Window
from zoo.testing import draw, in_float64

# Relative to the largest value, in float64: a convolution of fewer pixels may sum in another order, nothing else.
EXACT = 1e-12

LAYERS: list[LocalLayer] = [
    Convolution(1),
    Convolution(3, padding=1),
    Convolution(4, padding=1),
    Convolution(5, padding=2),
    Convolution(3, padding=1, stride=2),
    TransposedConvolution(4),
    TransposedConvolution(3, stride=2),
    TransposedConvolution(4, padding=1, stride=2),
    TransposedConvolution(3, padding=1),
    Convolution(3, padding=1, along="rows"),
    Convolution(4, padding=1, stride=2, along="columns"),
    TransposedConvolution(4, padding=1, stride=2, along="rows"),
    TransposedConvolution(5, padding=4, stride=2, along="columns"),
    NearestUpsample(),
    NearestUpsample(3),
    BilinearUpsample(),
    BilinearUpsample(3),
]
SIZE = (7, 6)


def weight_of(layer: Kernel, groups: int) -> Tensor:
    """Draw positive weights for two channels, of one tap across the axis that the layer does not act along."""
    taps = [1 if layer.along == other else layer.kernel for other in ("columns", "rows")]
    return torch.rand(2, 2 // groups, *taps, dtype=torch.float64, generator=seeded()) + 0.1


def compute(layer: LocalLayer, x: Patch, wanted: Window, groups: int = 1) -> Patch:
    """Apply a layer with fixed random weights of two channels."""
    if isinstance(layer, NearestUpsample | BilinearUpsample):
        return layer(x, wanted)
    assert isinstance(layer, Kernel)
    return layer(x, wanted, weight_of(layer, groups), torch.tensor([0.5, -0.5], dtype=torch.float64), groups)


def whole(layer: LocalLayer, x: Tensor, groups: int = 1) -> Tensor:
    """Apply it by torch's own function alone."""
    if isinstance(layer, NearestUpsample | BilinearUpsample):
        return functional.interpolate(
            x, scale_factor=layer.factor, mode="nearest" if isinstance(layer, NearestUpsample) else "bilinear"
        )
    assert isinstance(layer, Kernel)
    function = functional.conv2d if isinstance(layer, Convolution) else functional.conv_transpose2d
    bias = torch.tensor([0.5, -0.5], dtype=torch.float64)
    still = [layer.along == other for other in ("columns", "rows")]
    stride, padding = (
        [idle if one else value for one in still] for idle, value in ((1, layer.stride), (0, layer.padding))
    )
    return function(x, weight_of(layer, groups), bias, stride, padding, groups=groups)


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def windows(size: tuple[int, int]) -> list[Window]:
    """List windows in the middle, at every border and corner, of one pixel, and the whole."""
    height, width = size
    rows = [(0, height), (0, 1), (0, 3), (height - 1, height), (height - 2, height), (2, 4), (3, 4)]
    columns = [(0, width), (0, 2), (width - 1, width), (2, 3), (1, width - 1)]
    return [Window(one, two) for one, two in product(rows, columns)]


def cut(values: Tensor, window: Window) -> Tensor:
    return values[..., slice(*window.rows), slice(*window.columns)]


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("layer", LAYERS, ids=str)
def test_a_window_of_a_layer_is_the_cut_of_the_whole_layer(layer: LocalLayer, groups: int) -> None:
    x = torch.randn(2, 2, *SIZE, dtype=torch.float64, generator=seeded())
    image = whole(layer, x, groups)
    for wanted in windows((image.shape[-2], image.shape[-1])):
        needed = layer.input_window(wanted, SIZE)
        found = compute(layer, Patch(cut(x, needed), needed), wanted, groups)
        assert found.window == wanted
        assert torch.allclose(found.values, cut(image, wanted), rtol=0, atol=EXACT * float(image.abs().max()))


@pytest.mark.parametrize("layer", LAYERS, ids=str)
def test_what_a_window_reads_is_what_the_derivative_says(layer: LocalLayer) -> None:
    """All weights are positive, so that an input that is read has a derivative; bilinear ones may be zero."""
    x = torch.randn(1, 2, *SIZE, dtype=torch.float64, generator=seeded()).requires_grad_()
    image = whole(layer, x)
    for wanted in windows((image.shape[-2], image.shape[-1])):
        [slope] = torch.autograd.grad(cut(image, wanted).sum(), x, retain_graph=True)
        used = Window.around(Region("used", (slope[0, 0] != 0).numpy()))
        needed = layer.input_window(wanted, SIZE)
        assert needed | used == needed
        assert isinstance(layer, BilinearUpsample) or needed == used


@pytest.mark.parametrize(
    "layer",
    [Convolution(4, 2, 2), Convolution(3, 1), TransposedConvolution(4, 1, 2), TransposedConvolution(6, 2, 4)],
    ids=str,
)
def test_a_filter_along_one_axis_after_the_other_is_one_of_both(layer: Kernel) -> None:
    x = torch.randn(2, 2, *SIZE, dtype=torch.float64, generator=seeded())
    taps = torch.rand(layer.kernel, dtype=torch.float64, generator=seeded())
    square = torch.outer(taps, taps)
    function = functional.conv2d if isinstance(layer, Convolution) else functional.conv_transpose2d
    image = function(x, square.expand(2, 1, -1, -1), None, layer.stride, layer.padding, groups=2)
    for wanted in windows((image.shape[-2], image.shape[-1])):
        needed = layer.input_window(wanted, SIZE)
        for kernel in (taps, square):
            found = layer.filter(Patch(cut(x, needed), needed), wanted, kernel)
            assert found.window == wanted
            assert torch.allclose(found.values, cut(image, wanted), rtol=0, atol=EXACT * float(image.abs().max()))


@pytest.mark.parametrize("text", ["box:1,2,3,1", "box:0,0,1,1+box:6,5,1,1", "not:box:2,2,3,3", "all"])
def test_the_pixels_of_a_region_come_in_row_major_order(text: str) -> None:
    image, region = torch.arange(2 * 42).view(1, 2, *SIZE), parse_region(text, SIZE)
    window = Window.around(region)
    assert torch.equal(Patch.whole(image).crop(window).pixels(region), image.flatten(2)[..., region.pixels])


def test_windows_are_joined() -> None:
    assert Window((1, 3), (4, 5)) | Window((2, 6), (0, 1)) == Window((1, 6), (0, 5))


REGIONS = [
    *("all", "center", "box:0,0,1,1", "box:15,15,1,1", "box:0,15,1,1", "box:7,7,1,1", "box:0,3,2,9", "box:13,0,3,16"),
    *("box:5,6,4,7", "not:center", "box:0,0,2,2+box:14,14,2,2", "box:3,3,9,9", "box:1,14,14,2"),
]


@pytest.mark.parametrize("text", REGIONS)
def test_a_dcgan_renders_a_region_as_the_cut_of_the_image(text: str) -> None:
    adapter = in_float64(DCGAN.tiny(1))
    assert_region_is_cut(adapter, parse_region(text, adapter.resolution))


def test_masks_with_holes() -> None:
    adapter = in_float64(DCGAN.tiny(1))
    for seed in range(5):
        mask = np.random.default_rng(seed).random(adapter.resolution) < 0.05 * (seed + 1)
        assert_region_is_cut(adapter, Region("speckled", mask))


def assert_region_is_cut(adapter: Adapter, region: Region) -> None:
    codes = draw(adapter, 2, 0)
    images = adapter.synthesize(codes).flatten(2)
    found = adapter.region_output(codes, region)
    assert torch.allclose(found, images[..., region.pixels], rtol=0, atol=EXACT * float(images.abs().max()))


@pytest.mark.parametrize("module", [local_layers, stored_names], ids=lambda module: module.__name__)
def test_the_examples_in_docstrings_hold(module: ModuleType) -> None:
    found = doctest.testmod(module, raise_on_error=False)
    assert found.attempted > 0 == found.failed
