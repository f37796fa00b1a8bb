"""PGGAN against numbers recorded from genforce's implementation."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from zoo_adapters.pggan.adapter import PGGAN
from zoo_adapters.pggan.network import untrained

import zoo
from tests.support import containers, variables
from tests.support.contract import (
    REGIONS,
    check_cut,
    check_mapped_tangents,
    check_released_directions,
    layout_of,
    share_of_work,
)
from tests.support.families import families
from tests.support.golden import Golden
from tests.support.marks import mostly_long
from zoo import CheckpointError, Codes, CodesError, UnknownNameError
from zoo.checkpoints.layouts import detect_network
from zoo.core.region import parse_region
from zoo.jacobian.columns import jacobian
from zoo.models.export import convert, inspect_file
from zoo.registry.registry import load_installation
from zoo.testing import check_adapter, draw, in_float64, render

FUSED = {"pggan": False, "pggan_fused": True}
LODS = {"image": 0.0, "image_lod1": 1.0, "image_lod0.4": 0.4}


def opened(state: dict[str, Tensor], meta: dict[str, Any] | None = None, **config: Any) -> PGGAN:
    found = detect_network(families(), state, meta or {})
    assert found.family == "pggan"
    converted, from_file = found.convert()
    return PGGAN.load(converted, {**from_file, **config})


@pytest.fixture(scope="module", params=list(FUSED))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def golden(name: str) -> Golden:
    return Golden.read(name)


@pytest.fixture(scope="module")
def official(name: str, golden: Golden) -> dict[str, Tensor]:
    """The same network in the official file's variables, which tell by a name that layers are fused."""
    return {f"Gs.{key}": tensor for key, tensor in variables.pggan(golden.state, fused=FUSED[name]).items()}


# Parity


@pytest.mark.parametrize("output", list(LODS))
def test_images(name: str, golden: Golden, output: str) -> None:
    adapter = opened(golden.state, fused=FUSED[name], lod=LODS[output])
    golden.check(output, adapter.synthesize(Codes(golden.inputs["z"])))


@pytest.mark.parametrize("output", list(LODS))
def test_images_of_the_official_variables(golden: Golden, official: dict[str, Tensor], output: str) -> None:
    state = {**official, "Gs.lod": torch.tensor(LODS[output])}
    assert layout_of(state) == ("pggan", "tensorflow")
    golden.check(output, opened(state).synthesize(Codes(golden.inputs["z"])))


def test_codes_are_normalised(golden: Golden) -> None:
    adapter = opened(golden.state)
    golden.check("z_normalized", adapter.normalize(Codes(golden.inputs["z"])).latents)
    drawn = adapter.sample(3, torch.Generator().manual_seed(0)).latents
    assert torch.allclose(drawn.square().mean(dim=1), torch.ones(3), atol=1e-6)
    assert torch.allclose(adapter.normalize(Codes(drawn)).latents, drawn, atol=1e-6)


def test_shapes_tell_fused_layers_where_channels_differ() -> None:
    """A plain convolution is a fused one of the flipped weight, its inputs and outputs in the other order."""
    golden = Golden.read("pggan")
    state = dict(golden.state)
    for index in (2, 4, 6):
        state[f"layer{index}.weight"] = state[f"layer{index}.weight"].flip(2, 3).transpose(0, 1).contiguous()
    golden.check("image", opened(state).synthesize(Codes(golden.inputs["z"])))
    with pytest.raises(CheckpointError, match=r"doubles\.2\.weight \(16, 32, 4, 4\) instead of \(32, 16, 4, 4\)"):
        opened(state, fused=False)


def test_sefa_gives_the_released_directions(name: str, golden: Golden, data: Path) -> None:
    adapter = opened(golden.state, fused=FUSED[name])
    check_released_directions(adapter, data / "pggan_sefa.safetensors", "all", f"{name}/")


def test_an_edit_gives_the_released_image(name: str, golden: Golden, data: Path) -> None:
    """Three times the first direction; the image's tolerance twice."""
    reference = load_file(data / "pggan_sefa.safetensors")
    adapter = opened(golden.state, fused=FUSED[name])
    codes = adapter.normalize(Codes(golden.inputs["z"]))
    moved = adapter.move(codes, 3 * reference[f"{name}/all/boundaries"][0])
    deviation = (adapter.synthesize(moved) - reference[f"{name}/edit_all_0_d3/image"]).abs().max()
    assert float(deviation) <= 2 * golden.card["tolerance"]["out/image"]["suggested_atol"]


# Files


@pytest.mark.parametrize("layout", ["genforce", "tensorflow"])
def test_the_averaged_network_of_a_training_checkpoint_is_taken(layout: str, tmp_path: Path) -> None:
    golden = Golden.read("pggan")
    plain = golden.state if layout == "genforce" else variables.pggan(golden.state)
    average, other = ("generator_smooth.", "generator.") if layout == "genforce" else ("Gs.", "G.")
    state = {f"{part}{key}": tensor + (part == other) for key, tensor in plain.items() for part in (average, other)}
    torch.save(state, tmp_path / "training.pt")
    model = zoo.load(tmp_path / "training.pt", device="cpu")
    assert model.layout == layout
    golden.check("image", model.adapter.synthesize(Codes(golden.inputs["z"])))


@pytest.mark.parametrize("version", [2, None])
def test_an_official_pickle(name: str, golden: Golden, version: int | None, tmp_path: Path) -> None:
    arrays = {key: tensor.numpy() for key, tensor in variables.pggan(golden.state, fused=FUSED[name]).items()}
    settings = {"num_channels": 3, "label_size": 0, "fmap_max": 32, "fused_scale": FUSED[name]}
    content = containers.tensorflow_pickle(arrays, settings, version=version, build_func_name="G_paper")
    (tmp_path / "karras.pkl").write_bytes(content)
    model = zoo.load(tmp_path / "karras.pkl", device="cpu")
    assert (model.card.adapter, model.layout) == ("pggan", "tensorflow")
    golden.check("image", model.adapter.synthesize(Codes(golden.inputs["z"])))
    growing = zoo.load(tmp_path / "karras.pkl", device="cpu", options={"lod": 0.4})
    golden.check("image_lod0.4", growing.adapter.synthesize(Codes(golden.inputs["z"])))


def test_a_converted_file_keeps_what_is_fused(golden: Golden, official: dict[str, Tensor], tmp_path: Path) -> None:
    save_file({key: tensor.contiguous() for key, tensor in official.items()}, tmp_path / "official.safetensors")
    found = inspect_file(tmp_path / "official.safetensors", load_installation())
    convert(found, tmp_path / "mine.safetensors")
    model = zoo.load(tmp_path / "mine.safetensors", device="cpu")
    golden.check("image", model.adapter.synthesize(Codes(golden.inputs["z"])))


def test_a_file_is_analysed_and_its_codes_are_normalised(tmp_path: Path) -> None:
    golden = Golden.read("pggan")
    save_file(golden.state, tmp_path / "mine.safetensors")
    model = zoo.load(tmp_path / "mine.safetensors", device="cpu")
    assert (model.layout, model.card.adapter, model.card.space) == ("genforce", "pggan", "z")
    assert zoo.analyze(model, "lowrank", region="center", unseen=0, k=2, show=1).layers is None
    save_file({"latents": golden.inputs["z"]}, tmp_path / "z.safetensors")
    golden.check("z_normalized", model.read_codes(tmp_path / "z.safetensors").latents)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layer3.bias": None}, r"missing: layer3\.bias"),
        ({"label_weight": torch.ones(3, 3)}, r"left over: \(label_weight\)"),
        ({"layer3.bias": torch.ones(3)}, r"of another shape: "),
        (
            {"lod": torch.tensor(4.0)},
            "the level of detail 4 is out of range: .* from 0 to 3",
        ),
        ({"lod": torch.ones(2)}, "lod is not a finite number"),
        ({"output1.weight": torch.ones(1, 32, 1, 1)}, r"colours\.1\.weight \(1, 32, 1, 1\) instead of"),
    ],
)
def test_states_that_do_not_fit(change: dict[str, Tensor | None], message: str) -> None:
    changed = {**Golden.read("pggan").state, **change}
    with pytest.raises(CheckpointError, match=message):
        opened({key: tensor for key, tensor in changed.items() if tensor is not None})


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        ("label_size", 10, "made with label_size 10, which is not supported: only 0 is"),
        ("use_pixelnorm", False, "use_pixelnorm False"),
    ],
)
def test_networks_that_were_made_otherwise(setting: str, value: Any, message: str) -> None:
    state = variables.pggan(Golden.read("pggan").state)
    state = {f"Gs.{key}": tensor for key, tensor in state.items()}
    with pytest.raises(CheckpointError, match=message):
        opened(state, {f"Gs.static_kwargs.{setting}": value})


# The contract


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.long)])
def test_conformance(seed: int) -> None:
    check_adapter(PGGAN.tiny(seed), seed)


@pytest.mark.parametrize("lod", mostly_long([0.4, 1.0, 1.7], (1.7,)))
def test_conformance_of_a_growing_network(lod: float) -> None:
    check_adapter(PGGAN(untrained(6, [4, 4, 3], 0, lod)))


def test_the_projection_is_the_measured_first_step() -> None:
    """What the first map changes by, before it is activated, as a normalised code takes a step along each axis."""
    network = PGGAN.tiny(3).network.double()
    [part] = PGGAN(network).projections()
    z = torch.randn(12, dtype=torch.float64)
    steps = [network.start(z + axis) - network.start(z) for axis in torch.eye(12, dtype=torch.float64)]
    assert torch.allclose(torch.stack(steps, dim=1), part.weight, atol=1e-14)


def test_a_step_along_the_code_changes_nothing() -> None:
    adapter = in_float64(PGGAN.tiny(0))
    code = draw(adapter, 1, 0)
    rows = jacobian(adapter, code, parse_region("all", adapter.resolution))
    assert float((rows @ code.latents[0]).norm()) <= 1e-7 * float(rows.norm() * code.latents.norm())


@pytest.mark.parametrize("text", [*REGIONS, "box:0,0,2,2+box:9,9,3,1"])
@pytest.mark.parametrize("lod", [0.0, 0.4, 1.0])
def test_a_region_is_the_cut_of_the_image(lod: float, text: str) -> None:
    check_cut(PGGAN(untrained(8, [6, 5, 4], 1, lod)), text)


def test_a_small_region_costs_little() -> None:
    """5 % of the pixels."""
    adapter = PGGAN(untrained(16, [32, 32, 32, 32, 32], 0))
    assert share_of_work(adapter, "box:0.4,0.4,0.22,0.22") <= 0.15


def test_forward_mode_can_be_mapped_over_tangents() -> None:
    check_mapped_tangents(PGGAN.tiny(0))


# Options


def test_a_level_of_detail_beyond_the_network() -> None:
    with pytest.raises(CheckpointError, match=r"detail 3\.5 is out of range: .* from 0 to 3"):
        opened(Golden.read("pggan").state, lod=3.5)


def test_there_is_no_truncation() -> None:
    with pytest.raises(CodesError, match="a PGGAN has no truncation"):
        PGGAN.tiny(0).sample(1, torch.Generator(), truncation=0.5)


def test_an_unknown_space() -> None:
    with pytest.raises(UnknownNameError, match="space of a PGGAN"):
        PGGAN.load({}, {}, space="w")


def test_the_untrained_network_depends_on_its_seed_alone() -> None:
    one, again, other = (PGGAN.tiny(seed) for seed in (1, 1, 2))
    codes = draw(one, 1, 0)
    assert torch.equal(render(one, codes), render(again, codes))
    assert not torch.equal(render(one, codes), render(other, codes))
