"""FastGAN against numbers recorded from the original implementation, in evaluation mode."""

from pathlib import Path

import pytest
import torch
from torch import Tensor
from zoo_adapters.fastgan.adapter import FastGAN

import zoo
from tests.support.families import families, opened
from tests.support.golden import Golden
from tests.support.linear import model_of
from zoo import CheckpointError, Codes, UnknownNameError
from zoo.checkpoints import detect_checkpoint
from zoo.core.region import parse_region
from zoo.testing import check_adapter

# Rows and columns of the recorded part of the image.
PART = "box:96,128,16,32"


@pytest.fixture(scope="module")
def golden() -> Golden:
    return Golden.read("fastgan")


def part(adapter: zoo.Adapter, golden: Golden) -> Tensor:
    """Render the recorded part alone."""
    region = parse_region(PART, adapter.resolution)
    pixels = adapter.region_output(Codes(golden.inputs["z"]), region)
    return pixels.view(*pixels.shape[:2], 16, 32)


def test_images(golden: Golden) -> None:
    adapter = opened(golden.state, ("fastgan", "fastgan"))
    assert (adapter.resolution, adapter.space.dim) == ((256, 256), 16)
    whole = adapter.synthesize(Codes(golden.inputs["z"]))
    golden.check("image", whole[..., 96:112, 128:160])
    golden.check("image", part(adapter, golden))


def test_noise_is_drawn_once(golden: Golden) -> None:
    golden.check("image_noise", part(opened(golden.state, ("fastgan", "fastgan"), noise="drawn", noise_seed=3), golden))


def test_a_training_checkpoint_is_read(golden: Golden, tmp_path: Path) -> None:
    """Beside the discriminator, and with the prefix of several devices; a smaller image is left out."""
    state = {f"module.{key}": tensor for key, tensor in golden.state.items()}
    torch.save({"g": state, "d": {"module.down_4.main.0.weight_orig": torch.ones(2)}}, tmp_path / "all_1000.pth")
    model = zoo.load(tmp_path / "all_1000.pth", device="cpu")
    assert (model.card.adapter, model.layout) == ("fastgan", "fastgan")
    golden.check("image", part(model.adapter, golden))
    bounded = zoo.load(tmp_path / "all_1000.pth", device="cpu", options={"output_activation": "tanh"}).adapter
    assert torch.allclose(part(bounded, golden), torch.tanh(part(model.adapter, golden)), atol=1e-6)


def test_the_average_of_a_training_checkpoint_is_a_list_without_names(golden: Golden, tmp_path: Path) -> None:
    """Its tensors are those of ``parameters()``; the statistics are those of the trained network."""
    buffers = ("running_mean", "running_var", "weight_u", "weight_v", "num_batches_tracked")
    trained = {
        f"module.{key}": tensor if key.endswith(buffers) else tensor + 0.1 for key, tensor in golden.state.items()
    }
    average = [tensor for key, tensor in golden.state.items() if not key.endswith(buffers)]
    torch.save({"g": trained, "g_ema": average, "d": {"x": torch.ones(2)}}, tmp_path / "all_2.pth")
    assert detect_checkpoint(tmp_path / "all_2.pth", families()).averaged == "yes: g_ema, not g"
    golden.check("image", part(zoo.load(tmp_path / "all_2.pth", device="cpu").adapter, golden))
    torch.save({"g": trained, "g_ema": average[1:], "d": {"x": torch.ones(2)}}, tmp_path / "all_3.pth")
    assert detect_checkpoint(tmp_path / "all_3.pth", families()).averaged == "no: the file holds g only"


@pytest.mark.parametrize("channels", [1, 4])
def test_grey_and_transparent_images(channels: int, golden: Golden) -> None:
    """Their last convolution has so many rows; here, those of an RGB network, whose spectral norm is divided out."""
    rgb = opened(golden.state, ("fastgan", "fastgan"))
    rows = [0, 1, 2, 0][:channels]
    state = {key: tensor for key, tensor in golden.state.items() if not key.startswith("to_big.")}
    state["to_big.weight"] = rgb.network.get_parameter("to_rgb")[rows]
    adapter = opened(state, ("fastgan", "fastgan"))
    assert adapter.channels == channels
    torch.testing.assert_close(part(adapter, golden), part(rgb, golden)[:, rows], atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"feat_32.5.weight_orig": None}, "feat_32.5.weight"),
        ({"se_64.main.3.weight_orig": None}, "se_64.main.3.weight"),
        ({"feat_64.9.bias": torch.ones(2)}, r"left over: \(feat_64\.9\.bias\)"),
        ({"feat_256.2.bias": torch.ones(3)}, "feat_256.2"),
    ],
)
def test_states_that_do_not_fit(change: dict[str, Tensor | None], message: str, golden: Golden) -> None:
    state = {key: tensor for key, tensor in {**golden.state, **change}.items() if tensor is not None}
    with pytest.raises(CheckpointError, match=message):
        opened(state, ("fastgan", "fastgan"))


def test_an_unknown_space(golden: Golden) -> None:
    with pytest.raises(UnknownNameError, match="space of a FastGAN"):
        FastGAN.load(golden.state, {}, space="w")


def test_conformance() -> None:
    check_adapter(FastGAN.tiny(0), 0)


def test_it_is_analysed() -> None:
    directions = zoo.analyze(model_of(FastGAN.tiny(1)), "lowrank", region="box:0.4,0.4,0.1,0.1", k=2, unseen=1, show=1)
    assert len(directions) == 2
