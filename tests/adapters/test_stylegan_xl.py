"""StyleGAN-XL against numbers recorded from the original implementation: a stem, and two superresolution stages."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from zoo_adapters.stylegan3.xl_adapter import StyleGANXL

import zoo
from tests.support.containers import find, network, nvidia_pickle
from tests.support.contract import check_mapped_tangents
from tests.support.families import families
from tests.support.golden import Golden
from tests.support.linear import model_of
from zoo import CheckpointError, Codes
from zoo.checkpoints import detect_network
from zoo.core.region import parse_region
from zoo.models.export import convert, inspect_file
from zoo.registry.registry import load_installation
from zoo.testing import check_adapter, draw, in_float64

# Configuration T with four classes, at 16 x 16 pixels and doubled; configuration R without classes, doubled.
RECORDED = ["stylegan_xl_stem", "stylegan_xl_superres", "stylegan_xl_r"]


def opened(golden: Golden, space: str = "z", **config: Any) -> StyleGANXL:
    found = detect_network(families(), golden.state, {})
    assert (found.family, found.layout.name) == ("stylegan-xl", "stylegan-xl")
    state, settings = found.convert()
    return StyleGANXL.load(
        state, {**settings, "cutoff": golden.card["call"]["truncation_cutoff"], **config}, space=space
    )


def codes_of(golden: Golden, truncation: float | None = None) -> Codes:
    return Codes(golden.inputs["z"], golden.inputs.get("label"), truncation)


@pytest.fixture(scope="module", params=RECORDED)
def golden(request: pytest.FixtureRequest) -> Golden:
    return Golden.read(request.param)


def test_images(golden: Golden) -> None:
    adapter = opened(golden)
    golden.check("image_psi1", adapter.synthesize(codes_of(golden)))
    golden.check("image", adapter.synthesize(codes_of(golden, golden.card["call"]["truncation_psi"])))


def test_each_class_is_truncated_towards_its_own_mean(golden: Golden) -> None:
    adapter, psi = opened(golden, "w"), golden.card["call"]["truncation_psi"]
    labels = golden.inputs.get("label")
    w = adapter._map(golden.inputs["z"], labels)
    golden.check("w", w)
    golden.check("w_trunc", adapter._broadcast(w, psi, labels))
    collapsed = adapter.sample(3, torch.Generator().manual_seed(0), labels, truncation=0.0).latents[:, 0]
    mean = golden.state["mapping.w_avg"]
    assert torch.allclose(collapsed, mean if labels is None else mean[labels], atol=1e-6)


def test_a_training_pickle_is_read_without_running_it(tmp_path: Path) -> None:
    """Its table of classes is an object of torch's own; only the first rows, those of the classes, count."""
    golden = Golden.read("stylegan_xl_superres")
    kind = "training.networks_stylegan3_resetting.SuperresGenerator"
    made = network(
        golden.state,
        kind,
        init_kwargs={"path_stem": "stem.pkl", "head_layers": 3},
        attributes={"mapping": {"c_dim": 4}},
    )
    table = find(made, "mapping.embed")
    table.class_name, table.persistent = "torch.nn.modules.sparse.Embedding", False
    (tmp_path / "best_model.pkl").write_bytes(nvidia_pickle({"G_ema": made}))
    model = zoo.load(tmp_path / "best_model.pkl", space="z", device="cpu")
    assert (model.layout, model.card.adapter, model.adapter.classes) == ("stylegan-xl", "stylegan-xl", tuple("0123"))
    golden.check("image_psi1", model.adapter.synthesize(codes_of(golden)))


def test_rows_are_named_after_the_rates_of_the_stages() -> None:
    names = opened(Golden.read("stylegan_xl_superres"), "w").layer_names()
    assert names == {"input": (0,), "16x16": (1, 2, 3, 4), "32x32": (5, 6), "ToRGB": (7,)}


def test_a_converted_file_draws_the_same(tmp_path: Path) -> None:
    golden = Golden.read("stylegan_xl_superres")
    save_file(golden.state, tmp_path / "mine.safetensors")
    found = inspect_file(str(tmp_path / "mine.safetensors"), load_installation())
    model = zoo.load(convert(found, tmp_path / "found.safetensors"), space="z", device="cpu")
    golden.check("image", model.adapter.synthesize(codes_of(golden, 0.6)))


def without(*keys: str) -> dict[str, Tensor]:
    return {key: tensor for key, tensor in Golden.read("stylegan_xl_stem").state.items() if key not in keys}


def test_a_network_whose_mean_has_no_classes_is_truncated_towards_it() -> None:
    """As files of the authors' earlier code; how many classes there are is then said beside the tensors."""
    state = {**without(), "mapping.w_avg": torch.arange(10.0)}
    for meta, classes in (({}, 9), ({"mapping.c_dim": 4}, 4)):
        converted, config = detect_network(families(), state, meta).convert()
        adapter = StyleGANXL.load(converted, config)
        assert len(adapter.classes) == classes
        collapsed = adapter.sample(2, torch.Generator().manual_seed(0), truncation=0.0).latents
        assert torch.allclose(collapsed, state["mapping.w_avg"].expand_as(collapsed), atol=1e-6)


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (without("mapping.embed_proj.bias"), r"missing: mapping\.embed_proj\.bias"),
        (without("synthesis.L3_36_12.bias"), r"missing: synthesis\.L3_36_12\.bias"),
        (without("mapping.embed_proj.weight", "mapping.embed_proj.bias"), r"mapping\.mean"),
        ({**without(), "mapping.w_avg": torch.zeros(4, 9)}, r"mapping\.mean \(4, 9\)"),
        ({**without(), "mapping.w_avg": torch.zeros(40, 10)}, r"mapping\.mean \(40, 10\)"),
    ],
)
def test_states_that_do_not_fit(state: dict[str, Tensor], message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        StyleGANXL.load(*detect_network(families(), state, {}).convert())


def test_conformance() -> None:
    """In w, it is that of StyleGAN3; `zoo check` tries it."""
    check_adapter(StyleGANXL(StyleGANXL.tiny(0).network, "z"), 1)


def test_forward_mode_can_be_mapped_over_tangents() -> None:
    check_mapped_tangents(StyleGANXL(StyleGANXL.tiny(0).network, "z"))


def test_a_region_of_a_superresolution_stage_is_the_cut_of_the_image() -> None:
    adapter = in_float64(opened(Golden.read("stylegan_xl_superres"), "w"))
    codes, region = draw(adapter, 1, 0), parse_region("box:20,3,2,5", adapter.resolution)
    image = adapter.synthesize(codes).flatten(2)
    found = adapter.region_output(codes, region)
    assert torch.allclose(found, image[..., region.pixels], rtol=0, atol=1e-12 * float(image.abs().max()))


def test_sefa_finds_directions_of_a_class() -> None:
    directions = zoo.analyze(model_of(StyleGANXL.tiny(0)), "sefa", k=3, unseen=1, label=2)
    assert directions.provenance["projections"] == [1, 2, 3]
