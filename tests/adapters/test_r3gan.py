"""R3GAN against numbers recorded from the original implementation."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode
from zoo_adapters.r3gan.adapter import R3GAN
from zoo_adapters.r3gan.network import R3GANGenerator, Stage, untrained

import zoo
from tests.support.containers import network, plain_class_pickle
from tests.support.contract import check_mapped_tangents
from tests.support.golden import Golden
from tests.support.marks import mostly_long
from zoo import CheckpointError, Codes, CodesError, OptionError, UnknownNameError
from zoo.checkpoints.layouts import detect_network
from zoo.core.adapter import Adapter
from zoo.core.region import parse_region
from zoo.models.export import convert, inspect_file
from zoo.nn.window import Patch, Window
from zoo.registry.registry import load_installation
from zoo.testing import check_adapter, draw, in_float64

FAMILIES: dict[str, type[Adapter]] = {
    name: entry.resolve() for name, entry in load_installation().plugins.adapters.items()
}

# Relative to the largest value, in float64: the same sums in another order.
EXACT = 1e-12


def tiny(seed: int, *, classes: int = 0) -> R3GANGenerator:
    return untrained(seed, 6, [8, 8, 4], blocks=1, embedding_dim=3 if classes else 0, classes=classes)


def opened(state: dict[str, Tensor], space: str | None = None) -> R3GAN:
    found = detect_network(FAMILIES, state, {})
    assert (found.family, found.layout.name) == ("r3gan", "r3gan")
    return R3GAN.load(*found.convert(), space=space)


@pytest.fixture(scope="module")
def golden() -> Golden:
    return Golden.read("r3gan")


# Parity and files


def test_images(golden: Golden) -> None:
    golden.check("image", opened(golden.state).synthesize(Codes(golden.inputs["z"])))


def test_the_first_stage(golden: Golden) -> None:
    """Its blocks read the basis, scaled by a linear map of z."""
    network = opened(golden.state).network
    first = network.stages[0]
    assert isinstance(first, Stage)
    scaled = network.start(golden.inputs["z"])[:, :, None, None] * network.basis
    golden.check("stage0", first(Patch.whole(scaled), first.windows(Window.whole((4, 4)), 4)[0]).values)


@pytest.mark.parametrize("prefix", ["G_ema.", "G.", ""])
def test_the_averaged_network_is_taken(golden: Golden, prefix: str) -> None:
    parts = [("G_ema.", 0), ("G.", 1)] if prefix == "G_ema." else [(prefix, 0)]
    state = {f"{part}{key}": tensor + off for part, off in parts for key, tensor in golden.state.items()}
    golden.check("image", opened(state).synthesize(Codes(golden.inputs["z"])))


@pytest.mark.parametrize(
    "module", mostly_long(["training.networks", "training.networks_baseline"], ("training.networks_baseline",))
)
def test_a_training_pickle_is_read(golden: Golden, module: str, tmp_path: Path) -> None:
    """Its networks are ordinary objects, of classes that were renamed."""
    networks = {
        name: network(
            {key: tensor + off for key, tensor in golden.state.items()},
            f"{module}.Generator",
            attributes={"": {"z_dim": 48, "c_dim": 0, "img_resolution": 16}},
            persistent=False,
        )
        for name, off in (("G", 1), ("G_ema", 0))
    }
    (tmp_path / "network-snapshot-final.pkl").write_bytes(plain_class_pickle(networks))
    model = zoo.load(tmp_path / "network-snapshot-final.pkl", device="cpu")
    assert (model.layout, model.card.adapter) == ("r3gan", "r3gan")
    golden.check("image", model.adapter.synthesize(Codes(golden.inputs["z"])))


def test_a_file_is_converted_and_analysed(golden: Golden, tmp_path: Path) -> None:
    save_file(golden.state, tmp_path / "mine.safetensors")
    found = convert(
        inspect_file(str(tmp_path / "mine.safetensors"), load_installation()), tmp_path / "found.safetensors"
    )
    model = zoo.load(found, device="cpu")
    assert (model.layout, model.card.adapter, model.card.space) == ("r3gan", "r3gan", "z")
    golden.check("image", model.adapter.synthesize(Codes(golden.inputs["z"])))
    assert len(zoo.analyze(model, "sefa", unseen=0, k=3)) == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("missing", r"missing: MainLayers\.1\.Layers\.1\.NonLinearity2\.Bias"),
        ("spare", r"left over: \(MainLayers\.2\.Layers\.3\.Scale\)"),
        ("shape", r"stages\.1\.blocks\.0\.mix\.bias \(3,\) instead of \(96,\)"),
        ("groups", "do not describe a network"),
        ("stages", "left over"),
    ],
)
def test_states_that_do_not_fit(golden: Golden, change: str, message: str) -> None:
    state = dict(golden.state)
    if change == "missing":
        del state["Model.MainLayers.1.Layers.1.NonLinearity2.Bias"]
    elif change == "spare":
        state["Model.MainLayers.2.Layers.3.Scale"] = torch.ones(3)
    elif change == "shape":
        state["Model.MainLayers.1.Layers.1.NonLinearity2.Bias"] = torch.ones(3)
    elif change == "groups":
        state["Model.MainLayers.1.Layers.1.LinearLayer2.Layer.weight"] = torch.ones(96, 0, 3, 3)
    else:
        del state["Model.MainLayers.2.Layers.1.LinearLayer1.Layer.weight"]
    with pytest.raises(CheckpointError, match=message):
        opened(state)


# The contract


@pytest.mark.parametrize("classes", mostly_long([0, 3], (3,)))
def test_conformance(classes: int) -> None:
    check_adapter(R3GAN(tiny(0, classes=classes)), 0)


def test_the_projection_is_the_measured_first_step() -> None:
    """As the first map changes by a step of z along each axis, whatever the label; in float64."""
    adapter = in_float64(R3GAN(tiny(3, classes=3)))
    assert isinstance(adapter, R3GAN)
    network = adapter.network
    first: list[Tensor] = []
    handle = network.stages[0].register_forward_pre_hook(lambda _, inputs: first.append(inputs[0].values.flatten()))
    z = torch.randn(6, dtype=torch.float64)
    for step in (torch.zeros(6), *torch.eye(6)):
        adapter.synthesize(Codes((z + step)[None], torch.tensor([1])))
    handle.remove()
    [part] = adapter.projections()
    measured = torch.stack([one - first[0] for one in first[1:]], dim=1)
    assert (part.layer, tuple(part.weight.shape)) == (0, (8 * 16, 6))
    assert torch.allclose(measured, part.weight, atol=1e-14)


def test_a_label_is_read_through_its_embedding() -> None:
    network = tiny(1, classes=3)
    adapter = R3GAN(network, classes=("a", "b", "c"))
    codes = draw(adapter, 2, 0)
    assert adapter.needs_labels
    assert adapter.classes == ("a", "b", "c")
    one, two = (adapter.synthesize(Codes(codes.latents, torch.full((2,), label))) for label in (0, 2))
    assert not torch.allclose(one, two)
    assert network.embed is not None
    network.embed[2] = network.embed[0]
    assert torch.equal(adapter.synthesize(Codes(codes.latents, torch.full((2,), 2))), one)
    with pytest.raises(CodesError, match="its codes need labels"):
        adapter.synthesize(Codes(codes.latents))


def test_truncation_is_refused() -> None:
    with pytest.raises(OptionError, match=r"truncation 0\.7: an R3GAN has none"):
        R3GAN.tiny(0).sample(1, torch.Generator(), None, 0.7)


def test_an_unknown_space(golden: Golden) -> None:
    with pytest.raises(UnknownNameError, match="there are: z"):
        opened(golden.state, "w")


REGIONS = ["box:0,0,1,1", "box:15,15,1,1", "box:7,8,1,1", "box:0,3,2,9", "box:5,6,4,7", "box:2,0,9,2", "not:left"]


@pytest.mark.parametrize("text", [*REGIONS, "box:0,0,2,2+box:9,9,3,1"])
def test_a_region_is_the_cut_of_the_image(text: str) -> None:
    adapter = in_float64(R3GAN.tiny(1))
    codes, region = draw(adapter, 2, 0), parse_region(text, adapter.resolution)
    images = adapter.synthesize(codes).flatten(2)
    found = adapter.region_output(codes, region)
    assert torch.allclose(found, images[..., region.pixels], rtol=0, atol=EXACT * float(images.abs().max()))


def test_a_small_region_costs_little() -> None:
    """Multiplications of 5 % of the pixels, by torch's own count, against those of the whole image."""
    adapter = R3GAN(untrained(0, 8, [16] * 5))
    codes = draw(adapter, 1, 0)
    counts = {}
    for text in ("all", "box:0.4,0.4,0.22,0.22"):
        with FlopCounterMode(display=False) as counter:
            adapter.region_output(codes, parse_region(text, adapter.resolution))
        counts[text] = counter.get_total_flops()
    assert counts["box:0.4,0.4,0.22,0.22"] <= 0.2 * counts["all"]


def test_forward_mode_can_be_mapped_over_tangents() -> None:
    check_mapped_tangents(R3GAN.tiny(0))


def test_the_untrained_network_depends_on_its_seed_alone() -> None:
    one, again, other = (tiny(seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(one[key], again[key]) for key in one)
    assert not all(torch.equal(one[key], other[key]) for key in one)
