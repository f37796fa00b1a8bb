"""StyleGAN3 against numbers recorded from the original implementation, configurations T and R."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode
from zoo_adapters.stylegan3 import synthesis_layer as module
from zoo_adapters.stylegan3.adapter import StyleGAN3
from zoo_adapters.stylegan3.network import StyleGAN3Generator, untrained
from zoo_adapters.stylegan3.synthesis_input import SynthesisInput

import zoo
from benchmarks.pickled import Pickled
from tests.support.containers import network, nvidia_pickle
from tests.support.contract import check_mapped_tangents
from tests.support.golden import Golden
from tests.support.linear import model_of
from tests.support.marks import mostly_long
from zoo import CheckpointError, Codes, LayersError, UnknownNameError
from zoo.checkpoints.layouts import detect_network
from zoo.core.adapter import Adapter
from zoo.core.region import parse_region
from zoo.models.export import convert, inspect_file
from zoo.nn.window import Window
from zoo.registry.registry import load_installation
from zoo.testing import check_adapter, draw, in_float64, render

FAMILIES: dict[str, type[Adapter]] = {
    name: entry.resolve() for name, entry in load_installation().plugins.adapters.items()
}
TRUNCATION = {"stylegan3_t": (0.7, None), "stylegan3_r": (0.7, 8)}

# Relative to the largest value, in float64: the same sums in another order.
EXACT = 1e-12
KINDS: dict[str, dict[str, Any]] = {"t": {}, "r": {"kernel": 1, "radial": True}}


def tiny(kind: str, seed: int, **more: Any) -> StyleGAN3Generator:
    return untrained(6, [4, 4, 3], [8, 10, 8], seed, **KINDS[kind], **more)


def opened(
    state: dict[str, Tensor], space: str | None = None, meta: dict[str, Any] | None = None, **config: Any
) -> StyleGAN3:
    found = detect_network(FAMILIES, state, meta or {})
    assert (found.family, found.layout.name) == ("stylegan3", "nvidia")
    converted, from_file = found.convert()
    return StyleGAN3.load(converted, {**json.loads(json.dumps(from_file)), **config}, space=space)


@pytest.fixture(scope="module", params=list(TRUNCATION))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def golden(name: str) -> Golden:
    return Golden.read(name)


# Parity


def test_mapping_and_input(golden: Golden) -> None:
    network = opened(golden.state).network
    golden.check("w", network.mapping(golden.inputs["z"]))
    made = network.input(golden.outputs["w_trunc"][:, 0], Window.whole((36, 36)))
    golden.check("synthesis_input", made.values)


def test_truncation(name: str, golden: Golden) -> None:
    psi, cutoff = TRUNCATION[name]
    adapter = opened(golden.state, cutoff=cutoff)
    w = adapter.network.mapping(golden.inputs["z"])
    golden.check("w_trunc", adapter._broadcast(w, psi))


def test_images_in_z(name: str, golden: Golden) -> None:
    psi, cutoff = TRUNCATION[name]
    adapter = opened(golden.state, "z", cutoff=cutoff)
    golden.check("image", adapter.synthesize(Codes(golden.inputs["z"], None, psi)))
    golden.check("image_psi1", adapter.synthesize(Codes(golden.inputs["z"])))


def test_images_in_w(golden: Golden) -> None:
    golden.check("image", opened(golden.state).synthesize(Codes(golden.outputs["w_trunc"])))


# Files


def attributes(golden: Golden) -> dict[str, dict[str, Any]]:
    """Give what the network's objects hold beside their tensors, by their path, as far as it is read."""
    made: dict[str, dict[str, Any]] = {f"mapping.fc{index}": {"bias_gain": 0.01} for index in (0, 1)}
    made |= {"synthesis": {"output_scale": 0.25}, "synthesis.input": {"sampling_rate": 16.0, "bandwidth": 2.0}}
    grown, before = golden.card["config"]["conv_kernel"] - 1, 36
    names = [key.removesuffix(".up_filter") for key in golden.state if key.endswith("up_filter")]
    for key in sorted(names, key=lambda name: int(name.split("_")[0].partition(".L")[2])):
        after = int(key.split("_")[1])
        up, down = (len(golden.state[f"{key}.{way}_filter"]) // 6 for way in ("up", "down"))
        total = (after - 1) * down + 1 - (before + grown) * up + 6 * up + 6 * down - 2
        first, before = (total + up) // 2, after
        made[key] = {"up_factor": up, "down_factor": down, "padding": [first, total - first] * 2, "conv_clamp": 256}
    return made


def settings(golden: Golden) -> dict[str, Any]:
    """Give the same as it is read from a file."""
    return {f"G_ema.{key}": value for key, value in Pickled("", {}, {}, attributes(golden)).meta.items()}


def averaged(golden: Golden) -> dict[str, Tensor]:
    """Give the state as a training's pickle has it: the raw network is another one."""
    parts = [
        {f"{prefix}{key}": tensor + index for key, tensor in golden.state.items()}
        for index, prefix in enumerate(("G_ema.", "G."))
    ]
    return {**parts[1], **parts[0]}


@pytest.mark.parametrize("name", mostly_long(TRUNCATION, ("stylegan3_t",)), scope="module")
def test_what_stands_beside_the_tensors_is_read(golden: Golden) -> None:
    state, meta, codes = averaged(golden), settings(golden), Codes(golden.outputs["w_trunc"])
    golden.check("image", opened(state).synthesize(codes))
    golden.check("image", opened(state, meta=meta).synthesize(codes))
    [padding] = [key for key in meta if key.endswith("padding.0") and ".L5_" in key]
    changes = {"synthesis.output_scale": 0.5, "synthesis.input.bandwidth": 1, "mapping.fc0.bias_gain": 0.02}
    for key, value in {**{f"G_ema.{key}": value for key, value in changes.items()}, padding: meta[padding] - 1}.items():
        adapter = opened(state, "z", {**meta, key: value})
        assert float((adapter.synthesize(Codes(golden.inputs["z"])) - golden.outputs["image_psi1"]).abs().max()) > 0.01


@pytest.mark.parametrize("name", mostly_long(TRUNCATION, ("stylegan3_t",)), scope="module")
def test_a_training_pickle_is_read(golden: Golden, tmp_path: Path) -> None:
    kind, config = "training.networks_stylegan3.Generator", golden.card["config"]
    networks = {
        name: network(
            {key: tensor + off for key, tensor in golden.state.items()},
            kind,
            init_kwargs=config,
            attributes=attributes(golden),
        )
        for name, off in (("G", 1), ("G_ema", 0))
    }
    (tmp_path / "network-snapshot.pkl").write_bytes(nvidia_pickle(networks))
    model = zoo.load(tmp_path / "network-snapshot.pkl", device="cpu")
    assert (model.layout, model.card.adapter) == ("nvidia", "stylegan3")
    golden.check("image", model.adapter.synthesize(Codes(golden.outputs["w_trunc"])))


@pytest.mark.parametrize("name", mostly_long(TRUNCATION, ("stylegan3_t",)), scope="module")
def test_activations_are_cut_off_where_the_network_did(golden: Golden) -> None:
    first = next(key for key in settings(golden) if key.endswith("conv_clamp"))
    codes = Codes(golden.outputs["w_trunc"])
    images = {bound: opened(averaged(golden), meta={first: bound}).synthesize(codes) for bound in (None, 256, 0.5)}
    assert torch.equal(images[None], images[256])
    assert 0.1 < float(images[0.5].abs().max()) <= 0.125


@pytest.mark.parametrize("name", mostly_long(TRUNCATION, ("stylegan3_t",)), scope="module")
def test_a_file_is_converted_and_analysed(golden: Golden, tmp_path: Path) -> None:
    save_file(golden.state, tmp_path / "mine.safetensors")
    found = convert(
        inspect_file(str(tmp_path / "mine.safetensors"), load_installation()), tmp_path / "found.safetensors"
    )
    model = zoo.load(found, device="cpu")
    assert (model.layout, model.card.adapter, model.card.space) == ("nvidia", "stylegan3", "w")
    golden.check("image", model.adapter.synthesize(Codes(golden.outputs["w_trunc"])))
    directions = zoo.analyze(model, "lowrank", region="box:0.4,0.4,0.2,0.2", layers="2-3", unseen=0, k=2, show=1)
    assert directions.layers == (2, 3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("missing", r"missing: synthesis\.L5_52_24\.bias"),
        ("spare", r"left over: \(synthesis\.L5_52_24\.noise_strength\)"),
        ("shape", r"layers\.5\.bias \(3,\) instead of"),
        ("mapping", r"also has mapping\.fc0\.weight"),
        ("last", r"the last layers that it has: synthesis\.L12_52_16, synthesis\.L13_32_16"),
        ("padding", "between maps of 38 and 36 points"),
        ("factor", "between maps of 38 and 36 points"),
        ("taps", r"filters of synthesis\.L5_52_24 have 24 and 11 taps, which lead to no rate"),
        ("text", "do not describe a network"),
    ],
)
def test_states_that_do_not_fit(change: str, message: str) -> None:
    state, meta = dict(Golden.read("stylegan3_t").state), dict[str, Any]()
    if change == "missing":
        del state["synthesis.L5_52_24.bias"]
    elif change == "spare":
        state["synthesis.L5_52_24.noise_strength"] = torch.ones(())
    elif change == "shape":
        state["synthesis.L5_52_24.bias"] = torch.ones(3)
    elif change == "mapping":
        state = {key: tensor for key, tensor in state.items() if not key.startswith("mapping.fc")}
    elif change == "last":
        state = {key: tensor for key, tensor in state.items() if ".L14_" not in key}
    elif change == "padding":
        meta["synthesis.L1_36_24.padding.0"] = 30
    elif change == "taps":
        state["synthesis.L5_52_24.down_filter"] = state["synthesis.L5_52_24.down_filter"][1:]
    elif change == "factor":
        meta["synthesis.L1_36_24.up_factor"] = 0
    else:
        meta["synthesis.L1_36_24.down_factor"] = "two"
    with pytest.raises(CheckpointError, match=message):
        opened(state, meta=meta)


# The contract


@pytest.mark.parametrize("kind", mostly_long(KINDS, ("r",)))
def test_conformance(kind: str) -> None:
    check_adapter(StyleGAN3(tiny(kind, 0)), 0)


@pytest.mark.long
@pytest.mark.parametrize("space", ["w", "z"])
def test_conformance_of_a_conditional_network(space: str) -> None:
    check_adapter(StyleGAN3(tiny("t", 2, classes=3), space), 1)


def test_the_projections_are_the_measured_first_steps() -> None:
    """Row by row, as pose and styles change by a step along each axis; in float64. The pose stands apart."""
    adapter = in_float64(StyleGAN3.tiny(3))
    assert isinstance(adapter, StyleGAN3)
    network = adapter.network
    parts = adapter.projections()
    assert [(part.layer, part.geometric) for part in parts] == [(0, True), (1, False), (2, False), (3, False)]
    w = torch.randn(6, dtype=torch.float64)
    for part, step in zip(parts, [network.input, *network.layers, network.to_rgb], strict=True):
        affine = step.get_submodule("affine")
        measured = torch.stack([affine(w + axis) - affine(w) for axis in torch.eye(6, dtype=torch.float64)], dim=1)
        assert torch.allclose(measured, part.weight, atol=1e-14)


def test_sefa_reads_the_pose_only_where_it_is_asked_for() -> None:
    adapter = StyleGAN3.tiny(0)
    model = model_of(adapter)
    usual, without = (zoo.analyze(model, "sefa", layers=layers, k=6, unseen=0) for layers in (None, "1-3"))
    assert torch.equal(usual.vectors, without.vectors)
    assert usual.provenance["projections"] == [1, 2, 3]
    pose = zoo.analyze(model, "sefa", layers="0", k=6, unseen=0)
    assert len(pose) == 4  # cosine, sine and two shifts
    assert zoo.analyze(model, "sefa", layers="0-3", unseen=0).provenance["projections"] == [0, 1, 2, 3]
    with pytest.raises(LayersError):
        zoo.analyze(model, "sefa", layers="4", unseen=0)


def test_each_row_of_w_reaches_its_layer_only() -> None:
    """A move of the last row leaves the maps as they are; one of row i changes layer i - 1, and the pose is row 0."""
    adapter = StyleGAN3.tiny(0)
    codes = draw(adapter, 1, 0)
    network = adapter.network
    for row in range(4):
        moved = adapter.move(codes, torch.ones(6), (row,)).latents
        seen: list[bool] = []
        for read, step in enumerate([network.input, *network.layers, network.to_rgb]):
            affine = step.get_submodule("affine")
            seen.append(not torch.equal(affine(moved[:, read]), affine(codes.latents[:, read])))
        assert seen == [read == row for read in range(4)]
        assert not torch.equal(adapter.synthesize(Codes(moved)), adapter.synthesize(codes))


def turned(pose: list[float], transform: Tensor | None = None) -> Tensor:
    """Compute the first map of an untrained network in a pose (cosine, sine, two shifts), the same for every w."""
    network = in_float64(StyleGAN3.tiny(5)).network
    assert isinstance(network, StyleGAN3Generator) and isinstance(network.input, SynthesisInput)
    network.input.affine.weight.zero_()
    network.input.affine.bias.copy_(torch.tensor(pose))
    network.input.transform.copy_(torch.eye(3) if transform is None else transform)
    made: Tensor = network.input(torch.zeros(1, 6, dtype=torch.float64), Window.whole((8, 8))).values
    return made


def test_the_pose_turns_and_shifts_the_input() -> None:
    """A quarter turn and a shift by whole points are exact; the scale of a pose does not matter."""
    upright = turned([1, 0, 0, 0])
    assert torch.allclose(turned([0, 1, 0, 0]), upright.rot90(1, (2, 3)), atol=1e-12)  # out(x, y) = in(-y, x)
    assert torch.allclose(turned([3, 0, 0, 0]), upright, atol=1e-12)
    shifted = turned([2, 0, 2 * 0.5, -2 * 0.25])  # 4 points a unit: two to the right, one up
    assert torch.allclose(shifted[..., :-1, 2:], upright[..., 1:, :-2], atol=1e-12)
    transform = torch.tensor([[1.0, 0, -0.5], [0, 1, 0.25], [0, 0, 1]])
    assert torch.allclose(turned([1, 0, 0, 0], transform), shifted, atol=1e-12)


REGIONS = ["box:0,0,1,1", "box:7,7,1,1", "box:3,4,1,1", "box:0,2,2,5", "box:2,3,4,3", "not:left"]


@pytest.mark.parametrize("text", [*REGIONS, "box:0,0,2,2+box:5,6,3,1"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_region_is_the_cut_of_the_image(kind: str, text: str) -> None:
    adapter = in_float64(StyleGAN3(tiny(kind, 1)))
    codes, region = draw(adapter, 2, 0), parse_region(text, adapter.resolution)
    images = adapter.synthesize(codes).flatten(2)
    found = adapter.region_output(codes, region)
    assert torch.allclose(found, images[..., region.pixels], rtol=0, atol=EXACT * float(images.abs().max()))


@pytest.mark.parametrize("kind", mostly_long(KINDS, ("r",)))
def test_layers_are_computed_in_pieces(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of one channel and one row, or of more of each, instead of all at once."""
    adapter = in_float64(StyleGAN3(tiny(kind, 1)))
    codes, region = draw(adapter, 2, 0), parse_region("box:1,2,5,4", adapter.resolution)
    whole, part = render(adapter, codes), adapter.region_output(codes, region)
    for piece, channels in ((1, 1), (300, 2), (2000, 3)):
        monkeypatch.setattr(module, "_MOST_NUMBERS", piece)
        monkeypatch.setattr(module, "_CHANNELS", channels)
        assert torch.allclose(render(adapter, codes), whole, rtol=0, atol=EXACT * float(whole.abs().max()))
        assert torch.allclose(adapter.region_output(codes, region), part, rtol=0, atol=EXACT * float(whole.abs().max()))


def test_a_small_region_costs_little() -> None:
    """Multiplications of 1 % of the pixels, by torch's own count, against those of the whole image."""
    adapter = StyleGAN3(untrained(8, [8] * 5, [40, 60, 100, 180, 160], 0))
    codes = draw(adapter, 1, 0)
    counts = {}
    for text in ("all", "box:0.4,0.4,0.1,0.1"):
        with FlopCounterMode(display=False) as counter:
            adapter.region_output(codes, parse_region(text, adapter.resolution))
        counts[text] = counter.get_total_flops()
    assert counts["box:0.4,0.4,0.1,0.1"] <= 0.15 * counts["all"]


@pytest.mark.parametrize("space", ["w", "z"])
def test_forward_mode_can_be_mapped_over_tangents(space: str) -> None:
    check_mapped_tangents(StyleGAN3(tiny("r" if space == "w" else "t", 0, classes=3 if space == "z" else 0), space))


def test_an_unknown_space() -> None:
    with pytest.raises(UnknownNameError, match="there are: w, z"):
        opened(Golden.read("stylegan3_t").state, "s")


def test_the_untrained_network_depends_on_its_seed_alone() -> None:
    one, again, other = (tiny("r", seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(one[key], again[key]) for key in one)
    assert not all(torch.equal(one[key], other[key]) for key in one)
