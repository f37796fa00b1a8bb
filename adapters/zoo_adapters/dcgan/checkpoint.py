"""The public file formats of DCGAN generators, each converted to the keys of `DCGANGenerator`."""

import re
from collections.abc import Mapping
from typing import Any

from zoo import CheckpointError, Layout, State

EYE_COLOURS = ("amber", "blue", "brown", "gray", "grayscale", "green", "hazel", "red")

_SEQUENTIAL_KEY = re.compile(r"(\d+)\.(\w+)")
_NAMED_KEY = re.compile(r"(convTr|batchNorm)(\d+)\.(\w+)")
_OMNIART_DIM = 100

# A network that was pickled whole says which layers it has. Dropout does nothing in evaluation.
_CLASS_KEY = re.compile(r"(\d+)\._class")
_SAYS = "the DCGAN file says that"
_IDLE_CLASSES = {"Dropout", "Dropout2d", "Identity"}
_NORM_SETTINGS = {"eps": 1e-5, "affine": True, "track_running_stats": True}
_CONV_SETTINGS = {"groups": 1, "padding_mode": "zeros"}


def _detect_sequential(state: State, meta: Mapping[str, Any]) -> bool:
    """One nn.Sequential: 0 convolution, 1 norm, 2 ReLU, 3 convolution …"""
    return _convolution_numbers(state)[:2] == [0, 3]


def _detect_omniart(state: State, meta: Mapping[str, Any]) -> bool:
    """The same with a dropout in the first block, so that the second block begins at 4, and eight classes as inputs."""
    if _convolution_numbers(state)[:2] != [0, 4]:
        return False
    return state["0.weight"].shape[0] == _OMNIART_DIM + len(EYE_COLOURS)


def _detect_named(state: State, meta: Mapping[str, Any]) -> bool:
    """Attributes convTr1, batchNorm1, convTr2 … of one module."""
    return "convTr1.weight" in state and "batchNorm1.running_mean" in state


def _convolution_numbers(state: State) -> list[int]:
    """List the numbers of the convolutions."""
    matches = [(int(match[1]), key) for key in state if (match := _SEQUENTIAL_KEY.fullmatch(key))]
    return sorted(number for number, key in matches if state[key].ndim == 4)


def _require_layers(meta: Mapping[str, Any]) -> None:
    """Compare the layers that a network pickled whole says that it has with those that zoo builds.

    Raises:
        CheckpointError: for another layer, or another setting of one.
    """
    numbers = sorted(int(match[1]) for key in meta if (match := _CLASS_KEY.fullmatch(key)))
    names = {number: str(meta[f"{number}._class"]).rpartition(".")[2] for number in numbers}
    layers = [number for number in numbers if names[number] not in _IDLE_CLASSES]
    blocks = sum(names[number] == "ConvTranspose2d" for number in layers) - 1
    expected = ["ConvTranspose2d", "BatchNorm2d", "ReLU"] * blocks + ["ConvTranspose2d", "Tanh"]
    for number, wanted in zip(layers, expected, strict=False):
        if names[number] != wanted:
            raise CheckpointError(f"{_SAYS} layer {number} is {names[number]}: zoo reads {wanted} there")
        _require_layer_settings(meta, number, wanted, first=number == layers[0])
    if len(layers) > len(expected):
        more = layers[len(expected)]
        raise CheckpointError(f"{_SAYS} layer {more} is {names[more]}: zoo reads no further layer")


def _require_layer_settings(meta: Mapping[str, Any], number: int, name: str, *, first: bool) -> None:
    settings: dict[str, Any] = {}
    if name == "BatchNorm2d":
        settings = _NORM_SETTINGS
    elif name == "ConvTranspose2d":
        per_axis = {"kernel_size": 4, "stride": 1 if first else 2, "padding": 0 if first else 1}
        per_axis |= {"dilation": 1, "output_padding": 0}
        settings = {**_CONV_SETTINGS, **{f"{key}.{axis}": value for key, value in per_axis.items() for axis in (0, 1)}}
    for key, wanted in settings.items():
        found = meta.get(f"{number}.{key}", wanted)
        if found != wanted:
            name = key.partition(".")[0]
            raise CheckpointError(f"{_SAYS} layer {number} has {name} {found!r}: zoo reads {wanted!r} there")


def _convert_sequential(state: State, meta: Mapping[str, Any]) -> tuple[State, dict[str, Any]]:
    _require_layers(meta)
    return _renumber(state), {}


def _convert_omniart(state: State, meta: Mapping[str, Any]) -> tuple[State, dict[str, Any]]:
    _require_layers(meta)
    return _renumber(state), {"classes": EYE_COLOURS}


def _convert_named(state: State, meta: Mapping[str, Any]) -> tuple[State, dict[str, Any]]:
    converted: State = {}
    for key, tensor in state.items():
        match = _NAMED_KEY.fullmatch(key)
        if match:
            layers = "convs" if match[1] == "convTr" else "norms"
            converted[f"{layers}.{int(match[2]) - 1}.{match[3]}"] = tensor
        else:
            converted[key] = tensor
    return converted, {}


def _renumber(state: State) -> State:
    """Rename an nn.Sequential's layers, numbered together, to convs.i and norms.i."""
    parts = {key: (int(match[1]), match[2]) for key in state if (match := _SEQUENTIAL_KEY.fullmatch(key))}
    # Convolutions have weights of four axes. Whatever else has tensors is a normalisation.
    convs = _convolution_numbers(state)
    norms = sorted({number for number, _ in parts.values()} - set(convs))
    names = {number: f"convs.{index}" for index, number in enumerate(convs)}
    names |= {number: f"norms.{index}" for index, number in enumerate(norms)}
    renamed = {f"{names[number]}.{name}": state[key] for key, (number, name) in parts.items()}
    # Layers of other kinds are not passed over in silence: they do not fit the network.
    return renamed | {f"({key})": state[key] for key in state if key[0].isdigit() and key not in parts}


LAYOUTS = (
    Layout(
        "sequential",
        _detect_sequential,
        _convert_sequential,
        about="PyTorch's own example and many after it",
        required_keys=("0.weight", "1.running_mean", "3.weight"),
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
        required_keys=("0.weight", "1.running_mean", "4.weight"),
    ),
)
