"""lightweight-gan against numbers recorded from the original package, in evaluation mode."""

from pathlib import Path

import pytest
import torch
from torch import Tensor
from zoo_adapters.fastgan.lightweight_adapter import LightweightGAN

import zoo
from tests.support.families import families, opened
from tests.support.golden import Golden
from tests.support.linear import model_of
from tests.support.marks import mostly_long
from zoo import CheckpointError, Codes, UnknownNameError
from zoo.checkpoints import detect_network
from zoo.core.region import parse_region
from zoo.testing import check_adapter

LAYOUT = ("lightweight-gan", "lightweight-gan")

# Filters, both attentions and contexts; frequencies, in RGBA; upsampling and attention of version 0.20.8, and
# upsampling of version 0.21.0.
RECORDED = {
    "lightweight_gan": (128, "box:40,64,16,32"),
    "lightweight_gan_frequencies": (128, "box:40,64,16,32"),
    "lightweight_gan_0.20": (16, "box:0,0,16,16"),
    "lightweight_gan_0.21": (16, "box:0,0,16,16"),
}


@pytest.fixture(scope="module", params=RECORDED)
def golden(request: pytest.FixtureRequest) -> Golden:
    return Golden.read(request.param)


def part(adapter: zoo.Adapter, golden: Golden) -> Tensor:
    """Render the recorded part alone."""
    region = parse_region(RECORDED[golden.name][1], adapter.resolution)
    return adapter.region_output(Codes(golden.inputs["z"]), region).view(golden.outputs["image"].shape)


def test_images(golden: Golden) -> None:
    adapter = opened(golden.state, LAYOUT)
    side = RECORDED[golden.name][0]
    assert (adapter.resolution, adapter.space.dim) == ((side, side), 6)
    assert adapter.channels == (4 if "frequencies" in golden.name else 3)
    rows = slice(40, 56) if side == 128 else slice(None)
    columns = slice(64, 96) if side == 128 else slice(None)
    golden.check("image", adapter.synthesize(Codes(golden.inputs["z"]))[..., rows, columns])
    golden.check("image", part(adapter, golden))


@pytest.mark.parametrize("name", ["lightweight_gan", "lightweight_gan_frequencies"])
def test_noise_is_drawn_once(name: str) -> None:
    golden = Golden.read(name)
    golden.check("image_noise", part(opened(golden.state, LAYOUT, noise="drawn", noise_seed=3), golden))


@pytest.mark.parametrize(
    ("version", "upsampling"), [("0.21.3", "bilinear"), ("0.21.4", "nearest"), ("0.22.0", "nearest"), (None, None)]
)
def test_upsampling_without_weights_is_told_by_the_version_or_in_doubt(
    version: str | None, upsampling: str | None
) -> None:
    state = Golden.read("lightweight_gan").state
    state = {key: tensor for key, tensor in state.items() if ".0.0.net." not in key}
    found = detect_network(families(), state, {"version": version} if version else {})
    config = found.convert()[1]
    assert config == (
        {"upsampling": upsampling} if version else {"assumed": {"upsampling": "nearest"}, "in_doubt": ["upsampling"]}
    )


def test_attention_of_old_versions_is_refused() -> None:
    with pytest.raises(CheckpointError, match=r"of version 0\.20\.4, whose attention normalises otherwise"):
        opened(Golden.read("lightweight_gan_0.20").state, LAYOUT, {"version": "0.20.4"})


@pytest.mark.parametrize("whole", mostly_long([True, False], (True,)))
def test_of_a_training_checkpoint_the_average_is_read(golden: Golden, whole: bool, tmp_path: Path) -> None:
    """Beside the trained network and the discriminator, in the trainer's file or as a bare state dict."""
    state = {f"GE.{key}": tensor for key, tensor in golden.state.items()}
    state |= {f"G.{key}": tensor * 0 for key, tensor in golden.state.items()}
    state["D.to_logits.0.weight"] = torch.ones(2)
    version = golden.card["commit"].split()[-1]
    torch.save({"GAN": state, "version": version, "G_scaler": {}} if whole else state, tmp_path / "model_3.pt")
    model = zoo.load(tmp_path / "model_3.pt", device="cpu")
    assert (model.card.adapter, model.layout) == LAYOUT
    golden.check("image", part(model.adapter, golden))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layers.0.0.2.1.weight": torch.zeros(16, 8, 4, 5)}, "does not fit"),
        ({"layers.1.0.4.running_var": None}, "layers.1.0.4.running_var"),
        ({"layers.1.2.fn.to_kv.weight": None}, "layers.1.2.fn.to_kv.weight"),
        ({"layers.1.1.net.4.bias": torch.ones(2)}, r"left over: \(layers\.1\.1\.net\.4\.bias\)"),
        ({"out_conv.bias": torch.full((3,), torch.nan)}, "not finite"),
    ],
)
def test_states_that_do_not_fit(change: dict[str, Tensor | None], message: str) -> None:
    state = {**Golden.read("lightweight_gan").state, **change}
    with pytest.raises(CheckpointError, match=message):
        opened({key: tensor for key, tensor in state.items() if tensor is not None}, LAYOUT)


def test_an_unknown_space() -> None:
    with pytest.raises(UnknownNameError, match="space of a lightweight-gan"):
        LightweightGAN.load({}, {}, space="w")


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.long)])
def test_conformance(seed: int) -> None:
    check_adapter(LightweightGAN.tiny(seed), seed)


@pytest.mark.long
def test_it_is_analysed() -> None:
    model = model_of(LightweightGAN.tiny(1))
    assert len(zoo.analyze(model, "lowrank", region="box:0.4,0.4,0.1,0.1", k=2, unseen=1, show=1)) == 2
