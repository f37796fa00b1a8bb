"""StyleGAN2 against numbers recorded from three original implementations, and in TensorFlow's variables."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn.functional import conv2d, leaky_relu
from zoo_adapters.stylegan2.adapter import StyleGAN2
from zoo_adapters.stylegan2.network import StyleGAN2Generator, untrained
from zoo_adapters.stylegan2.synthesis_layer import SynthesisLayer, ToRGB

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
from tests.support.linear import model_of
from tests.support.marks import mostly_long
from zoo import CheckpointError, Codes, OptionError, UnknownNameError
from zoo.checkpoints.layouts import detect_network
from zoo.cli import run
from zoo.core.files.codes import save_codes
from zoo.testing import check_adapter, draw, in_float64, render

LAYOUTS = {
    "stylegan2": "genforce",
    "stylegan2_tensorflow": "tensorflow",
    "stylegan2_ada": "nvidia",
    "stylegan2_rosinality": "rosinality",
}
TRUNCATION = {"nvidia": (0.7, 5), "genforce": (0.7, 5), "tensorflow": (0.7, 5), "rosinality": (0.6, None)}


def recorded(name: str) -> tuple[Golden, dict[str, Tensor]]:
    """Give a recording, and its state as a checkpoint has it.

    Rosinality's holds the mean code beside the network; the variables of TensorFlow are made of genforce's state.
    """
    golden = Golden.read(name.removesuffix("_tensorflow"))
    if name.endswith("_tensorflow"):
        return golden, official(golden.state)
    beside = {"latent_avg": golden.inputs["latent_avg"]} if "latent_avg" in golden.inputs else {}
    return golden, {**golden.state, **beside}


def official(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same network in the official file's variables."""
    return {f"Gs.{key}": tensor for key, tensor in variables.stylegan2(state).items()}


def opened(
    state: dict[str, Tensor], space: str | None = None, meta: dict[str, Any] | None = None, **config: Any
) -> StyleGAN2:
    found = detect_network(families(), state, meta or {})
    assert found.family == "stylegan2"
    converted, from_file = found.convert()
    return StyleGAN2.load(converted, {**from_file, **config}, space=space)


@pytest.fixture(scope="module", params=list(LAYOUTS))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def golden(name: str) -> Golden:
    return recorded(name)[0]


@pytest.fixture(scope="module")
def state(name: str) -> dict[str, Tensor]:
    return recorded(name)[1]


# Parity


def test_layout(name: str, state: dict[str, Tensor]) -> None:
    assert layout_of(state) == ("stylegan2", LAYOUTS[name])


def test_mapping_and_truncation(name: str, golden: Golden, state: dict[str, Tensor]) -> None:
    """The originals draw no codes by themselves: the mapping is reached by moving z from the origin to theirs."""
    psi, cutoff = TRUNCATION[LAYOUTS[name]]
    adapter = opened(state, cutoff=cutoff)
    w = adapter.network.mapping(golden.inputs["z"])
    golden.check("w", w)
    golden.check("w_trunc", adapter._broadcast(w, psi))
    free, tight = (adapter.sample(4, torch.Generator().manual_seed(1), None, psi).latents for psi in (None, psi))
    mean = adapter.network.mapping.w_avg
    count = adapter.space.layers if cutoff is None else cutoff
    assert torch.allclose(tight[:, :count] - mean, psi * (free[:, :count] - mean), atol=1e-5)
    assert torch.equal(tight[:, count:], free[:, count:])


def test_images_in_z(name: str, golden: Golden, state: dict[str, Tensor]) -> None:
    psi, cutoff = TRUNCATION[LAYOUTS[name]]
    adapter = opened(state, "z", cutoff=cutoff)
    golden.check("image", adapter.synthesize(Codes(golden.inputs["z"], None, psi)))
    golden.check("image_psi1", adapter.synthesize(Codes(golden.inputs["z"])))


def test_images_in_w(golden: Golden, state: dict[str, Tensor]) -> None:
    golden.check("image", opened(state).synthesize(Codes(golden.outputs["w_trunc"])))


@pytest.mark.parametrize(
    ("name", "other"),
    [("stylegan2", "image_unfused_modulate"), ("stylegan2_ada", "image_unfused")],
)
def test_the_originals_other_order_of_modulation_gives_the_same_image(name: str, other: str) -> None:
    golden = Golden.read(name)
    golden.check(other, opened(golden.state).synthesize(Codes(golden.outputs["w_trunc"])))


def test_no_noise() -> None:
    golden = Golden.read("stylegan2_ada")
    adapter = opened(golden.state, noise="none")
    golden.check("image_noise_none", adapter.synthesize(Codes(golden.outputs["w_trunc"])))


def test_styles() -> None:
    """The recorded styles are those of the truncated code; ours are affine maps of its rows."""
    golden = Golden.read("stylegan2")
    adapter = opened(golden.state)
    rows = golden.outputs["w_trunc"]
    for index, layer in enumerate(adapter.network.layers):
        golden.check(f"styles/style{index:02d}", layer.get_submodule("affine")(rows[:, index]))
    for level, to_rgb in enumerate(adapter.network.to_rgb):
        golden.check(f"styles/output_style{level}", to_rgb.get_submodule("affine")(rows[:, 2 * level + 1]))


@pytest.mark.parametrize("layers", ["all", "0-1", "2-3", "0,2,5-6", "6-7"])
def test_sefa_gives_the_released_directions(layers: str, data: Path) -> None:
    adapter = opened(Golden.read("stylegan2").state)
    check_released_directions(adapter, data / "stylegan2_sefa.safetensors", layers)


def test_an_edit_gives_the_released_image(data: Path) -> None:
    """Three times the first direction of layers 2-3, added to rows 2 and 3 of w; twice an image's tolerance."""
    golden, reference = Golden.read("stylegan2"), load_file(data / "stylegan2_sefa.safetensors")
    adapter = opened(golden.state)
    moved = adapter.move(Codes(golden.outputs["w_trunc"]), 3 * reference["2-3/boundaries"][0], (2, 3))
    deviation = (adapter.synthesize(moved) - reference["edit_2-3_0_d3/image"]).abs().max()
    assert float(deviation) <= 2 * golden.card["tolerance"]["out/image"]["suggested_atol"]


def test_a_published_direction_moves_rows_4_to_7(tmp_path: Path) -> None:
    """An array (1, dim), as LowRankGAN published them, from the command line; the picture is that of the moved rows."""
    golden = Golden.read("stylegan2_ada")
    torch.save(golden.state, tmp_path / "mine.pt")
    direction = torch.nn.functional.normalize(torch.randn(1, 40, generator=torch.Generator().manual_seed(0)))
    np.save(tmp_path / "mouth_open.npy", direction.numpy())
    save_codes(tmp_path / "codes.safetensors", Codes(golden.outputs["w_trunc"][:1]), {})
    chosen = [
        "--layers",
        "4-7",
        "--strengths=-3,0,3",
        "--video",
        "none",
        "--codes",
        str(tmp_path / "codes.safetensors"),
    ]
    files = [str(tmp_path / name) for name in ("mine.pt", "mouth_open.npy")]
    assert run(["edit", *files, *chosen, "--out", str(tmp_path / "run")]) == 0
    assert (tmp_path / "run" / "sheet.png").exists()
    adapter = opened(golden.state)
    rows = golden.outputs["w_trunc"][:1].clone()
    rows[:, 4:8] += 3 * direction
    found = zoo.edit(
        zoo.load(tmp_path / "mine.pt", device="cpu"),
        zoo.Directions.load(tmp_path / "mouth_open.npy", space=adapter.space),
        codes=Codes(golden.outputs["w_trunc"][:1]),
        strengths=[3.0],
        layers="4-7",
    )
    assert torch.allclose(found.images[0, 0, 0], adapter.synthesize(Codes(rows))[0], atol=1e-5)


# Files


@pytest.mark.parametrize(
    ("name", "prefix", "other"),
    [
        pytest.param("stylegan2", "generator_smooth.", "generator.", marks=pytest.mark.long),
        pytest.param("stylegan2_tensorflow", "Gs.", "G.", marks=pytest.mark.long),
        ("stylegan2_ada", "G_ema.", "G."),
        ("stylegan2_rosinality", "g_ema.", "g."),
    ],
)
def test_the_averaged_network_of_a_training_checkpoint_is_taken(
    name: str, prefix: str, other: str, tmp_path: Path
) -> None:
    golden, state = recorded(name)
    content: dict[str, Any] = {"step": 5}
    for key, tensor in state.items():
        if key == "latent_avg":
            content[key] = tensor
        else:
            plain = key.removeprefix("Gs.")
            content |= {f"{part}{plain}": tensor + (part == other) for part in (prefix, other)}
    torch.save(content, tmp_path / "training.pt")
    model = zoo.load(tmp_path / "training.pt", device="cpu")
    golden.check("image", model.adapter.synthesize(Codes(golden.outputs["w_trunc"])))


@pytest.mark.parametrize("version", mostly_long([4, 5], (5,)))
def test_an_official_pickle_of_tensorflow(version: int, tmp_path: Path) -> None:
    golden = Golden.read("stylegan2")
    arrays = {key: tensor.numpy() for key, tensor in variables.stylegan2(golden.state).items()}
    settings = {"num_channels": 3, "label_size": 0, "architecture": "skip", "resample_kernel": [1, 3, 3, 1]}
    settings |= {"conv_clamp": 256, "num_fp16_res": 4} if version == 5 else {}
    own, parts = containers.split_components(arrays, {"mapping": settings, "synthesis": settings})
    content = containers.tensorflow_pickle(own, settings, parts, version, build_func_name="G_main")
    (tmp_path / "network.pkl").write_bytes(content)
    model = zoo.load(tmp_path / "network.pkl", device="cpu")
    assert (model.card.adapter, model.layout) == ("stylegan2", "tensorflow")
    golden.check("image", model.adapter.synthesize(Codes(golden.outputs["w_trunc"])))
    assert bounds(model.adapter.network) == {256 if version == 5 else None}


@pytest.mark.parametrize("bound", mostly_long([256, None], (256,)))
def test_an_official_pickle_of_pytorch(bound: float | None, tmp_path: Path) -> None:
    """The layers' own bound counts, which newer code than the file's may have changed."""
    golden = Golden.read("stylegan2_ada")
    network = containers.network(
        golden.state,
        init_kwargs={"z_dim": 48, "mapping_kwargs": {"num_layers": 8}, "synthesis_kwargs": {"conv_clamp": 1}},
        attributes={"synthesis.b4": {"architecture": "skip"}, "synthesis.b4.conv1": {"conv_clamp": bound}},
    )
    (tmp_path / "network.pkl").write_bytes(containers.nvidia_pickle({"G_ema": network}))
    model = zoo.load(tmp_path / "network.pkl", device="cpu")
    assert (model.card.adapter, model.layout) == ("stylegan2", "nvidia")
    golden.check("image", model.adapter.synthesize(Codes(golden.outputs["w_trunc"])))
    assert bounds(model.adapter.network) == {bound}


def bounds(network: torch.nn.Module) -> set[float | None]:
    """The bounds of the layers and of ToRGB in a network."""
    return {module.conv_clamp for module in network.modules() if isinstance(module, SynthesisLayer | ToRGB)}


@pytest.mark.parametrize("name", mostly_long(LAYOUTS, ("stylegan2_ada",)), scope="module")
def test_a_file_is_analysed_and_edited(name: str, state: dict[str, Tensor], tmp_path: Path) -> None:
    save_file({key: tensor.contiguous() for key, tensor in state.items()}, tmp_path / "mine.safetensors")
    model = zoo.load(tmp_path / "mine.safetensors", device="cpu")
    assert (model.layout, model.card.adapter, model.card.space) == (LAYOUTS[name], "stylegan2", "w")
    found = zoo.analyze(model, "lowrank", region="center", layers="2-3", unseen=0, k=2, show=1)
    assert found.layers == (2, 3)


def test_a_mean_code_that_is_missing_is_taken_over_drawn_ones() -> None:
    golden = Golden.read("stylegan2_rosinality")
    one, two = opened(golden.state), opened(golden.state)
    assert torch.equal(one.network.mapping.w_avg, two.network.mapping.w_avg)
    w = one.network.mapping(torch.randn(20_000, 48, generator=torch.Generator().manual_seed(7)))
    error = (one.network.mapping.w_avg - w.mean(dim=0)).abs()
    assert bool((error <= 6 * w.std(dim=0) * (1 / 4096 + 1 / 20_000) ** 0.5).all())  # six standard errors


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("filter", "conv0.resample_filter is not the filter"),
        ("missing", r"missing: synthesis\.b8\.conv0\.bias"),
        ("spare", r"left over: \(synthesis\.b8\.spare\)"),
        ("resnet", "not of the architecture skip"),
        ("orig", "not of the architecture skip"),
        ("shape", r"layers\.1\.bias \(3,\) instead of"),
        ("mapping", r"also has mapping\.fc0\.weight"),
    ],
)
def test_states_that_do_not_fit(change: str, message: str) -> None:
    state = dict(Golden.read("stylegan2_ada").state)
    if change == "filter":
        state["synthesis.b8.conv0.resample_filter"] = torch.ones(4, 4)
    elif change == "missing":
        del state["synthesis.b8.conv0.bias"]
    elif change == "spare":
        state["synthesis.b8.spare"] = torch.ones(3)
    elif change == "resnet":
        state["synthesis.b8.skip.weight"] = torch.ones(3, 3, 1, 1)
    elif change == "orig":
        del state["synthesis.b4.torgb.weight"]
    elif change == "shape":
        state["synthesis.b8.conv0.bias"] = torch.ones(3)
    else:
        state = {key: tensor for key, tensor in state.items() if not key.startswith("mapping.fc")}
    with pytest.raises(CheckpointError, match=message):
        opened(state)


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [
        ("stylegan2_ada", "synthesis.b4.architecture", "resnet"),
        ("stylegan2_ada", "_init_kwargs.synthesis_kwargs.activation", "relu"),
        ("stylegan2_ada", "_init_kwargs.mapping_kwargs.activation", "relu"),
        ("stylegan2_tensorflow", "Gs.static_kwargs.architecture", "orig"),
        ("stylegan2_tensorflow", "Gs.components.mapping.static_kwargs.normalize_latents", False),
        ("stylegan2_tensorflow", "Gs.components.synthesis.static_kwargs.resample_kernel", None),
        ("stylegan2_tensorflow", "Gs.static_kwargs.resample_kernel.1", 2),
    ],
)
def test_networks_that_were_made_otherwise(name: str, key: str, value: Any) -> None:
    _, state = recorded(name)
    with pytest.raises(CheckpointError, match=f"the StyleGAN2 file was made with .*{value!r}, which is not supported"):
        opened(state, meta={key: value})


@pytest.mark.parametrize("name", ["stylegan2_ada", "stylegan2_tensorflow"])
def test_a_file_tells_the_rate_at_which_its_mapping_learned(name: str) -> None:
    """With weights and biases a tenth as large, a rate ten times as high gives the same w."""
    golden, state = recorded(name)
    meta = {"_init_kwargs.mapping_kwargs.lr_multiplier": 0.1, "Gs.static_kwargs.mapping_lrmul": 0.1}
    tenth = {
        key: tensor / 10 if "mapping.fc" in key or "mapping/Dense" in key else tensor for key, tensor in state.items()
    }
    golden.check("w", opened(tenth, meta=meta).network.mapping(golden.inputs["z"]))


@pytest.mark.parametrize(("layout", "together"), [("genforce", True), ("tensorflow", True), ("tensorflow", False)])
def test_labels_of_a_file(layout: str, together: bool) -> None:
    """Embedded, and normalised with the code (StyleGAN2) or by themselves (StyleGAN2-ADA)."""
    golden, generator = Golden.read("stylegan2"), torch.Generator().manual_seed(0)
    embedding, first = torch.randn(3, 48, generator=generator), torch.randn(44, 96, generator=generator)
    bias = torch.zeros(48) if together else torch.randn(48, generator=generator)
    state = {**golden.state, "mapping.dense0.weight": first}
    if layout == "genforce":
        state["mapping.label_weight"] = embedding
    else:
        key = f"mapping/Label{'Concat' if together else 'Embed'}"
        state = {**variables.stylegan2(state), f"{key}/weight": embedding}
        state |= {} if together else {f"{key}/bias": bias}
    adapter = opened(state)
    assert adapter.classes == ("0", "1", "2")
    parts = [golden.inputs["z"], embedding[[2, 0, 2]] / (1 if together else 3**0.5) + bias]
    if together:
        parts = [torch.cat(parts, dim=1)]
    x = torch.cat([part / part.square().mean(dim=1, keepdim=True).sqrt() for part in parts], dim=1)
    for index in range(8):
        weight = first if index == 0 else golden.state[f"mapping.dense{index}.weight"]
        bias = golden.state[f"mapping.dense{index}.bias"]
        x = leaky_relu(x @ weight.T * (0.01 / weight.shape[1] ** 0.5) + 0.01 * bias, 0.2) * 2**0.5
    found = adapter._map(golden.inputs["z"], torch.tensor([2, 0, 2]))
    assert torch.allclose(found, x, atol=5e-5)  # the tolerance of w


CLAMPED = {
    "G_ema.synthesis.b4.conv1.conv_clamp": "stylegan2_ada",
    "G_ema._init_kwargs.synthesis_kwargs.conv_clamp": "stylegan2_ada",
    "Gs.static_kwargs.conv_clamp": "stylegan2_tensorflow",
}


@pytest.mark.parametrize("key", mostly_long(CLAMPED, list(CLAMPED)[:1]))
def test_a_file_tells_the_bound_of_its_activations(key: str) -> None:
    golden, state = recorded(CLAMPED[key])
    if key.startswith("G_ema."):
        state = {f"G_ema.{name}": tensor for name, tensor in state.items()}
    codes = Codes(golden.outputs["w_trunc"])
    golden.check("image", opened(state, meta={key: 256}).synthesize(codes))
    golden.check("image", opened(state, meta={key: None}).synthesize(codes))
    bounded = opened(state, meta={key: 0.5}).synthesize(codes)
    assert torch.equal(bounded, opened(state, conv_clamp=0.5).synthesize(codes))
    assert float((bounded - golden.outputs["image"]).abs().max()) > 1


def test_activations_and_images_are_clamped() -> None:
    """Against a network of 4x4 pixels that is computed from its own modulated weights."""
    bound = 0.7
    network = untrained(5, [4], 0, conv_clamp=bound).double()
    w = torch.randn(2, 2, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    layer, to_rgb = network.layers[0], network.to_rgb[0]
    images = []
    for rows in w:
        kernel = layer.get_parameter("weight") * layer.get_submodule("affine")(rows[0])[:, None, None]
        kernel = kernel / (kernel.square().sum(dim=(1, 2, 3), keepdim=True) + 1e-8).sqrt()
        x = conv2d(network.const[None], kernel, padding=1) * 2**0.5
        noise = layer.get_buffer("noise_strength") * layer.get_buffer("noise_const")
        x = x + layer.get_parameter("bias")[:, None, None] + noise
        x = leaky_relu(x, 0.2).clamp(-bound, bound)
        weight = to_rgb.get_parameter("weight") * to_rgb.get_submodule("affine")(rows[1])
        y = torch.einsum("kc,nchw->nkhw", weight, x) + to_rgb.get_parameter("bias")[:, None, None]
        images.append(y.clamp(-bound, bound))
    found = StyleGAN2(network).synthesize(Codes(w))
    assert torch.allclose(found, torch.cat(images), atol=1e-12)
    assert float((found.abs() == bound).double().mean()) > 0.05


# The contract


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.long)])
def test_conformance(seed: int) -> None:
    check_adapter(StyleGAN2.tiny(seed), seed)


@pytest.mark.long
@pytest.mark.parametrize("space", ["w", "z"])
def test_conformance_of_a_conditional_network(space: str) -> None:
    check_adapter(StyleGAN2(untrained(6, [6, 4], 2, classes=3), space), 1)


@pytest.mark.long
@pytest.mark.parametrize("space", ["w", "z"])
def test_conformance_where_labels_are_normalised_with_the_code(space: str) -> None:
    check_adapter(StyleGAN2(untrained(6, [6, 4], 2, classes=3, normalize_with_label=True), space), 1)


@pytest.mark.long
def test_conformance_where_activations_are_bounded() -> None:
    check_adapter(StyleGAN2(untrained(6, [6, 4], 2, conv_clamp=0.7)), 1)


def test_labels_are_normalised_by_themselves_and_mapped() -> None:
    network = untrained(6, [6, 4], 2, z_dim=5, classes=3)
    adapter = StyleGAN2(network, classes=("a", "b", "c"))
    codes = adapter.sample(2, torch.Generator().manual_seed(0), torch.tensor([2, 0]))
    z = StyleGAN2(network, "z").sample(2, torch.Generator().manual_seed(0)).latents
    embed, mapping = network.mapping.embed, network.mapping
    assert embed is not None
    label = embed.weight.T[[2, 0]] + embed.bias
    x = torch.cat([part / part.square().mean(dim=1, keepdim=True).sqrt() for part in (z, label)], dim=1)
    for layer in mapping.layers:
        x = torch.nn.functional.leaky_relu(layer(x), 0.2)
    assert torch.allclose(codes.latents[:, 0], x, atol=1e-6)
    assert not adapter.needs_labels


def test_the_projections_are_the_measured_first_steps() -> None:
    """Row by row, as the styles change by a step along each axis; in float64."""
    adapter = in_float64(StyleGAN2.tiny(3))
    assert isinstance(adapter, StyleGAN2)
    network = adapter.network
    steps = [*network.layers, network.to_rgb[-1]]
    parts = adapter.projections()
    assert [part.layer for part in parts] == list(range(6))
    w = torch.randn(8, dtype=torch.float64)
    for part, step in zip(parts, steps, strict=True):
        affine = step.get_submodule("affine")
        measured = torch.stack([affine(w + axis) - affine(w) for axis in torch.eye(8, dtype=torch.float64)], dim=1)
        assert torch.allclose(measured, part.weight, atol=1e-14)


def test_each_row_of_w_reaches_its_layer_only() -> None:
    """ToRGB of a resolution reads the row after its layers, so that the last row changes colours alone."""
    adapter = StyleGAN2.tiny(0)
    codes = draw(adapter, 1, 0)
    network = adapter.network
    for row in range(6):
        w = adapter.move(codes, torch.ones(8), (row,)).latents
        changed = [
            not torch.equal(
                module.get_submodule("affine")(w[:, read]), module.get_submodule("affine")(codes.latents[:, read])
            )
            for module, read in [
                *((layer, index) for index, layer in enumerate(network.layers)),
                *((to_rgb, 2 * level + 1) for level, to_rgb in enumerate(network.to_rgb)),
            ]
        ]
        assert changed == [index == row for index in range(5)] + [2 * level + 1 == row for level in range(3)]
        assert not torch.equal(adapter.synthesize(Codes(w)), adapter.synthesize(codes))


@pytest.mark.parametrize("text", [*REGIONS, "box:0,0,2,2+box:9,9,3,1"])
def test_a_region_is_the_cut_of_the_image(text: str) -> None:
    check_cut(StyleGAN2.tiny(1), text)


def test_a_small_region_costs_little() -> None:
    """5 % of the pixels."""
    adapter = StyleGAN2(untrained(16, [32, 32, 32, 32, 32], 0))
    assert share_of_work(adapter, "box:0.4,0.4,0.22,0.22") <= 0.15


def test_forward_mode_can_be_mapped_over_tangents() -> None:
    check_mapped_tangents(StyleGAN2.tiny(0))
    check_mapped_tangents(StyleGAN2(untrained(6, [6, 4], 2, classes=3), "z"))


# Options


def test_noise_from_a_seed() -> None:
    state = Golden.read("stylegan2_ada").state
    stored = opened(state, noise_seed=1)
    one, again, two = (opened(state, noise="drawn", noise_seed=seed) for seed in (1, 1, 2))
    codes = draw(stored, 1, 0)
    images = [render(adapter, codes) for adapter in (stored, one, again, two)]
    assert torch.equal(images[1], images[2])
    assert not torch.equal(images[1], images[3])
    assert not torch.equal(images[0], images[1])


def test_names_of_classes() -> None:
    network = untrained(6, [6, 4], 2, classes=3)
    assert StyleGAN2(network).classes == ("0", "1", "2")
    assert StyleGAN2(network, classes=("a", "b", "c")).classes == ("a", "b", "c")
    with pytest.raises(OptionError, match="2 different names, but the network has 3 classes"):
        StyleGAN2(network, classes=("a", "b"))


def test_an_unknown_space() -> None:
    with pytest.raises(UnknownNameError, match="there are: s, w, z"):
        opened(Golden.read("stylegan2_ada").state, "p")


def test_the_untrained_network_depends_on_its_seed_alone() -> None:
    one, again, other = (untrained(6, [6, 4], seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(one[key], again[key]) for key in one)
    assert not all(torch.equal(one[key], other[key]) for key in one)
    assert isinstance(untrained(6, [6, 4], 1), StyleGAN2Generator)


def test_unseen_codes_are_mapped_with_the_label_that_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Codes w hold what their label says: one that is put beside them later means nothing."""
    adapter = StyleGAN2(untrained(6, [6, 4], 2, classes=3), classes=("a", "b", "c"))
    mapped: list[list[int]] = []
    sample = adapter.sample

    def seen(count: int, generator: torch.Generator, labels: Tensor | None = None, truncation: Any = None) -> Codes:
        mapped.append([] if labels is None else labels.tolist())
        return sample(count, generator, labels, truncation)

    monkeypatch.setattr(adapter, "sample", seen)
    zoo.analyze(model_of(adapter), "sefa", label="c", unseen=3, k=2)
    assert mapped == [[2], [2, 2, 2]]
