"""Layers by number and by name."""

from __future__ import annotations

import pytest

from zoo import LayersError
from zoo.core.layers import describe_layers, format_layers, parse_layers

NAMES = {"4x4": (0,), "8x8": (1, 2), "16x16": (3, 4), "coarse": (0, 1, 2, 3), "ToRGB": (4,)}


@pytest.mark.parametrize(
    ("text", "layers"),
    [
        ("coarse", (0, 1, 2, 3)),
        ("COARSE", (0, 1, 2, 3)),
        ("torgb", (4,)),
        ("8x8,4", (1, 2, 4)),
        (" 16x16 , 0-1", (0, 1, 3, 4)),
        ("8x8,coarse,2-3", (0, 1, 2, 3)),
        ("0-4", (0, 1, 2, 3, 4)),
    ],
)
def test_names_and_numbers_can_be_mixed(text: str, layers: tuple[int, ...]) -> None:
    assert parse_layers(text, 5, NAMES) == layers


@pytest.mark.parametrize("text", ["fine", "32x32", "coarse,fine", "coarse-16x16", "5", "0-5", "", "coarse,"])
def test_what_there_is_is_told(text: str) -> None:
    with pytest.raises(LayersError) as caught:
        parse_layers(text, 5, NAMES)
    for word in ("--layers", "0-4", "8x8 (1-2)", "coarse (0-3)", "ToRGB (4)"):
        assert word in str(caught.value)


def test_a_model_without_names_says_so() -> None:
    with pytest.raises(LayersError, match=r"--layers coarse: .*there are 0-17, and this model names none"):
        parse_layers("coarse", 18)


@pytest.mark.parametrize("layers", [(0,), (0, 1, 2), (0, 2, 5, 6), (3, 4, 9)])
def test_formatted_layers_can_be_read(layers: tuple[int, ...]) -> None:
    assert parse_layers(format_layers(layers), 10) == layers


def test_layers_with_the_same_names_share_a_line() -> None:
    assert describe_layers(NAMES) == ["0: 4x4, coarse", "1-2: 8x8, coarse", "3: 16x16, coarse", "4: 16x16, ToRGB"]
    assert describe_layers({"a": (0, 2)}) == ["0,2: a"]
    assert describe_layers({}) == []
