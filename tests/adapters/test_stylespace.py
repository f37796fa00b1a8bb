"""StyleSpace: codes that are the styles of all layers."""

from pathlib import Path

import pytest
import torch
from zoo_adapters.stylegan.adapter import StyleGAN
from zoo_adapters.stylegan2.adapter import StyleGAN2
from zoo_adapters.stylegan2.network import untrained

import zoo
from zoo.nn import StyleAdapter
from zoo.testing import check_adapter


@pytest.mark.parametrize("family", [StyleGAN2, StyleGAN])
def test_its_images_are_those_of_w(family: type[StyleGAN2 | StyleGAN]) -> None:
    """Drawn with the same seed and truncated before the affine maps."""
    adapter = family.tiny(0)
    images = [
        one.synthesize(one.sample(3, torch.Generator().manual_seed(3), None, 0.7))
        for one in (adapter, family(adapter.network, "s"))
    ]
    torch.testing.assert_close(*images, rtol=0, atol=1e-6)


def test_styles_are_in_the_order_of_the_forward_pass_with_torgb() -> None:
    network = untrained(8, [8, 6, 4], 0)
    w = torch.randn(2, 6, 8, generator=torch.Generator().manual_seed(0))
    [c0, c1, c2, c3, c4], [rgb0, rgb1, rgb2] = network.layers, network.to_rgb
    order = [(c0, 0), (rgb0, 1), (c1, 1), (c2, 2), (rgb1, 3), (c3, 3), (c4, 4), (rgb2, 5)]
    expected = torch.cat([module.get_submodule("affine")(w[:, row]) for module, row in order], dim=1)
    assert torch.equal(torch.cat(network.styles(w), dim=1), expected)
    adapter = StyleGAN2(network, "s")
    assert adapter.space == zoo.LatentSpace("s", 50)
    assert adapter.space.styles == (8, 8, 8, 6, 6, 6, 4, 4)
    assert adapter.projections() == [] and adapter.layer_names() == {}


@pytest.mark.parametrize("adapter", [StyleGAN2(untrained(4, [4, 3], 2, classes=3), "s")], ids=["conditional"])
def test_conformance(adapter: StyleAdapter) -> None:
    check_adapter(adapter, 1)
    assert not adapter.needs_labels


def test_commands(tmp_path: Path) -> None:
    """A vector of StyleSpace, one array for each layer, edits codes in s."""
    model = zoo.load("stylegan2.avatars32", space="s")
    sizes = model.adapter.space.styles
    torch.save([torch.ones(size) for size in sizes], tmp_path / "all.pt")
    directions = zoo.Directions.load(tmp_path / "all.pt", space=model.adapter.space)
    moved = model.adapter.move(model.sample(1, seed=0), directions.vectors[0].float())
    assert moved.latents.shape == (1, sum(sizes))
    with pytest.raises(zoo.CapabilityError, match="sefa needs projection, which stylegan2 does not provide in s"):
        zoo.analyze(model, "sefa")
