"""BigGAN against numbers recorded from the original implementation."""

from pathlib import Path
from statistics import NormalDist
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from zoo_adapters.biggan.adapter import BigGAN

import zoo
from tests.support import families
from tests.support.golden import Golden
from tests.support.marks import mostly_long
from zoo import CheckpointError, Codes, CodesError, OptionError, UnknownNameError
from zoo.checkpoints import detect_network
from zoo.checkpoints.conversion import fold_upsample_into_conv
from zoo.testing import check_adapter, in_float64, render
from zoo.testing.network_checks import check_regions

# Relative to the largest value, in float64: the same sums in another order.
EXACT = 1e-12


def opened(state: dict[str, Tensor], **config: Any) -> BigGAN:
    found = families.opened(state, ("biggan", "ajbrock"), None, **config)
    assert isinstance(found, BigGAN)
    return found


@pytest.fixture(scope="module")
def golden() -> Golden:
    return Golden.read("biggan_ajbrock")


# Parity


def test_images(golden: Golden) -> None:
    golden.check("image", opened(golden.state).synthesize(Codes(golden.inputs["z"], golden.inputs["label"])))


def test_weights_with_their_spectral_norms_divided_out(golden: Golden) -> None:
    network = opened(golden.state).network
    golden.check("linear_weight_sn", network.start.weight)
    golden.check("blocks.0.0.bn1.gain_weight_sn", network.get_parameter("blocks.0.norm1.gain"))
    golden.check("y", network.get_parameter("embed")[golden.inputs["label"]])


def test_epsilon_is_that_of_the_blocks(golden: Golden) -> None:
    codes = Codes(golden.inputs["z"], golden.inputs["label"])
    other = opened(golden.state, epsilon=1e-4).synthesize(codes)
    deviation = float((other - golden.outputs["image"]).abs().max())
    assert deviation > golden.card["tolerance"]["out/image"]["suggested_atol"]


def test_upsampling_and_convolution_are_one_transposed_convolution() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 3, 5, 4, dtype=torch.float64, generator=generator)
    weight = torch.randn(4, 3, 3, 3, dtype=torch.float64, generator=generator)
    wanted = nn.functional.conv2d(nn.functional.interpolate(x, scale_factor=2.0), weight, padding=1)
    found = nn.functional.conv_transpose2d(x, fold_upsample_into_conv(weight), stride=2, padding=1)
    assert torch.allclose(found, wanted, rtol=0, atol=EXACT * float(wanted.abs().max()))


# A network trained with --mybn and without --G_shared; one with --G_param N and without --hier; a BigGAN-deep.
VARIANTS = {"biggan_unshared": "ajbrock", "biggan_plain": "ajbrock", "biggan_ajbrock_deep": "ajbrock-deep"}


@pytest.mark.parametrize("name", mostly_long(VARIANTS, ("biggan_unshared", "biggan_plain")))
def test_networks_of_other_options(name: str) -> None:
    golden = Golden.read(name)
    adapter = families.opened(golden.state, ("biggan", VARIANTS[name]))
    codes = Codes(golden.inputs["z"], golden.inputs["label"])
    golden.check("image", adapter.synthesize(codes))
    check_regions(adapter)
    rows = [len(part.weight) for part in adapter.projections()]
    assert (len(rows), rows[0]) == (9 if "deep" in name else 1, golden.state["linear.weight"].shape[0])


def test_statistics_of_training_on_several_devices_are_read_and_in_doubt() -> None:
    """Their sums stand elsewhere; the original multiplies by gains in training, and adds them in evaluation."""
    golden = Golden.read("biggan_unshared")
    renamed = {key.replace("bn.stored_", "bn.running_"): tensor for key, tensor in golden.state.items()}
    state = {key: tensor for key, tensor in renamed.items() if not key.endswith("accumulation_counter")}
    found = detect_network(families.families(), state, {})
    assert found.convert()[1]["in_doubt"] == ["cross_replica"]
    golden.check(
        "image",
        families.opened(state, ("biggan", "ajbrock")).synthesize(Codes(golden.inputs["z"], golden.inputs["label"])),
    )


def test_standing_statistics_are_sums() -> None:
    golden = Golden.read("biggan_unshared")
    state = {key: tensor * 16 if ".bn.stored_" in key else tensor for key, tensor in golden.state.items()}
    state |= {key: tensor + 16 for key, tensor in state.items() if key.endswith("accumulation_counter")}
    golden.check(
        "image",
        families.opened(state, ("biggan", "ajbrock")).synthesize(Codes(golden.inputs["z"], golden.inputs["label"])),
    )


# Files


@pytest.mark.long
def test_a_file_is_analysed(golden: Golden, tmp_path: Path) -> None:
    save_file(golden.state, tmp_path / "mine.safetensors")
    model = zoo.load(tmp_path / "mine.safetensors", device="cpu")
    assert (model.layout, model.card.adapter, model.adapter.space) == ("ajbrock", "biggan", zoo.LatentSpace("z", 48))
    assert model.adapter.classes == tuple("0123456789")
    assert len(zoo.analyze(model, "nullspace", region="center", label=3, unseen=0, k=2, show=1)) == 2


def test_names_of_classes(golden: Golden, tmp_path: Path) -> None:
    save_file(golden.state, tmp_path / "mine.safetensors")
    names = "one,two,three,four,five,six,seven,eight,nine,ten"
    model = zoo.load(tmp_path / "mine.safetensors", device="cpu", options={"classes": names})
    assert model.label_index("three") == 2
    with pytest.raises(OptionError, match="2 different names, but the network has 10 classes"):
        zoo.load(tmp_path / "mine.safetensors", device="cpu", options={"classes": ["a", "b"]})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("missing", r"missing: blocks\.0\.0\.conv2\.bias"),
        ("spare", r"left over: \(blocks\.0\.0\.conv9\.bias\)"),
        ("shape", r"blocks\.0\.conv2\.bias \(3,\) instead of"),
        ("matrix", "do not describe a network"),
    ],
)
def test_states_that_do_not_fit(golden: Golden, change: str, message: str) -> None:
    state = dict(golden.state)
    if change == "missing":
        del state["blocks.0.0.conv2.bias"]
    elif change == "spare":
        state["blocks.0.0.conv9.bias"] = torch.zeros(3)
    elif change == "shape":
        state["blocks.0.0.conv2.bias"] = torch.zeros(3)
    else:
        state["shared.weight"] = torch.zeros(3)
    with pytest.raises(CheckpointError, match=message):
        opened(state)


# The contract


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.long)])
def test_conformance(seed: int) -> None:
    check_adapter(BigGAN.tiny(seed), seed)


def test_the_projections_are_the_measured_first_steps() -> None:
    """Part 0 as the first dense layer, part i + 1 as the condition of block i's norms, read; in float64."""
    adapter = in_float64(BigGAN.tiny(3))
    assert isinstance(adapter, BigGAN)
    network, parts = adapter.network, adapter.projections()
    assert [part.layer for part in parts] == [0, 1, 2]
    embedded = network.get_parameter("embed")[0]

    def steps(z: Tensor) -> list[Tensor]:
        chunks = torch.split(z, [4, 3, 3])
        conditions = [torch.cat([embedded, chunk]) for chunk in chunks[1:]]
        names = [
            (f"blocks.{index}.{norm}.{kind}")
            for index in (0, 1)
            for norm in ("norm1", "norm2")
            for kind in ("gain", "bias")
        ]
        read = [network.get_parameter(name) @ conditions[int(name[7])] for name in names]
        return [network.start(chunks[0]), torch.cat(read[:4]), torch.cat(read[4:])]

    z = torch.randn(10, dtype=torch.float64)
    for part in parts:
        columns = [steps(z + axis)[part.layer] - steps(z)[part.layer] for axis in torch.eye(10, dtype=torch.float64)]
        assert torch.allclose(torch.stack(columns, dim=1), part.weight, atol=1e-14)


def test_each_direction_lies_in_one_part_of_the_code(golden: Golden) -> None:
    """The parts' rows have no column in common, so that AᵀA is block-diagonal."""
    adapter = opened(golden.state)
    rows = torch.cat([part.weight for part in adapter.projections()])
    gram = (rows.T @ rows).view(4, 12, 4, 12).abs().amax(dim=(1, 3))
    assert torch.equal(gram != 0, torch.eye(4, dtype=torch.bool))


# Codes


@pytest.mark.parametrize("truncation", [0.0, 0.3, 1.0, 2.0])
def test_truncated_codes_have_the_truncated_normal_distribution(truncation: float) -> None:
    """Each number lies at the quantile, between the bounds, at which the untruncated one of the seed lies."""
    adapter, normal = BigGAN.tiny(0), NormalDist()
    free, cut = (adapter.sample(50, torch.Generator().manual_seed(1), None, t).latents for t in (None, truncation))
    low, high = normal.cdf(-truncation), normal.cdf(truncation)
    wanted = [normal.inv_cdf(low + (high - low) * normal.cdf(number)) for number in free.flatten().tolist()]
    assert torch.allclose(cut.flatten(), torch.tensor(wanted), atol=1e-6)
    assert float(cut.abs().max()) <= truncation


def test_labels_are_drawn_or_given_and_change_the_image() -> None:
    adapter = BigGAN.tiny(0)
    codes = adapter.sample(64, torch.Generator().manual_seed(0))
    given = adapter.sample(64, torch.Generator().manual_seed(0), torch.ones(64, dtype=torch.int64))
    assert codes.labels is not None
    assert set(codes.labels.tolist()) == {0, 1, 2}
    assert torch.equal(codes.latents, given.latents)
    one, two = (render(adapter, Codes(codes.latents[:1], torch.tensor([label]))) for label in (0, 1))
    assert not torch.equal(one, two)
    with pytest.raises(CodesError, match="need labels"):
        adapter.synthesize(Codes(codes.latents))


def test_an_unknown_space(golden: Golden) -> None:
    with pytest.raises(UnknownNameError, match="space of a BigGAN"):
        BigGAN.load(opened(golden.state).network.state_dict(), {}, space="w")
