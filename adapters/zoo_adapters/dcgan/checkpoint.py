"""The public file formats of DCGAN generators, each brought to the keys of the family's generator."""

import re
from collections.abc import Mapping
from typing import Any

from zoo import Layout, State

EYE_COLOURS = ("amber", "blue", "brown", "gray", "grayscale", "green", "hazel", "red")

_MAIN = re.compile(r"(?:netG_state_dict\.)?(?:module\.)?main\.(\d+)\.(\w+)")
_NAMED = re.compile(r"(convTr|batchNorm)(\d+)\.(\w+)")


def _detect_sequential(state: State, meta: Mapping[str, Any]) -> bool:
    """One nn.Sequential ``main`` (0 convolution, 1 norm, 2 ReLU, 3 convolution …), bare or in a training checkpoint."""
    blocks = _blocks(state)
    return blocks[:2] == [0, 3]


def _detect_omniart(state: State, meta: Mapping[str, Any]) -> bool:
    """The same with a dropout after the first block, so that the second begins at 4, and eight colours as inputs."""
    blocks = _blocks(state)
    return blocks[:2] == [0, 4] and state["main.0.weight"].shape[0] == 100 + len(EYE_COLOURS)


def _detect_named(state: State, meta: Mapping[str, Any]) -> bool:
    """Attributes convTr1, batchNorm1, convTr2 … of one module."""
    return "convTr1.weight" in state and "batchNorm1.running_mean" in state


def _blocks(state: State) -> list[int]:
    """List the numbers in ``main`` at which a convolution stands."""
    found = [(int(match[1]), key) for key in state if (match := _MAIN.fullmatch(key))]
    return sorted(number for number, key in found if state[key].ndim == 4)


def _convert_sequential(state: State, meta: Mapping[str, Any]) -> tuple[State, dict[str, Any]]:
    return _renumber(state), {}


def _convert_omniart(state: State, meta: Mapping[str, Any]) -> tuple[State, dict[str, Any]]:
    return _renumber(state), {"classes": EYE_COLOURS}


def _convert_named(state: State, meta: Mapping[str, Any]) -> tuple[State, dict[str, Any]]:
    converted: State = {}
    for key, tensor in state.items():
        match = _NAMED.fullmatch(key)
        if match:
            kind = "convs" if match[1] == "convTr" else "norms"
            converted[f"{kind}.{int(match[2]) - 1}.{match[3]}"] = tensor
        else:
            converted[key] = tensor
    return converted, {}


def _renumber(state: State) -> State:
    """Bring the running numbers of an nn.Sequential to convs.i and norms.i: a 4-d weight begins a block."""
    parts = {key: (int(match[1]), match[2]) for key in state if (match := _MAIN.fullmatch(key))}
    convs = _blocks(state)
    norms = sorted({number for number, _ in parts.values()} - set(convs))
    orders = (("convs", convs), ("norms", norms))
    places = {number: f"{kind}.{index}" for kind, order in orders for index, number in enumerate(order)}
    converted: State = {}
    for key, (number, name) in parts.items():
        converted[f"{places[number]}.{name}"] = state[key]
    return converted


LAYOUTS = (
    Layout(
        "sequential",
        _detect_sequential,
        _convert_sequential,
        about="PyTorch's own example and many after it",
        required_keys=("main.0.weight", "main.3.weight"),
    ),
    Layout(
        "named",
        _detect_named,
        _convert_named,
        about="networks with named layers",
        required_keys=("convTr1.weight", "batchNorm1.running_mean"),
    ),
    Layout(
        "omniart-eyes",
        _detect_omniart,
        _convert_omniart,
        about="the OmniArt eyes, in eight colours",
        required_keys=("main.0.weight", "main.4.weight"),
    ),
)
