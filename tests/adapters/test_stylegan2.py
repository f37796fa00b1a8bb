"""StyleGAN2 against numbers recorded from three original implementations."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode
from zoo_adapters.biggan.adapter import BigGAN
from zoo_adapters.dcgan.adapter import DCGAN
from zoo_adapters.stylegan2.adapter import StyleGAN2
from zoo_adapters.stylegan2.network import Generator, untrained

import zoo
from tests.golden import Golden
from tests.linear import model_of
from zoo import CheckpointError, Codes, OptionError, UnknownNameError
from zoo.adapter import Adapter, detect_layout
from zoo.region import parse_region
from zoo.testing import check_adapter, draw, in_float64, render

FAMILIES: dict[str, type[Adapter]] = {"biggan": BigGAN, "dcgan": DCGAN, "stylegan2": StyleGAN2}
LAYOUTS = {"stylegan2": "genforce", "stylegan2_ada": "nvidia", "stylegan2_rosinality": "rosinality"}
TRUNCATION = {"stylegan2": (0.7, 5), "stylegan2_ada": (0.7, 5), "stylegan2_rosinality": (0.6, None)}
EXACT = 1e-12
"""Relative to the largest value, in float64: the same sums in another order."""


def state_of(golden: Golden) -> dict[str, Tensor]:
    """Give the state as a checkpoint has it: rosinality's holds the mean code beside the network."""
    beside = {"latent_avg": golden.inputs["latent_avg"]} if "latent_avg" in golden.inputs else {}
    return {**golden.state, **beside}


def opened(state: dict[str, Tensor], space: str | None = None, **config: Any) -> StyleGAN2:
    family, layout = detect_layout(FAMILIES, state, {})
    assert family == "stylegan2"
    converted, told = layout.convert(state, {})
    return StyleGAN2.load(converted, {**told, **config}, space=space)


@pytest.fixture(scope="module", params=list(LAYOUTS))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def golden(name: str) -> Golden:
    return Golden.read(name)


# Parity


def test_layout(name: str, golden: Golden) -> None:
    family, layout = detect_layout(FAMILIES, state_of(golden), {})
    assert (family, layout.name) == ("stylegan2", LAYOUTS[name])


def test_mapping_and_truncation(name: str, golden: Golden) -> None:
    """The originals draw no codes by themselves: the mapping is reached by moving z from the origin to theirs."""
    psi, cutoff = TRUNCATION[name]
    adapter = opened(state_of(golden), cutoff=cutoff)
    w = adapter.network.mapping(golden.inputs["z"])
    golden.check("w", w)
    free, tight = (adapter.sample(4, torch.Generator().manual_seed(1), None, psi).latents for psi in (None, psi))
    mean = adapter.network.mapping.mean
    count = adapter.space.layers if cutoff is None else cutoff
    assert torch.allclose(tight[:, :count] - mean, psi * (free[:, :count] - mean), atol=1e-5)
    assert torch.equal(tight[:, count:], free[:, count:])


def test_images_in_z(name: str, golden: Golden) -> None:
    psi, cutoff = TRUNCATION[name]
    adapter = opened(state_of(golden), "z", cutoff=cutoff)
    golden.check("image", adapter.synthesize(Codes(golden.inputs["z"], None, psi)))
    golden.check("image_psi1", adapter.synthesize(Codes(golden.inputs["z"])))


def test_images_in_w(name: str, golden: Golden) -> None:
    golden.check("image", opened(state_of(golden)).synthesize(Codes(golden.outputs["w_trunc"])))


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
    for level, colour in enumerate(adapter.network.colours):
        golden.check(f"styles/output_style{level}", colour.get_submodule("affine")(rows[:, 2 * level + 1]))


@pytest.mark.parametrize("layers", ["all", "0-1", "2-3", "0,2,5-6", "6-7"])
def test_sefa_gives_the_released_directions(layers: str, data: Path) -> None:
    """Their eigenvectors were not sorted; those of zero eigenvalues, where columns are fewer than dim, are any."""
    reference = {
        key.removeprefix(f"{layers}/"): value
        for key, value in load_file(data / "stylegan2_sefa.safetensors").items()
        if key.startswith(f"{layers}/")
    }
    adapter = opened(Golden.read("stylegan2").state)
    chosen = None if layers == "all" else ",".join(map(str, reference["layers"].tolist()))
    found = zoo.analyze(model_of(adapter), "sefa", layers=chosen, k=40, unseen=0)
    order = reference["eigenvalues"].argsort(descending=True)[: len(found)]
    largest = float(found.scores[0])
    assert torch.allclose(found.scores.float(), reference["eigenvalues"][order], atol=2e-5 * largest)
    cosines = (found.vectors.float() * reference["boundaries"][order]).sum(dim=1).abs()
    assert float(cosines.min()) >= 1 - 1e-4  # eigenvalues are at least 1e-3 of themselves apart


def test_an_edit_gives_the_released_image(data: Path) -> None:
    """Three times the first direction of layers 2-3, added to rows 2 and 3 of w; twice an image's tolerance."""
    golden, reference = Golden.read("stylegan2"), load_file(data / "stylegan2_sefa.safetensors")
    adapter = opened(golden.state)
    moved = adapter.move(Codes(golden.outputs["w_trunc"]), 3 * reference["2-3/boundaries"][0], (2, 3))
    deviation = (adapter.synthesize(moved) - reference["edit_2-3_0_d3/image"]).abs().max()
    assert float(deviation) <= 2 * golden.card["tolerance"]["out/image"]["suggested_atol"]


# Files


@pytest.mark.parametrize(
    ("name", "prefix"),
    [("stylegan2", "generator_smooth."), ("stylegan2_ada", "G_ema."), ("stylegan2_rosinality", "g_ema.")],
)
def test_the_averaged_network_of_a_training_checkpoint_is_taken(name: str, prefix: str, tmp_path: Path) -> None:
    golden = Golden.read(name)
    other = {"generator_smooth.": "generator.", "G_ema.": "G.", "g_ema.": "g."}[prefix]
    beside = {key: tensor for key, tensor in state_of(golden).items() if key not in golden.state}
    state = {
        f"{part}{key}": tensor + (part == other) for key, tensor in golden.state.items() for part in (prefix, other)
    }
    torch.save({**state, **beside, "step": 5}, tmp_path / "training.pt")
    model = zoo.load(tmp_path / "training.pt", device="cpu")
    golden.check("image", model.adapter.synthesize(Codes(golden.outputs["w_trunc"])))


def test_a_file_is_analysed_and_edited(name: str, golden: Golden, tmp_path: Path) -> None:
    save_file(state_of(golden), tmp_path / "mine.safetensors")
    model = zoo.load(tmp_path / "mine.safetensors", device="cpu")
    assert (model.layout, model.card.adapter, model.card.space) == (LAYOUTS[name], "stylegan2", "w")
    found = zoo.analyze(model, "lowrank", region="center", layers="2-3", unseen=0, k=2, show=1)
    assert found.layers == (2, 3)


def test_a_mean_code_that_is_missing_is_taken_over_drawn_ones() -> None:
    golden = Golden.read("stylegan2_rosinality")
    one, two = opened(golden.state), opened(golden.state)
    assert torch.equal(one.network.mapping.mean, two.network.mapping.mean)
    w = one.network.mapping(torch.randn(20_000, 48, generator=torch.Generator().manual_seed(7)))
    error = (one.network.mapping.mean - w.mean(dim=0)).abs()
    assert bool((error <= 6 * w.std(dim=0) * (1 / 4096 + 1 / 20_000) ** 0.5).all())  # six standard errors


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("filter", "conv0.resample_filter is not the filter"),
        ("missing", r"missing: synthesis\.b8\.conv0\.bias"),
        ("spare", r"left over: \(synthesis\.b8\.skip\.weight\)"),
        ("shape", r"layers\.1\.bias \(3,\) instead of"),
        ("mapping", "those of no network"),
    ],
)
def test_states_that_do_not_fit(change: str, told: str) -> None:
    state = dict(Golden.read("stylegan2_ada").state)
    if change == "filter":
        state["synthesis.b8.conv0.resample_filter"] = torch.ones(4, 4)
    elif change == "missing":
        del state["synthesis.b8.conv0.bias"]
    elif change == "spare":
        state["synthesis.b8.skip.weight"] = torch.ones(3, 3, 1, 1)
    elif change == "shape":
        state["synthesis.b8.conv0.bias"] = torch.ones(3)
    else:
        state = {key: tensor for key, tensor in state.items() if not key.startswith("mapping.fc")}
    with pytest.raises(CheckpointError, match=told):
        opened(state)


# The contract


@pytest.mark.parametrize("seed", [0, 1])
def test_conformance(seed: int) -> None:
    check_adapter(StyleGAN2.tiny(seed), seed)


@pytest.mark.parametrize("space", ["w", "z"])
def test_conformance_of_a_conditional_network(space: str) -> None:
    check_adapter(StyleGAN2(untrained(6, [6, 4], 2, classes=3), space), 1)


def test_labels_are_normalised_by_themselves_and_mapped() -> None:
    network = untrained(6, [6, 4], 2, dim_z=5, classes=3)
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
    steps = [*network.layers, network.colours[-1]]
    parts = adapter.projections()
    assert [part.layer for part in parts] == list(range(6))
    w = torch.randn(8, dtype=torch.float64)
    for part, step in zip(parts, steps, strict=True):
        affine = step.get_submodule("affine")
        measured = torch.stack([affine(w + axis) - affine(w) for axis in torch.eye(8, dtype=torch.float64)], dim=1)
        assert torch.allclose(measured, part.weight, atol=1e-14)


def test_each_row_of_w_reaches_its_layer_only() -> None:
    """The colours of a resolution read the row behind its layers, so that the last row changes colours alone."""
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
                *((colour, 2 * level + 1) for level, colour in enumerate(network.colours)),
            ]
        ]
        assert changed == [index == row for index in range(5)] + [2 * level + 1 == row for level in range(3)]
        assert not torch.equal(adapter.synthesize(Codes(w)), adapter.synthesize(codes))


REGIONS = ["box:0,0,1,1", "box:15,15,1,1", "box:7,8,1,1", "box:0,3,2,9", "box:5,6,4,7", "box:2,0,9,2", "not:left"]


@pytest.mark.parametrize("text", [*REGIONS, "box:0,0,2,2+box:9,9,3,1"])
def test_a_region_is_the_cut_of_the_image(text: str) -> None:
    adapter = in_float64(StyleGAN2.tiny(1))
    codes, region = draw(adapter, 2, 0), parse_region(text, adapter.resolution)
    images = adapter.synthesize(codes).flatten(2)
    found = adapter.region_output(codes, region)
    assert torch.allclose(found, images[..., region.pixels], rtol=0, atol=EXACT * float(images.abs().max()))


def test_a_small_region_costs_little() -> None:
    """Multiplications of 5 % of the pixels, by torch's own count, against those of the whole image."""
    adapter = StyleGAN2(untrained(16, [32, 32, 32, 32, 32], 0))
    codes = draw(adapter, 1, 0)
    counts = {}
    for text in ("all", "box:0.4,0.4,0.22,0.22"):
        with FlopCounterMode(display=False) as counter:
            adapter.region_output(codes, parse_region(text, adapter.resolution))
        counts[text] = counter.get_total_flops()
    assert counts["box:0.4,0.4,0.22,0.22"] <= 0.15 * counts["all"]


@pytest.mark.filterwarnings("ignore:Attempted to insert a get_attr Node")  # torch, about its own graph
def test_a_derivative_can_be_linearized_and_mapped_over_tangents() -> None:
    for adapter in (StyleGAN2.tiny(0), StyleGAN2(untrained(6, [6, 4], 2, classes=3), "z")):
        code, region = draw(adapter, 1, 0), parse_region("center", adapter.resolution)

        def output(delta: Tensor, adapter: Adapter = adapter, code: Codes = code) -> Tensor:
            return adapter.region_output(adapter.move(code, delta), region)[0].mean(dim=0)  # noqa: B023

        origin, basis = torch.zeros(adapter.space.dim), torch.eye(adapter.space.dim)
        primal, linear = torch.func.linearize(output, origin)
        assert torch.allclose(primal, output(origin), atol=1e-6)
        found = torch.func.vmap(linear)(basis)
        wanted = torch.func.jacrev(output)(origin).T
        assert torch.allclose(found, wanted, atol=1e-5 * float(wanted.abs().max()))


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
    with pytest.raises(UnknownNameError, match="there are: w, z"):
        opened(Golden.read("stylegan2_ada").state, "s")


def test_the_untrained_network_depends_on_its_seed_alone() -> None:
    one, again, other = (untrained(6, [6, 4], seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(one[key], again[key]) for key in one)
    assert not all(torch.equal(one[key], other[key]) for key in one)
    assert isinstance(untrained(6, [6, 4], 1), Generator)
