"""StyleGAN against numbers recorded from genforce's implementation."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn.functional import leaky_relu
from zoo_adapters.stylegan.adapter import StyleGAN
from zoo_adapters.stylegan.network import StyleGANGenerator, untrained

import zoo
from tests.support import containers, variables
from tests.support.contract import REGIONS, check_cut, check_mapped_tangents, check_released_directions, layout_of
from tests.support.families import families
from tests.support.golden import Golden
from zoo import CheckpointError, Codes, OptionError, UnknownNameError
from zoo.checkpoints.layouts import detect_network
from zoo.cli import run
from zoo.testing import check_adapter, draw, in_float64, render

PSI, CUTOFF = 0.7, 5


def opened(
    state: dict[str, Tensor], space: str | None = None, meta: dict[str, Any] | None = None, **config: Any
) -> StyleGAN:
    found = detect_network(families(), state, meta or {})
    assert found.family == "stylegan"
    converted, from_file = found.convert()
    return StyleGAN.load(converted, {**from_file, **config}, space=space)


@pytest.fixture(scope="module")
def golden() -> Golden:
    return Golden.read("stylegan1")


@pytest.fixture(scope="module", params=["genforce", "tensorflow"])
def state(request: pytest.FixtureRequest, golden: Golden) -> dict[str, Tensor]:
    return golden.state if request.param == "genforce" else official(golden)


def official(golden: Golden) -> dict[str, Tensor]:
    """The same network in the official file's variables."""
    return {f"Gs.{key}": tensor for key, tensor in variables.stylegan(golden.state).items()}


# Parity


def test_layouts(golden: Golden) -> None:
    assert layout_of(golden.state) == ("stylegan", "genforce")
    assert layout_of(official(golden)) == ("stylegan", "tensorflow")


def test_mapping_and_truncation(golden: Golden, state: dict[str, Tensor]) -> None:
    adapter = opened(state, cutoff=CUTOFF)
    w = adapter.network.mapping(golden.inputs["z"])
    golden.check("w", w)
    golden.check("w_trunc", adapter._broadcast(w, PSI))


def test_images_in_z(golden: Golden, state: dict[str, Tensor]) -> None:
    adapter = opened(state, "z", cutoff=CUTOFF)
    golden.check("image", adapter.synthesize(Codes(golden.inputs["z"], None, PSI)))
    golden.check("image_psi1", adapter.synthesize(Codes(golden.inputs["z"])))


def test_images_in_w(golden: Golden, state: dict[str, Tensor]) -> None:
    golden.check("image", opened(state).synthesize(Codes(golden.outputs["w_trunc"])))


def test_fused_layers(golden: Golden, state: dict[str, Tensor]) -> None:
    codes = Codes(golden.outputs["w_trunc"])
    golden.check("image_fused", opened(state, fused="always").synthesize(codes))
    golden.check("image", opened(state, fused="never").synthesize(codes))


@pytest.mark.parametrize(("value", "output"), [(True, "image_fused"), (False, "image"), ("auto", "image")])
def test_an_official_file_tells_which_layers_are_fused(golden: Golden, value: Any, output: str) -> None:
    for place in ("Gs.static_kwargs.", "Gs.components.synthesis.static_kwargs."):
        adapter = opened(official(golden), meta={f"{place}fused_scale": value})
        golden.check(output, adapter.synthesize(Codes(golden.outputs["w_trunc"])))


def test_layers_are_fused_from_128_pixels_on_unless_told_otherwise() -> None:
    plain = untrained(4, [2] * 6, 0).state_dict()
    networks = {fused: StyleGAN.load(dict(plain), {"fused": fused}).network for fused in ("auto", "always", "never")}
    networks["default"] = StyleGAN.load(dict(plain), {}).network
    for index, before in enumerate(untrained(4, [2] * 6, 0).convs):
        for fused, network in networks.items():
            upsamples = index % 2 == 1
            turned = upsamples and (fused == "always" or (fused != "never" and index == 9))
            weight = before.get_parameter("weight")
            assert torch.equal(network.convs[index].get_parameter("weight"), weight.flip(2, 3) if turned else weight)


@pytest.mark.parametrize("option", [True, False])
def test_a_level_of_detail(golden: Golden, state: dict[str, Tensor], option: bool) -> None:
    """Told by the file or by an option; layers that are not used have no row of w."""
    key = next(key for key in state if key.endswith("lod") and "/" not in key)
    adapter = opened(state, lod=1.0) if option else opened({**state, key: torch.tensor(1.0)})
    assert adapter.space.layers == 6
    golden.check("image_lod1", adapter.synthesize(Codes(golden.outputs["w_trunc"][:, :6])))


def test_a_level_of_detail_of_a_model_with_a_card(
    golden: Golden, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its card counts the rows of the network that is fully grown."""
    monkeypatch.setenv("ZOO_CONFIG", str(tmp_path / "config"))
    save_file(golden.state, tmp_path / "mine.safetensors")
    assert run(["add", str(tmp_path / "mine.safetensors"), "--name", "stylegan.mine"]) == 0
    assert zoo.load("stylegan.mine", device="cpu").card.layers == 8
    coarse = zoo.load("stylegan.mine", device="cpu", options={"lod": 1})
    assert coarse.card.layers == coarse.adapter.space.layers == 6
    golden.check("image_lod1", coarse.adapter.synthesize(Codes(golden.outputs["w_trunc"][:, :6])))


def test_a_resolution_is_faded_in(golden: Golden) -> None:
    """The picture of 32x32 pixels and that of 16x16, enlarged: half of each."""
    codes = golden.outputs["w_trunc"]
    half, last, below = (
        opened(golden.state, lod=lod).synthesize(Codes(codes[:, : 8 if lod < 1 else 6])) for lod in (0.5, 0, 1)
    )
    assert torch.allclose(half, (last + below) / 2, atol=1e-5)


def test_styles(golden: Golden, state: dict[str, Tensor]) -> None:
    """Ours hold the 1 that is added to the scales."""
    adapter, rows = opened(state), golden.outputs["w_trunc"]
    for index, layer in enumerate(adapter.network.layers):
        scale, shift = layer.get_submodule("affine")(rows[:, index]).chunk(2, dim=1)
        golden.check(f"styles/style{index:02d}", torch.cat([scale - 1, shift], dim=1))


@pytest.mark.parametrize("layers", ["all", "0-1", "2-3", "0,2,5-6", "6-7"])
def test_sefa_gives_the_released_directions(golden: Golden, layers: str, data: Path) -> None:
    check_released_directions(opened(golden.state), data / "stylegan1_sefa.safetensors", layers)


def test_an_edit_gives_the_released_image(golden: Golden, data: Path) -> None:
    """Three times the first direction of layers 2-3, added to rows 2 and 3 of w; the image's tolerance twice."""
    reference = load_file(data / "stylegan1_sefa.safetensors")
    adapter = opened(golden.state)
    moved = adapter.move(Codes(golden.outputs["w_trunc"]), 3 * reference["2-3/boundaries"][0], (2, 3))
    deviation = (adapter.synthesize(moved) - reference["edit_2-3_0_d3/image"]).abs().max()
    assert float(deviation) <= 2 * golden.card["tolerance"]["out/image"]["suggested_atol"]


# Files


@pytest.mark.parametrize("layout", ["genforce", "tensorflow"])
def test_the_averaged_network_of_a_training_checkpoint_is_taken(golden: Golden, layout: str, tmp_path: Path) -> None:
    plain = golden.state if layout == "genforce" else variables.stylegan(golden.state)
    average, other = ("generator_smooth.", "generator.") if layout == "genforce" else ("Gs.", "G.")
    state = {f"{part}{key}": tensor + (part == other) for key, tensor in plain.items() for part in (average, other)}
    torch.save(state, tmp_path / "training.pt")
    model = zoo.load(tmp_path / "training.pt", device="cpu")
    assert model.layout == layout
    golden.check("image", model.adapter.synthesize(Codes(golden.outputs["w_trunc"])))


@pytest.mark.parametrize(("fused", "output"), [({}, "image"), ({"fused_scale": True}, "image_fused")])
def test_an_official_pickle(golden: Golden, fused: dict[str, Any], output: str, tmp_path: Path) -> None:
    arrays = {key: tensor.numpy() for key, tensor in variables.stylegan(golden.state).items()}
    settings = {"num_channels": 3, "resolution": 32, "label_size": 0, "blur_filter": [1, 2, 1], **fused}
    own, parts = containers.split_components(arrays, {"mapping": settings, "synthesis": settings})
    content = containers.tensorflow_pickle(own, settings, parts, version=3)
    (tmp_path / "karras.pkl").write_bytes(content)
    model = zoo.load(tmp_path / "karras.pkl", device="cpu")
    assert (model.card.adapter, model.layout) == ("stylegan", "tensorflow")
    golden.check(output, model.adapter.synthesize(Codes(golden.outputs["w_trunc"])))


@pytest.mark.long
def test_a_file_is_analysed(golden: Golden, tmp_path: Path) -> None:
    save_file(golden.state, tmp_path / "mine.safetensors")
    model = zoo.load(tmp_path / "mine.safetensors", device="cpu")
    assert (model.layout, model.card.adapter, model.card.space) == ("genforce", "stylegan", "w")
    assert zoo.analyze(model, "lowrank", region="center", layers="2-3", unseen=0, k=2, show=1).layers == (2, 3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"synthesis.layer3.bias": None}, r"missing: synthesis\.layer\d\.\w+"),
        ({"synthesis.spare": torch.ones(3)}, r"left over: \(synthesis\.spare\)"),
        ({"synthesis.layer3.bias": torch.ones(3)}, r"layers\.3\.bias \(3,\) instead of \(32,\)"),
        ({"synthesis.layer2.blur.kernel": torch.ones(32, 1, 3, 3)}, r"blur\.kernel is not the filter 1, 2, 1"),
        ({"synthesis.layer2.blur.kernel": torch.zeros(3)}, r"blur\.kernel is not the filter 1, 2, 1"),
        ({"synthesis.output0.weight": torch.ones(1, 32, 1, 1)}, r"colours\.0\.weight \(1, 32\) instead of \(3, 32\)"),
        (
            {"synthesis.lod": torch.tensor(9.0)},
            "the level of detail 9 is out of range: .* from 0 to 3",
        ),
        ({f"mapping.dense{index}.weight": None for index in range(8)}, r"also has mapping\.dense0\.weight"),
    ],
)
def test_states_that_do_not_fit(golden: Golden, change: dict[str, Tensor | None], message: str) -> None:
    changed = {**golden.state, **change}
    with pytest.raises(CheckpointError, match=message):
        opened({key: tensor for key, tensor in changed.items() if tensor is not None})


def test_a_file_whose_tensors_have_other_axes(golden: Golden, tmp_path: Path) -> None:
    save_file({**golden.state, "synthesis.layer2.weight": torch.ones(3)}, tmp_path / "mine.safetensors")
    with pytest.raises(
        CheckpointError,
        match=r"mine\.safetensors has the keys of stylegan/genforce, but its tensors have other shapes: ",
    ):
        zoo.load(tmp_path / "mine.safetensors", device="cpu")


@pytest.mark.parametrize(
    ("setting", "value"),
    [("use_instance_norm", False), ("blur_filter", None), ("blur_filter.1", 1), ("mapping_nonlinearity", "relu")],
)
def test_networks_that_were_made_otherwise(golden: Golden, setting: str, value: Any) -> None:
    with pytest.raises(CheckpointError, match=f"the StyleGAN file was made with {setting} {value!r}, which is not"):
        opened(official(golden), meta={f"Gs.components.synthesis.static_kwargs.{setting}": value})


def test_an_official_file_tells_its_cutoff(golden: Golden) -> None:
    draws = [
        opened(official(golden), meta=meta).sample(1, torch.Generator().manual_seed(0), None, 0.5).latents[0]
        for meta in ({}, {"Gs.static_kwargs.truncation_cutoff": 3})
    ]
    assert [len(rows.unique(dim=0)) for rows in draws] == [1, 2]  # 8 rows are fewer than the usual cutoff of 8
    assert torch.equal(draws[1][0], draws[1][2])
    assert not torch.equal(draws[1][2], draws[1][3])


@pytest.mark.parametrize("layout", ["genforce", "tensorflow"])
def test_labels_are_embedded_and_normalised_with_the_code(golden: Golden, layout: str) -> None:
    generator = torch.Generator().manual_seed(0)
    embedding, first = torch.randn(3, 48, generator=generator), torch.randn(44, 96, generator=generator)
    state = {**golden.state, "mapping.dense0.weight": first, "mapping.label_weight": embedding}
    if layout == "tensorflow":
        state = {**variables.stylegan(state), "mapping/LabelConcat/weight": embedding}
    adapter = opened(state)
    assert adapter.classes == ("0", "1", "2")
    assert not adapter.needs_labels
    x = torch.cat([golden.inputs["z"], embedding[[2, 0, 2]]], dim=1).double()
    x = x / x.square().mean(dim=1, keepdim=True).sqrt()
    for index in range(8):
        weight = first if index == 0 else golden.state[f"mapping.dense{index}.weight"]
        bias = golden.state[f"mapping.dense{index}.bias"]
        x = leaky_relu(x @ weight.T.double() * (0.01 * (2 / weight.shape[1]) ** 0.5) + 0.01 * bias, 0.2)
    found = adapter._map(golden.inputs["z"], torch.tensor([2, 0, 2]))
    assert torch.allclose(found.double(), x, atol=2e-5)  # the tolerance of w


# The contract


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.long)])
def test_conformance(seed: int) -> None:
    check_adapter(StyleGAN.tiny(seed), seed)


@pytest.mark.long
@pytest.mark.parametrize("space", ["w", "z"])
def test_conformance_of_a_conditional_network(space: str) -> None:
    check_adapter(StyleGAN(untrained(6, [6, 4], 2, classes=3), space), 1)


@pytest.mark.long
def test_conformance_of_a_growing_network() -> None:
    check_adapter(StyleGAN(untrained(6, [4, 4, 3], 0, lod=0.4)))


def test_the_projections_are_the_measured_first_steps() -> None:
    """Row by row, as the styles change by a step along each axis; in float64."""
    adapter = in_float64(StyleGAN.tiny(3))
    assert isinstance(adapter, StyleGAN)
    parts = adapter.projections()
    assert [part.layer for part in parts] == list(range(6))
    assert StyleGAN(adapter.network, "z").projections() == []
    w = torch.randn(8, dtype=torch.float64)
    for part, layer in zip(parts, adapter.network.layers, strict=True):
        style = layer.get_submodule("affine")
        measured = torch.stack([style(w + axis) - style(w) for axis in torch.eye(8, dtype=torch.float64)], dim=1)
        assert torch.allclose(measured, part.weight, atol=1e-14)


def test_a_style_sets_the_mean_and_the_spread_of_every_channel() -> None:
    network = StyleGAN.tiny(0).network.double()
    w = torch.randn(2, 8, dtype=torch.float64)
    layer = network.layers[4]
    styles = layer.get_submodule("affine")(w)
    map_ = layer(torch.randn(2, 4, 16, 16, dtype=torch.float64), styles).apply()
    scale, shift = styles.chunk(2, dim=1)
    assert torch.allclose(map_.mean(dim=(2, 3)), shift, atol=1e-12)
    assert torch.allclose(map_.var(dim=(2, 3), correction=0).sqrt(), scale.abs(), rtol=1e-6)  # 1e-8 is added


@pytest.mark.parametrize("text", REGIONS)
@pytest.mark.parametrize("lod", [0.0, 0.4])
def test_a_region_is_the_cut_of_the_image(lod: float, text: str) -> None:
    check_cut(StyleGAN(untrained(8, [6, 5, 4], 1, lod=lod)), text)


def test_forward_mode_can_be_mapped_over_tangents() -> None:
    check_mapped_tangents(StyleGAN.tiny(0))
    check_mapped_tangents(StyleGAN(untrained(6, [6, 4], 2, classes=3), "z"))


# Options


def test_noise(golden: Golden) -> None:
    stored, none = opened(golden.state), opened(golden.state, noise="none")
    one, again, two = (opened(golden.state, noise="drawn", noise_seed=seed) for seed in (1, 1, 2))
    codes = draw(stored, 1, 0)
    images = [render(adapter, codes) for adapter in (stored, none, one, again, two)]
    assert torch.equal(images[2], images[3])
    assert not any(torch.equal(images[a], images[b]) for a, b in ((0, 1), (0, 2), (1, 2), (2, 4)))
    silent = {key: torch.zeros_like(tensor) for key, tensor in golden.state.items() if key.endswith("noise.noise")}
    assert torch.equal(images[1], render(opened({**golden.state, **silent}), codes))


def test_names_of_classes() -> None:
    network = untrained(6, [6, 4], 2, classes=3)
    assert StyleGAN(network, classes=("a", "b", "c")).classes == ("a", "b", "c")
    with pytest.raises(OptionError, match="2 different names, but the network has 3 classes"):
        StyleGAN(network, classes=("a", "b"))


def test_an_unknown_space(golden: Golden) -> None:
    with pytest.raises(UnknownNameError, match="there are: s, w, z"):
        opened(golden.state, "p")


def test_the_untrained_network_depends_on_its_seed_alone() -> None:
    one, again, other = (untrained(6, [6, 4], seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(one[key], again[key]) for key in one)
    assert not all(torch.equal(one[key], other[key]) for key in one)
    assert isinstance(untrained(6, [6, 4], 1), StyleGANGenerator)
