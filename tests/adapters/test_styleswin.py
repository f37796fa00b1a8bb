"""StyleSwin against numbers recorded from the original implementation."""

from pathlib import Path

import pytest
import torch
from torch import Tensor
from zoo_adapters.styleswin.adapter import StyleSwin
from zoo_adapters.styleswin.blocks import LevelSpec
from zoo_adapters.styleswin.network import untrained

import zoo
from tests.support.families import opened
from tests.support.golden import Golden
from tests.support.linear import model_of
from tests.support.marks import mostly_long
from zoo import CheckpointError, Codes, UnknownNameError
from zoo.core.region import parse_region
from zoo.testing import check_adapter

LAYOUT = ("styleswin", "styleswin")

# Regular and shifted windows, at 32x32 pixels; without biases of queries, and windows of the whole map of 16x16.
RECORDED = {"styleswin": (32, 8), "styleswin_variant": (16, 6)}


@pytest.fixture(scope="module", params=RECORDED)
def golden(request: pytest.FixtureRequest) -> Golden:
    return Golden.read(request.param)


def test_images(golden: Golden) -> None:
    adapter = opened(golden.state, LAYOUT)
    side, rows = RECORDED[golden.name]
    assert (adapter.resolution, adapter.space) == ((side, side), zoo.LatentSpace("w", 16, rows))
    w = adapter.network.get_submodule("mapping")(golden.inputs["z"])
    golden.check("w", w)
    golden.check("image", adapter.synthesize(Codes(w[:, None].expand(-1, rows, -1))))


@pytest.mark.parametrize("golden", mostly_long(RECORDED, ("styleswin_variant",)), indirect=True, scope="module")
def test_a_region_is_the_cut_of_the_image(golden: Golden) -> None:
    adapter = opened(golden.state, LAYOUT)
    codes = adapter.sample(2, torch.Generator().manual_seed(0))
    for text in ("all", "box:0,5,3,4", "box:9,0,7,16"):
        region = parse_region(text, adapter.resolution)
        cut = adapter.synthesize(codes).flatten(2)[..., torch.from_numpy(region.pixels)]
        torch.testing.assert_close(adapter.region_output(codes, region), cut, atol=1e-5, rtol=0)


@pytest.mark.parametrize("golden", mostly_long(RECORDED, ("styleswin_variant",)), indirect=True, scope="module")
def test_a_training_checkpoint_is_read(golden: Golden, tmp_path: Path) -> None:
    """The average beside the trained network, the discriminator and the optimizers; masks are computed anew."""
    trained = {key: tensor * 0 for key, tensor in golden.state.items()}
    discriminator = {"convs.0.0.weight": torch.ones(2, 3, 1, 1)}
    content = {"g": trained, "d": discriminator, "g_ema": golden.state, "g_optim": {"state": {}}}
    torch.save(content, tmp_path / "FFHQ.pt")
    model = zoo.load(tmp_path / "FFHQ.pt", space="z", device="cpu")
    assert (model.card.adapter, model.layout) == LAYOUT
    golden.check("image", model.adapter.synthesize(Codes(golden.inputs["z"])))


def test_directions_of_sefa_are_those_of_both_normalisations(golden: Golden) -> None:
    adapter = opened(golden.state, LAYOUT)
    parts = adapter.projections()
    assert [part.layer for part in parts] == list(range(adapter.space.layers))
    stored = [golden.state[f"layers.1.blocks.1.norm{number}.style.weight"] / 4 for number in (1, 2)]
    torch.testing.assert_close(parts[3].weight, torch.cat(stored))


@pytest.mark.parametrize("golden", mostly_long(RECORDED, ("styleswin_variant",)), indirect=True, scope="module")
def test_grey_files_are_read_and_their_statistics_are_in_doubt(golden: Golden, tmp_path: Path) -> None:
    def first(key: str, tensor: Tensor) -> Tensor:
        if not key.startswith("to_rgbs."):
            return tensor
        return tensor[:, :1] if tensor.shape[:2] == (1, 3) else tensor[:1] if len(tensor) == 3 else tensor

    torch.save({key: first(key, tensor) for key, tensor in golden.state.items()}, tmp_path / "grey.pt")
    model = zoo.load(tmp_path / "grey.pt", space="z", device="cpu")
    assert (model.adapter.channels, model.assumed["image_statistics"]) == (1, "mean 0.5, spread 0.5")
    # From 2 (0.229 x + 0.485) − 1 to x.
    grey = (golden.outputs["image"][:, :1] + 1 - 2 * 0.485) / (2 * 0.229)
    torch.testing.assert_close(model.adapter.synthesize(Codes(golden.inputs["z"])), grey, atol=1e-3, rtol=0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layers.1.blocks.0.qkv.weight": None}, "layers.1.blocks.0.qkv.weight"),
        ({"to_rgbs.1.upsample.kernel": torch.ones(4, 4)}, "is not the filter 1, 3, 3, 1"),
        ({"layers.2.blocks.0.attn.0.relative_position_bias_table": torch.ones(49, 3)}, "does not fit|make no network"),
        ({"layers.1.blocks.2.qkv.weight": torch.ones(2)}, r"left over: \(layers\.1\.blocks\.2"),
    ],
)
def test_states_that_do_not_fit(change: dict[str, Tensor | None], message: str) -> None:
    state = {**Golden.read("styleswin").state, **change}
    with pytest.raises(CheckpointError, match=message):
        opened({key: tensor for key, tensor in state.items() if tensor is not None}, LAYOUT)


def test_an_unknown_space() -> None:
    with pytest.raises(UnknownNameError, match="space of a StyleSwin"):
        StyleSwin.load({}, {}, space="s")


def test_conformance() -> None:
    """Of codes of 4 x 4 numbers: the checks move one number after the other."""
    specs = [LevelSpec(8, window=4, hidden=2), LevelSpec(8, window=4, hidden=2, biased=False)]
    check_adapter(StyleSwin(untrained(4, specs, 0)), 0)


@pytest.mark.long
def test_conformance_of_the_tiny_network() -> None:
    check_adapter(StyleSwin.tiny(0), 0)


@pytest.mark.long
def test_it_is_analysed() -> None:
    model = model_of(StyleSwin.tiny(1))
    assert len(zoo.analyze(model, "lowrank", region="box:0.4,0.4,0.2,0.2", k=2, unseen=1, show=1)) == 2
