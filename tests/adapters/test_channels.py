"""Grey and RGBA networks of every architecture, against RGB ones that are known to be right, and against torch."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import zoo
from tests.support import variables
from tests.support.families import families
from tests.support.golden import Golden
from tests.support.marks import mostly_long
from zoo.checkpoints.layouts import detect_network
from zoo.core.adapter import Adapter
from zoo.core.codes import Codes
from zoo.core.region import parse_region
from zoo.testing.assertions import draw, render
from zoo.testing.network_checks import check_forward_at, check_images, check_regions, check_reverse_at

# The rows of an RGB network's last weights that make a network of so many channels.
ROWS = {1: [1], 4: [0, 1, 2, 0]}

# What the keys of the last weights are, in the canonical state and in files of each layout.
CANONICAL = r"colours?\.(\d+\.)?(weight|bias)"
LAYOUTS = {
    "pggan": r"output\d+\.(weight|bias)",
    "stylegan1": r"synthesis\.output\d+\.(weight|bias)",
    "stylegan2": r"synthesis\.output\d+\.(weight|bias)",
    "stylegan2_ada": r"synthesis\.b\d+\.torgb\.(weight|bias)",
    "stylegan2_rosinality": r"to_rgb(1|s\.\d+)\.(conv\.weight|bias)",
    "stylegan3_t": r"synthesis\.L14_32_3\.(weight|bias)",
    "stylegan3_r": r"synthesis\.L14_32_3\.(weight|bias)",
    "r3gan": r"(Model\.)?AggregationLayer\.Layer\.weight",
    "studiogan_sngan": r"conv2d5\.(weight|bias)",
    "studiogan_sngan_uncond": r"conv2d5\.(weight|bias)",
    "biggan_plain": r"output_layer\.2\.(weight|bias)",
    "stylegan_xl_stem": r"synthesis\.L5_16_3\.(weight|bias)",
    "stylegan_xl_superres": r"synthesis\.L7_32_3\.(weight|bias)",
}


def with_channels(state: dict[str, Tensor], keys: str, channels: int) -> dict[str, Tensor]:
    """Choose rows of the last weights, along their axis of three."""
    changed = dict(state)
    for key, tensor in state.items():
        if re.fullmatch(keys, key):
            axis = list(tensor.shape).index(3)
            changed[key] = tensor.index_select(axis, torch.tensor(ROWS[channels])).contiguous()
    assert any(changed[key].shape != state[key].shape for key in state)
    return changed


def open_state(state: dict[str, Tensor]) -> Adapter:
    found = detect_network(families(), state, {})
    converted, config = found.convert()
    return families()[found.family].load(converted, config)


def tiny_with_channels(family: str, channels: int) -> tuple[Adapter, Adapter]:
    """Return the family's tiny RGB network and the one that is made of its rows."""
    rgb = families()[family].tiny(0)
    state = rgb.network.state_dict()
    last = {
        "dcgan": r"convs\.2\.weight",
        "fastgan": "to_rgb",
        **dict.fromkeys(("lightweight-gan", "styleswin"), r"to_rgb\.(\d+\.)?(weight|bias)"),
    }.get(family, CANONICAL)
    config: dict[str, Any] = {"shared": True, "epsilon": 1e-5} if family == "biggan-deep" else {}
    if family in {"fastgan", "lightweight-gan"}:
        config = {"noise": "drawn"}
    if family in {"stylegan3", "stylegan-xl"}:
        plan = {"up": 4, "down": 2, "upper": 12, "lower": 6, "before": None}
        plans = [{"inside": 10, "outside": 10, **plan}, {"inside": 12, "outside": 8, **plan, "up": 2, "upper": 6}]
        config = {"plans": plans, "rate": 4, "bandwidth": 1, "clamp": 256.0, "scale": 0.25}
    if channels != 3:
        state = with_channels(state, last, channels)
    return rgb, families()[family].load(state, config)


@pytest.mark.parametrize("channels", mostly_long([1, 4], (4,)))
@pytest.mark.parametrize("family", mostly_long(sorted(families()), ("fastgan", "r3gan", "stylegan-xl")))
def test_every_architecture_draws_grey_and_rgba(family: str, channels: int) -> None:
    rgb, adapter = tiny_with_channels(family, channels)
    assert adapter.channels == channels
    codes = draw(rgb, 2, 0)
    torch.testing.assert_close(render(adapter, codes), render(rgb, codes)[:, ROWS[channels]], atol=1e-5, rtol=0)
    check_images(adapter)
    check_regions(adapter)
    region = parse_region("center", adapter.resolution)
    check_forward_at(adapter, region)
    check_reverse_at(adapter, region)


@pytest.mark.parametrize("channels", [1, 4])
@pytest.mark.parametrize("name", mostly_long(LAYOUTS, ("pggan", "stylegan2_ada", "r3gan", "studiogan_sngan")))
def test_files_of_grey_and_rgba_networks(name: str, channels: int) -> None:
    golden = Golden.read(name)
    state = with_channels(golden.state, LAYOUTS[name], channels)
    # In StyleGAN3 and StyleGAN-XL, the name of the last layer says the number of channels.
    state = {re.sub(r"(\.L\d+_\d+)_3\.", rf"\g<1>_{channels}.", key): tensor for key, tensor in state.items()}
    adapter = open_state(state)
    latents = golden.outputs.get("w_trunc", golden.inputs["z"])
    images = adapter.synthesize(Codes(latents, golden.inputs.get("label") if adapter.needs_labels else None))
    assert adapter.channels == channels
    tolerance = golden.card["tolerance"]["out/image"]["suggested_atol"]
    assert float((images - golden.outputs["image"][:, ROWS[channels]]).abs().max()) <= tolerance


@pytest.mark.parametrize(
    ("name", "family"), [("pggan", "pggan"), ("stylegan1", "stylegan"), ("stylegan2", "stylegan2")]
)
def test_grey_variables_of_tensorflow(name: str, family: str) -> None:
    golden = Golden.read(name)
    state = getattr(variables, family)(with_channels(golden.state, LAYOUTS[name], 1))
    found = detect_network(
        families(), {f"Gs.{key}": tensor for key, tensor in state.items()}, {"Gs.static_kwargs.num_channels": 1}
    )
    converted, config = found.convert()
    images = (
        families()[family].load(converted, config).synthesize(Codes(golden.outputs.get("w_trunc", golden.inputs["z"])))
    )
    tolerance = golden.card["tolerance"]["out/image"]["suggested_atol"]
    assert float((images - golden.outputs["image"][:, 1:2]).abs().max()) <= tolerance


def sequential(channels: int) -> nn.Sequential:
    """Build a DCGAN as PyTorch's example does, with statistics as after training."""
    convolution, norm = nn.ConvTranspose2d, nn.BatchNorm2d
    layers = [convolution(12, 16, 4, bias=False), norm(16), nn.ReLU()]
    layers += [convolution(16, 8, 4, 2, 1, bias=False), norm(8), nn.ReLU()]
    network = nn.Sequential(*layers, convolution(8, channels, 4, 2, 1, bias=False), nn.Tanh())
    generator = torch.Generator().manual_seed(channels)
    with torch.no_grad():
        for key, tensor in network.state_dict().items():
            if tensor.is_floating_point():
                drawn = torch.randn(tensor.shape, generator=generator)
                tensor.copy_(drawn.abs() + 0.5 if key.endswith("running_var") else drawn * 0.3)
    return network.eval()


@pytest.mark.parametrize("channels", [1, 4])
def test_a_file_is_drawn_as_torch_draws_it(channels: int, tmp_path: Path) -> None:
    network = sequential(channels)
    torch.save(network.state_dict(), tmp_path / "mine.pt")
    model = zoo.load(str(tmp_path / "mine.pt"), device="cpu")
    codes = model.sample(3)
    with torch.no_grad():
        expected = network(codes.latents[:, :, None, None])
    torch.testing.assert_close(model.adapter.synthesize(codes), expected, atol=1e-6, rtol=1e-5)
    assert model.card.channels == channels


@pytest.mark.parametrize("channels", [2, 5, 16])
def test_other_numbers_are_refused(channels: int, tmp_path: Path) -> None:
    torch.save(sequential(channels).state_dict(), tmp_path / "mine.pt")
    message = f"a dcgan of {channels} channels: zoo draws 1 \\(grey\\), 3 \\(RGB\\) and 4 \\(RGBA\\) channels"
    with pytest.raises(zoo.CheckpointError, match=message):
        zoo.load(str(tmp_path / "mine.pt"))


def test_levels_that_differ_are_refused() -> None:
    state = dict(Golden.read("stylegan2_ada").state)
    state["synthesis.b4.torgb.weight"], state["synthesis.b4.torgb.bias"] = torch.ones(1, 32, 1, 1), torch.ones(1)
    with pytest.raises(zoo.CheckpointError, match=r"colours\.0\.bias \(1,\) instead of \(3,\)"):
        open_state(state)
