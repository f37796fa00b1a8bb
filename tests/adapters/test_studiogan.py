"""StudioGAN's generators against numbers recorded from the original implementation."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn.functional import pad
from zoo_adapters.studiogan.adapter import StudioGAN

import zoo
from benchmarks.official import STUDIOGAN, studiogan
from tests.support.families import families, opened
from tests.support.golden import Golden
from tests.support.marks import mostly_long
from zoo import CheckpointError, Codes, CodesError, OptionError
from zoo.checkpoints.layouts import detect_network
from zoo.core.adapter import Adapter
from zoo.testing import check_adapter, draw, render

PACKS = [
    f"studiogan_{name}" for name in ("sngan", "sngan_uncond", "sagan", "biggan", "bigdeep_legacy", "bigdeep_studiogan")
]
KINDS = {
    "sngan": "resnet",
    "sagan": "resnet",
    "biggan": "big-resnet",
    "biggan-deep-legacy": "big-resnet-deep-legacy",
    "biggan-deep-studiogan": "big-resnet-deep-studiogan",
}


def load(state: dict[str, Tensor], layout: str) -> StudioGAN:
    found = opened(state, ("studiogan", layout))
    assert isinstance(found, StudioGAN)
    return found


def backbone(golden: Golden) -> str:
    return str(golden.card["config"]["backbone"]).replace("_", "-")


def codes_of(golden: Golden, adapter: Adapter) -> Codes:
    return Codes(golden.inputs["z"], golden.inputs["label"] if adapter.needs_labels else None)


@pytest.fixture(scope="module", params=PACKS)
def pack(request: pytest.FixtureRequest) -> tuple[Golden, StudioGAN]:
    golden = Golden.read(request.param)
    return golden, load(golden.state, backbone(golden))


# Parity


def test_images(pack: tuple[Golden, StudioGAN]) -> None:
    golden, adapter = pack
    golden.check("image", adapter.synthesize(codes_of(golden, adapter)))


def test_the_first_weight_with_its_spectral_norm_divided_out(pack: tuple[Golden, StudioGAN]) -> None:
    golden, adapter = pack
    golden.check("linear0_weight_effective", adapter.network.start.weight)


def test_embedded_classes(pack: tuple[Golden, StudioGAN]) -> None:
    """Blocks of a resnet read the class itself, those of an unconditional one nothing."""
    golden, adapter = pack
    if "y" in golden.outputs:
        golden.check("y", adapter.network.get_parameter("embed")[golden.inputs["label"]])
    elif adapter.classes:
        assert torch.equal(adapter.network.get_parameter("embed"), torch.eye(10))
    else:
        assert adapter.network.embed is None


def test_epsilon_is_that_of_the_original(pack: tuple[Golden, StudioGAN], monkeypatch: pytest.MonkeyPatch) -> None:
    golden, _ = pack
    monkeypatch.setattr(StudioGAN, "epsilon", 1e-5)
    other = load(golden.state, backbone(golden))
    deviation = (other.synthesize(codes_of(golden, other)) - golden.outputs["image"]).abs().max()
    assert float(deviation) > golden.card["tolerance"]["out/image"]["suggested_atol"]


# Files


@pytest.mark.parametrize("prefix", ["", "state_dict."])
@pytest.mark.parametrize("name", PACKS)
def test_a_checkpoint_is_of_one_layout(name: str, prefix: str) -> None:
    golden = Golden.read(name)
    state = {prefix + key: tensor for key, tensor in golden.state.items()}
    found = detect_network(families(), {**state, "optimizer.state.0.step": torch.zeros(())}, {})
    assert (found.family, found.layout.name) == ("studiogan", backbone(golden))


@pytest.mark.parametrize("name", mostly_long(PACKS, ("studiogan_sagan",)))
def test_a_safetensors_file_is_read_whatever_the_order_of_its_keys(name: str, tmp_path: Path) -> None:
    golden = Golden.read(name)
    save_file(golden.state, tmp_path / "mine.safetensors")
    model = zoo.load(tmp_path / "mine.safetensors", device="cpu")
    golden.check("image", model.adapter.synthesize(codes_of(golden, model.adapter)))


@pytest.mark.parametrize("name", ["studiogan_sngan", "studiogan_sagan"])
def test_classes_of_older_checkpoints_are_embedded(name: str) -> None:
    """A gain or bias (channels, classes) was an embedding (classes, channels); its norm's vectors changed places."""
    golden = Golden.read(name)
    state = dict(golden.state)
    for key in [key for key in state if ".gain." in key or ".bias.weight" in key]:
        older = key.replace(".gain.", ".embed0.").replace(".bias.", ".embed1.")
        older = f"{older[:-1]}{'vu'['uv'.index(key[-1])]}" if key.endswith(("_u", "_v")) else older
        state[older] = state.pop(key).movedim(0, -1)
    golden.check("image", load(state, "resnet").synthesize(Codes(golden.inputs["z"], golden.inputs["label"])))


@pytest.mark.parametrize("resolution", mostly_long([32, 64, 128, 256, 512], (64,)))
@pytest.mark.parametrize("kind", mostly_long(STUDIOGAN, {*STUDIOGAN} - {"biggan-deep-legacy"}))
def test_sizes_of_the_original_are_inferred_from_shapes(kind: str, resolution: int, tmp_path: Path) -> None:
    """Which blocks of a deep network upsample is inferred from where its channels change."""
    file = studiogan(kind, resolution, width=8, classes=5).save(tmp_path / "model=G-best-weights-step=1.pth")
    model = zoo.load(file, device="cpu")
    assert (model.layout, model.adapter.resolution) == (KINDS[kind], (resolution, resolution))
    assert isinstance(model.adapter, StudioGAN)
    blocks = model.adapter.network.specs
    stages = resolution.bit_length() - 3
    depth = len(blocks) // stages
    assert [block.upsample for block in blocks] == [index % depth == depth - 1 for index in range(stages * depth)]
    attends = [index // depth for index, block in enumerate(blocks) if block.attention]
    assert attends == ([] if kind == "sngan" else [1 if resolution == 32 else 3])
    dim = {"sngan": 128, "sagan": 128, "biggan": 20 * (stages + 1)}.get(kind, 128)
    assert (model.adapter.space.dim, len(model.adapter.classes)) == (dim, 5)


def test_a_checkpoint_is_analysed(tmp_path: Path) -> None:
    file = studiogan("biggan", 32, width=2, classes=4).save(tmp_path / "model=G_ema-best-weights-step=1.pth")
    model = zoo.load(file, device="cpu", options={"classes": "cat,dog,frog,bird"})
    assert model.label_index("frog") == 2
    assert len(zoo.analyze(model, "sefa", label="frog", show=1)) > 0
    with pytest.raises(OptionError, match="2 different names, but the network has 4 classes"):
        zoo.load(file, device="cpu", options={"classes": ["a", "b"]})


KEY = "blocks.0.0.conv2d2"


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("studiogan_sngan", {f"{KEY}.weight": None}, rf"missing: {KEY}\.weight"),
        ("studiogan_sagan", {f"{KEY}.weight_u": None}, rf"missing: {KEY}\.weight_u"),
        ("studiogan_sagan", {f"{KEY}.weight_u": torch.ones(3)}, rf"{KEY} have shapes that do not fit each other"),
        ("studiogan_sngan", {f"{KEY}.bias": torch.ones(3)}, r"blocks\.0\.conv2\.bias \(3,\) instead of"),
        ("studiogan_biggan", {f"{KEY}.scale": torch.ones(3)}, rf"left over: \({KEY}\.scale\)"),
        ("studiogan_biggan", {"shared.weight": torch.ones(3)}, "do not describe a network"),
        ("studiogan_biggan", {"shared.weight": torch.ones(0, 24)}, "a network: embed is empty"),
        ("studiogan_bigdeep_legacy", {"shared.weight": None}, r"missing: shared\.weight"),
        ("studiogan_bigdeep_legacy", {"blocks.2.0.bn1.bn.running_mean": None}, r"missing: blocks\.2\.0\.bn1"),
        (
            "studiogan_bigdeep_studiogan",
            {"blocks.1.0.conv2d0.weight_v": None},
            r"missing: blocks\.1\.0\.conv2d0\.weight_v",
        ),
        ("studiogan_biggan", {"info_mix_linear.bias": torch.ones(3)}, r"left over: \(info_mix_linear\.bias\)"),
    ],
)
def test_states_that_do_not_fit(name: str, changes: dict[str, Tensor | None], message: str) -> None:
    golden = Golden.read(name)
    state = {key: tensor for key, tensor in {**golden.state, **changes}.items() if tensor is not None}
    with pytest.raises(CheckpointError, match=message):
        load(state, backbone(golden))


# Unconditional networks


def test_an_unconditional_big_resnet_reads_parts_of_the_code_alone() -> None:
    """It equals a conditional one whose embedding is 0; no weight has a spectral norm here."""
    state = dict(studiogan("biggan", 32, width=2, classes=4).state)
    for key in [key for key in state if key.endswith("weight_orig")]:
        name = key.removesuffix("_orig")
        state[name] = state.pop(key)
        del state[f"{name}_u"], state[f"{name}_v"]
    conditional = load({**state, "shared.weight": torch.zeros(4, 128)}, "big-resnet")
    del state["shared.weight"]
    for key in [key for key in state if key.endswith(("gain.weight", "bias.weight"))]:
        state[key] = state[key][:, 128:]
    adapter = load(state, "big-resnet")
    assert not adapter.needs_labels
    assert adapter.space == conditional.space
    codes = draw(adapter, 2, 0)
    wanted = conditional.synthesize(Codes(codes.latents, torch.tensor([0, 3])))
    assert torch.allclose(adapter.synthesize(codes), wanted, atol=1e-6)
    for ours, theirs in zip(adapter.projections(), conditional.projections(), strict=True):
        assert torch.equal(ours.weight, theirs.weight)


def test_an_unconditional_network_draws_no_labels() -> None:
    adapter = load(Golden.read("studiogan_sngan_uncond").state, "resnet")
    assert adapter.sample(2, torch.Generator().manual_seed(0)).labels is None


# The contract


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.long)])
def test_conformance(seed: int) -> None:
    check_adapter(StudioGAN.tiny(seed), seed)


def test_projections_are_the_columns_of_the_code(pack: tuple[Golden, StudioGAN]) -> None:
    """Of a resnet only the first layer reads it, of a BigGAN each a part of 12 numbers, of a deep one each the whole.

    The class's columns stand before them.
    """
    golden, adapter = pack
    dim, found = adapter.space.dim, adapter.projections()
    width = 12 if backbone(golden) == "big-resnet" else dim
    start = golden.outputs["linear0_weight_effective"][:, -width:]
    assert torch.allclose(found[0].weight, pad(start, (0, dim - width)), atol=1e-6)
    if backbone(golden) == "resnet":
        assert len(found) == 1
        return
    for block in (0, 1):
        norms = [f"blocks.{block}.0.bn{norm}" for norm in range(1, 5 if "deep" in backbone(golden) else 3)]
        keys = [f"{norm}.{kind}" for norm in norms for kind in ("gain", "bias")]
        rows = torch.cat([effective(golden.state, key)[:, -width:] for key in keys])
        before = (block + 1) * width % dim
        assert found[block + 1].layer == block + 1
        assert torch.allclose(found[block + 1].weight, pad(rows, (before, dim - width - before)), atol=1e-6)


def effective(state: dict[str, Tensor], key: str) -> Tensor:
    weight, left, right = (state[f"{key}.weight_{part}"] for part in ("orig", "u", "v"))
    return weight / (left @ weight @ right)


def test_labels_are_needed_and_change_the_image() -> None:
    adapter = StudioGAN.tiny(0)
    codes = draw(adapter, 1, 0)
    one, two = (render(adapter, Codes(codes.latents, torch.tensor([label]))) for label in (0, 1))
    assert not torch.equal(one, two)
    with pytest.raises(CodesError, match="need labels"):
        adapter.synthesize(Codes(codes.latents))
