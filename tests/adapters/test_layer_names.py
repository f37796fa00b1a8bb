"""What architectures call their layers, and that cards without a network give the same names."""

from __future__ import annotations

from pathlib import Path

import pytest
from safetensors.torch import save_file
from zoo_adapters.stylegan3.adapter import StyleGAN3

import zoo
from tests.support.golden import Golden
from tests.test_startup import SLOW, loaded_by
from zoo.plugins.discovery import load_plugins
from zoo.registry.registry import load_installation

ADAPTERS = load_plugins().adapters
STYLE = ["stylegan", "stylegan2", "stylegan3"]

# From the figures and the code of the papers: the layers of generators of 1024 x 1024 pixels.
COARSE_MIDDLE_FINE = {"coarse": range(4), "middle": range(4, 8), "fine": range(8, 18)}
# The names of NVIDIA's layers begin with their size, which is the sampling rate and a margin of 10 on either side.
SIZES = [36, 36, 52, 52, 84, 148, 148, 276, 276, 532, 1044, 1044, 1044, 1024]


@pytest.mark.parametrize("family", ["stylegan", "stylegan2"])
def test_scales_are_those_of_the_literature(family: str) -> None:
    names = ADAPTERS[family].name_layers("w", 18, 1024)
    assert {name: tuple(rows) for name, rows in COARSE_MIDDLE_FINE.items()}.items() <= dict(names).items()


def test_resolutions_of_rows() -> None:
    first, second = (ADAPTERS[family].name_layers("w", 18, 1024) for family in ("stylegan", "stylegan2"))
    assert (first["4x4"], first["8x8"], first["1024x1024"]) == ((0, 1), (2, 3), (16, 17))
    assert (second["4x4"], second["8x8"], second["64x64"]) == ((0,), (1, 2), (7, 8))
    assert second["1024x1024"] == (15, 16, 17)


def test_rates_of_stylegan3_are_those_of_nvidias_layers() -> None:
    names = ADAPTERS["stylegan3"].name_layers("w", 16, 1024)
    assert (names["input"], names["ToRGB"]) == ((0,), (15,))
    rates = [next(int(name.partition("x")[0]) for name, rows in names.items() if row in rows) for row in range(1, 15)]
    assert [*(rate + 20 for rate in rates[:-1]), rates[-1]] == SIZES


def test_rates_are_read_from_the_network() -> None:
    adapter = StyleGAN3.tiny(0)
    assert adapter.layer_names() == {"input": (0,), "8x8": (1, 2), "ToRGB": (3,)}


@pytest.mark.parametrize("recorded", ["stylegan3_t", "stylegan3_r"])
def test_rates_are_those_of_networks_that_nvidias_code_made(recorded: str, tmp_path: Path) -> None:
    save_file(Golden.read(recorded).state, tmp_path / "g.safetensors")
    adapter = zoo.load(tmp_path / "g.safetensors", device="cpu").adapter
    space = adapter.space
    assert space.layers == 16
    assert adapter.layer_names() == ADAPTERS["stylegan3"].name_layers("w", space.layers, adapter.resolution[0])


@pytest.mark.parametrize("family", ["stylegan", "stylegan2"])
def test_cards_and_networks_give_the_same_names(family: str) -> None:
    for adapter in (ADAPTERS[family].resolve().tiny(0), zoo.load(f"{family}.avatars32", device="cpu").adapter):
        space = adapter.space
        assert adapter.layer_names() == ADAPTERS[family].name_layers(space.name, space.layers, adapter.resolution[0])


def test_blocks_of_biggan_are_named_after_their_maps() -> None:
    adapter = zoo.load("biggan", device="cpu").adapter
    assert adapter.layer_names() == {"4x4": (0,), "8x8": (1,), "16x16": (2,), "32x32": (3,)}


@pytest.mark.parametrize("family", STYLE)
def test_the_single_row_of_z_has_no_name(family: str) -> None:
    assert ADAPTERS[family].name_layers("z", 1, 64) == {}


def test_names_of_cards_need_no_torch() -> None:
    cards = [card for card in load_installation().registry.cards.values() if card.adapter in STYLE]
    code = "from zoo.plugins import load_plugins\nadapters = load_plugins().adapters\n"
    for card in cards:
        code += f"assert adapters[{card.adapter!r}].name_layers('w', {card.layers}, {card.resolution})\n"
    assert not set(SLOW) & set(loaded_by(code))


def test_layers_by_name_are_those_by_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    model = zoo.load("stylegan2.avatars32", device="cpu")
    named, numbered = (
        zoo.analyze(model, "sefa", layers=layers, show=1, unseen=0) for layers in ("middle,8x8", "1-2,4-7")
    )
    assert named.layers == numbered.layers == (1, 2, 4, 5, 6, 7)
    assert named.vectors.equal(numbered.vectors)
