"""BigGAN-deep against numbers recorded from the original implementation."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from zoo_adapters.biggan_deep.adapter import BigGANDeep
from zoo_adapters.biggan_deep.network import TruncationNorm

import zoo
from benchmarks.official import biggan_deep
from tests.support.families import families, opened
from tests.support.golden import Golden
from tests.support.marks import mostly_long
from zoo import CheckpointError, Codes, CodesError
from zoo.checkpoints.layouts import detect_checkpoint
from zoo.core.sampling import truncated
from zoo.testing import check_adapter, in_float64, render


@pytest.fixture(scope="module")
def golden() -> Golden:
    return Golden.read("biggan_deep")


@pytest.fixture(scope="module")
def adapter(golden: Golden) -> BigGANDeep:
    return load(golden.state, golden.card["config"])


def load(state: dict[str, Tensor], meta: dict[str, Any]) -> BigGANDeep:
    found = opened(state, ("biggan-deep", "huggingface"), meta)
    assert isinstance(found, BigGANDeep)
    return found


# Parity


@pytest.mark.parametrize("truncation", [None, 1.0, 0.4, 0.437, 0.14])
def test_images(golden: Golden, adapter: BigGANDeep, truncation: float | None) -> None:
    codes = Codes(golden.inputs["z"], golden.inputs["label_index"], truncation)
    golden.check("image" if truncation is None else f"image_trunc{truncation}", adapter.synthesize(codes))


def test_embedded_classes(golden: Golden, adapter: BigGANDeep) -> None:
    golden.check("embed", adapter.network.get_parameter("embed")[golden.inputs["label_index"]])


@pytest.mark.parametrize(
    ("truncation", "row"),
    [
        (0.0, 0),
        (0.02, 1),
        (0.1, 5),
        (0.4, 20),
        (1.0, 50),
        (0.437, 21.15),
        (0.99, 49.5),
        (0.14, 8),
        (0.28, 15),
        (0.58, 28),
    ],
)
def test_statistics_of_a_truncation(truncation: float, row: float) -> None:
    """Steps are weighed the other way round; in floats 0.14 and 0.28 lie above a step of 0.02, 0.58 lies below."""
    norm = TruncationNorm(0, 1, 0.0)
    norm.mean.copy_(torch.arange(51.0)[:, None])
    norm.variance.copy_(norm.mean + 100)
    mean, variance = norm.statistics(truncation)
    assert float(mean) == pytest.approx(row, abs=1e-5)
    assert float(variance) == pytest.approx(100 + row, abs=1e-4)


@pytest.mark.parametrize("truncation", [-0.1, 1.01, float("nan")])
def test_truncations_without_statistics(adapter: BigGANDeep, truncation: float) -> None:
    message = "statistics of truncations from 0 to 1"
    with pytest.raises(CodesError, match=message):
        adapter.sample(1, torch.Generator(), None, truncation)
    with pytest.raises(CodesError, match=message):
        adapter.synthesize(Codes(torch.zeros(1, 24), torch.zeros(1, dtype=torch.int64), truncation))


# Files


@pytest.mark.long
def test_a_file_is_analysed(golden: Golden, tmp_path: Path) -> None:
    """The layers of a network that is not of a released size stand in the file's metadata, as in its config.json."""
    file = tmp_path / "mine.safetensors"
    save_file(golden.state, file, metadata={"layers": json.dumps(golden.card["config"]["layers"])})
    model = zoo.load(file, device="cpu")
    assert (model.layout, model.card.adapter, model.adapter.space) == (
        "huggingface",
        "biggan-deep",
        zoo.LatentSpace("z", 24),
    )
    codes = Codes(golden.inputs["z"], golden.inputs["label_index"], 0.4)
    golden.check("image_trunc0.4", model.adapter.synthesize(codes))
    found = zoo.analyze(model, "nullspace", region="center", label=3, truncation=0.5, unseen=0, k=2, show=1)
    assert found.provenance["truncation"] == 0.5


@pytest.mark.parametrize("resolution", mostly_long([128, 256, 512], (128,)))
def test_official_sizes(resolution: int, tmp_path: Path) -> None:
    """Without a configuration every second block upsamples, and attention stands where 64² pixels are reached."""
    file = biggan_deep(resolution, width=8, classes=5).save(tmp_path / "pytorch_model.bin")
    assert detect_checkpoint(file, families()).averaged.startswith("yes")
    model = zoo.load(file, device="cpu")
    assert model.adapter.resolution == (resolution, resolution)
    assert model.adapter.space.dim == 128
    assert len(model.adapter.classes) == 5
    assert isinstance(model.adapter, BigGANDeep)
    side, attended = 4, []
    for spec in model.adapter.network.specs:
        side *= 1 + spec.upsample
        attended += [side] if spec.attention else []
    assert attended == [64]


@pytest.mark.long
def test_the_released_network_of_128_pixels_has_its_tensors() -> None:
    state = biggan_deep(128).state
    learned = [key for key in state if not key.endswith(("_u", "_v", "_means", "_vars"))]
    assert (len(state), sum(state[key].numel() for key in learned)) == (506, 50_388_609)


@pytest.mark.parametrize("written", mostly_long(["list", "text", "flat"], ("text",)))
def test_layers_of_a_configuration(golden: Golden, adapter: BigGANDeep, written: str) -> None:
    layers = golden.card["config"]["layers"]
    flat = {f"layers.{index}.{part}": value for index, row in enumerate(layers) for part, value in enumerate(row)}
    meta = {"list": {"layers": layers}, "text": {"layers": json.dumps(layers)}, "flat": flat}[written]
    found = load(golden.state, meta)
    assert all(
        torch.equal(tensor, adapter.network.state_dict()[key]) for key, tensor in found.network.state_dict().items()
    )


@pytest.mark.parametrize("layers", ["no JSON", "[[true]]", "5", [1, 2, 3, 4, 5]])
def test_layers_that_say_nothing(golden: Golden, layers: object) -> None:
    with pytest.raises(CheckpointError, match="5 blocks, but its 'layers' do not say which of them upsample"):
        load(golden.state, {"layers": layers})


KEY = "generator.layers.0.conv_2"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({f"{KEY}.bias": None}, rf"missing: {KEY}\.bias"),
        ({f"{KEY}.weight_u": None}, rf"missing: {KEY}\.weight_u"),
        ({f"{KEY}.weight_u": torch.ones(3)}, rf"{KEY} have shapes that do not fit each other"),
        (
            {"generator.layers.1.conv_1.weight_orig": torch.ones(32, 288)},
            r"layers\.1\.conv_1 have shapes that do not fit",
        ),
        ({f"{KEY}.bias": torch.ones(3)}, r"blocks\.0\.conv2\.bias \(3,\) instead of"),
        ({"generator.layers.0.conv_9.bias": torch.ones(1)}, r"left over: \(generator\.layers\.0\.conv_9\.bias\)"),
        ({"embeddings.weight": torch.ones(3)}, "do not describe a network"),
        ({"generator.bn.running_means": torch.ones(50, 8)}, r"norm\.mean \(50, 8\) instead of \(51, 8\)"),
    ],
)
def test_states_that_do_not_fit(golden: Golden, changes: dict[str, Tensor | None], message: str) -> None:
    state = {key: tensor for key, tensor in {**golden.state, **changes}.items() if tensor is not None}
    with pytest.raises(CheckpointError, match=message):
        load(state, golden.card["config"])


# The contract


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.long)])
def test_conformance(seed: int) -> None:
    check_adapter(BigGANDeep.tiny(seed), seed)


def test_the_projections_are_the_measured_first_steps() -> None:
    """The first layer, and the gains and biases of every block's normalisations, read at two codes; in float64."""
    adapter = in_float64(BigGANDeep.tiny(3))
    network, parts = adapter.network, adapter.projections()
    assert [part.layer for part in parts] == [0, 1, 2, 3]
    norms = ("narrow.norm", "norm1", "norm2", "widen.norm")

    def steps(z: Tensor) -> list[Tensor]:
        read = torch.cat([network.get_parameter("embed")[1], z])
        blocks = [
            torch.cat([network.get_parameter(f"blocks.{index}.{norm}.{kind}") @ read for norm, kind in pairs])
            for index, pairs in enumerate([[(norm, kind) for norm in norms for kind in ("gain", "bias")]] * 3)
        ]
        return [network.get_submodule("start")(read), *blocks]

    z = torch.randn(5, dtype=torch.float64)
    for part in parts:
        columns = [steps(z + axis)[part.layer] - steps(z)[part.layer] for axis in torch.eye(5, dtype=torch.float64)]
        wanted = torch.stack(columns, dim=1)
        order = torch.argsort(wanted[:, 0]), torch.argsort(part.weight[:, 0])
        assert torch.allclose(wanted[order[0]], part.weight[order[1]], atol=1e-14)


def test_projections_of_a_file_are_its_columns_of_the_code(golden: Golden, adapter: BigGANDeep) -> None:
    """The original's keys, its spectral norm divided out: the code's columns come first."""
    key = "generator.gen_z"
    weight, left, right = (golden.state[f"{key}.weight_{part}"] for part in ("orig", "u", "v"))
    columns = (weight / (left @ weight @ right))[:, :24]
    found = adapter.projections()[0].weight
    assert torch.allclose(found.T @ found, columns.T @ columns, atol=1e-5)
    assert torch.allclose(found[:16], columns[torch.arange(16) * 128], atol=1e-7)  # channel 0 at the 16 pixels


# Codes


@pytest.mark.parametrize("truncation", [None, 0.0, 0.3, 1.0])
def test_codes_are_cut_off_at_two_and_scaled(truncation: float | None) -> None:
    adapter = BigGANDeep.tiny(0)
    codes = adapter.sample(50, torch.Generator().manual_seed(1), None, truncation)
    same = torch.Generator().manual_seed(1)
    normal = torch.stack([(torch.randn(5, generator=same), torch.randint(3, (), generator=same))[0] for _ in range(50)])
    scale = 1.0 if truncation is None else truncation
    assert torch.equal(codes.latents, truncated(normal, 2.0) * scale)
    assert codes.truncation == truncation
    assert float(codes.latents.abs().max()) <= 2 * scale


def test_labels_change_the_image_and_are_needed() -> None:
    adapter = BigGANDeep.tiny(0)
    codes = adapter.sample(1, torch.Generator().manual_seed(0))
    one, two = (render(adapter, Codes(codes.latents, torch.tensor([label]))) for label in (0, 1))
    assert not torch.equal(one, two)
    with pytest.raises(CodesError, match="need labels"):
        adapter.synthesize(Codes(codes.latents))


def test_truncation_chooses_the_statistics_of_the_same_code() -> None:
    adapter = BigGANDeep.tiny(0)
    z, label = torch.zeros(1, 5), torch.tensor([0])
    plain, whole, half = (render(adapter, Codes(z, label, truncation)) for truncation in (None, 1.0, 0.5))
    assert torch.equal(plain, whole)
    assert not torch.equal(whole, half)
