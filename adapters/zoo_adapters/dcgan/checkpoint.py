"""The public file formats of DCGAN generators, each converted to the keys of `DCGANGenerator`.

Spectral norms are divided out of the weights. The bias of a convolution before a normalisation is taken off the
normalisation's mean, which does the same.
"""

import re
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any

import torch

from zoo import CheckpointError, Layout, State
from zoo.checkpoints import StateDictConverter, is_whole, require_modules

EYE_COLOURS = ("amber", "blue", "brown", "gray", "grayscale", "green", "hazel", "red")

_OWNER = "the DCGAN file"
# The number of a layer, or of a block and of a layer in it, and the name of a tensor.
_SEQUENTIAL_KEY = re.compile(r"(\d+(?:\.\d+)?)\.(\D.*)")
_NAMED_KEY = re.compile(r"(convTr|batchNorm)(\d+)\.(\w+)")
_NORM_TENSORS = ("weight", "bias", "running_mean", "running_var")
_OMNIART_DIM = 100

# What tensors do not tell, as PyTorch's own example has it.
_ASSUMED = {"epsilon": 1e-5, "negative_slope": 0.0, "output_activation": "tanh"}

# A network that was pickled whole says which layers it has. Dropout does nothing in evaluation.
_CLASS_KEY = re.compile(r"(\d+(?:\.\d+)?)\._class")
_SAYS = "the DCGAN file says that"
_IDLE_CLASSES = {
    *("Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "AlphaDropout", "FeatureAlphaDropout", "Identity"),
    *("Module", "ModuleDict", "ModuleList", "Sequential"),
}
_ACTIVATIONS = {"ReLU", "LeakyReLU"}
_OUTPUT_ACTIVATIONS = {"Tanh": "tanh", "Sigmoid": "sigmoid"}
_SEQUENTIAL = "torch.nn.modules.container.Sequential"
# Modules around a network that give its result as it is.
_SHELLS = {
    "torch.nn.parallel.data_parallel.DataParallel",
    "torch.nn.parallel.distributed.DistributedDataParallel",
    "torch._dynamo.eval_frame.OptimizedModule",
}
_SAME_CLASSES = {"SyncBatchNorm": "BatchNorm2d"}  # in evaluation
_NORM_SETTINGS = {"track_running_stats": True}
_CONV_SETTINGS = {"groups": 1, "padding_mode": "zeros"}
_NAMED_CLASSES: Mapping[str, Mapping[str, Any]] = {
    name: {} for name in ("ConvTranspose2d", "BatchNorm2d", "SyncBatchNorm", "ReLU", "LeakyReLU", "Tanh", "Sigmoid")
}
_NAMED_ATTRIBUTES = {
    r"convTr1\.padding\.\d": 0,
    r"convTr(?!1\.)\d+\.stride\.\d": 2,
    r"convTr(?!1\.)\d+\.padding\.\d": 1,
}


def _alternates(state: State, meta: Mapping[str, Any]) -> bool:
    """Ask for transposed convolutions with a norm between any two, and between them whatever has no tensors.

    Each reads what the one before it makes, which tells them from the convolutions of a discriminator.
    """
    convolutions, norms = _layers(state)
    places = sorted([*((number, "conv") for number in convolutions), *((number, "norm") for number in norms)])
    alternate = ["conv", "norm"] * (len(convolutions) - 1) + ["conv"]
    if len(convolutions) < 2 or [kind for _, kind in places] != alternate or _detect_omniart(state, meta):
        return False
    return all(before[1] == after[0] for before, after in pairwise(convolutions.values()))


def _detect_omniart(state: State, meta: Mapping[str, Any]) -> bool:
    """The same with a dropout in the first block, so that the second block begins at 4, and eight classes as inputs."""
    if "0.weight" not in state or list(_layers(state)[0])[:2] != [(0,), (4,)]:
        return False
    return state["0.weight"].shape[0] == _OMNIART_DIM + len(EYE_COLOURS)


def _layers(state: State) -> tuple[dict[tuple[int, ...], torch.Size], list[tuple[int, ...]]]:
    """List the numbers of the convolutions, whose weights have four axes, with their shapes, and of the norms."""
    parts = {key: match for key in state if (match := _SEQUENTIAL_KEY.fullmatch(key))}
    shapes: dict[tuple[int, ...], torch.Size] = {}
    for key, match in parts.items():
        if state[key].ndim == 4:
            # A normalised weight has a second tensor of four axes: its lengths.
            number = _number(match[1])
            shapes[number] = max(state[key].shape, shapes.get(number, torch.Size()), key=lambda shape: shape.numel())
    norms = {_number(match[1]) for match in parts.values() if match[2] == "running_mean"}
    return dict(sorted(shapes.items())), sorted(norms)


def _number(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(".")))


def _read_layers(meta: Mapping[str, Any]) -> dict[str, Any]:
    """Read the layers that a network pickled whole says that it has.

    Returns:
        The settings that they say; nothing for a file of tensors alone.

    Raises:
        CheckpointError: for a layer that zoo does not read, or another setting of one.
    """
    texts = sorted((match[1] for key in meta if (match := _CLASS_KEY.fullmatch(key))), key=_number)
    names = {text: _class_name(meta[f"{text}._class"]) for text in texts}
    layers = [text for text in texts if names[text] not in _IDLE_CLASSES]
    if not layers:
        return {}
    _require_numbers_only(meta)
    blocks = sum(names[text] == "ConvTranspose2d" for text in layers) - 1
    expected = ["ConvTranspose2d", "BatchNorm2d", "ReLU"] * blocks + ["ConvTranspose2d", "Tanh"]
    if names[layers[-1]] == "ConvTranspose2d":  # what follows is in the code of the network, or beside it
        expected.pop()
    if names[layers[-1]] in _OUTPUT_ACTIVATIONS:
        expected[-1] = names[layers[-1]]
    for text, wanted in zip(layers, expected, strict=False):
        if names[text] != wanted and {names[text], wanted} != _ACTIVATIONS:
            raise CheckpointError(f"{_SAYS} layer {text} is {names[text]}: zoo reads {wanted} there")
        _require_layer_settings(meta, text, wanted, first=text == layers[0])
    if len(layers) != len(expected):
        more = f"layer {layers[-1]} is {names[layers[-1]]}: zoo reads {len(expected)} layers, not {len(layers)}"
        raise CheckpointError(f"{_SAYS} {more}")
    norms = [text for text in layers if names[text] == "BatchNorm2d"]
    activations = [text for text in layers if names[text] in _ACTIVATIONS]
    slopes = [_slope(meta, text) if names[text] == "LeakyReLU" else 0.0 for text in activations]
    epsilons = [meta.get(f"{text}.eps", _ASSUMED["epsilon"]) for text in norms]
    said = {"epsilon": _same("eps", epsilons, norms), "negative_slope": _same("negative_slope", slopes, activations)}
    # Without a last activation, the network ends as its blocks begin; then it may stand beside the numbered layers.
    last = expected[-1:] if len(expected) % 3 == 2 else str(meta.get("_siblings", "")).split()
    return said | (_output_activation(last) or _no_activation(last, meta))


def _class_name(path: Any) -> str:
    name = str(path).rpartition(".")[2]
    return _SAME_CLASSES.get(name, name)


def _output_activation(classes: Iterable[str]) -> dict[str, Any]:
    """Read the last activation from the classes of the layers that may be it; there may be none, or several."""
    found = [_OUTPUT_ACTIVATIONS[name] for name in map(_class_name, classes) if name in _OUTPUT_ACTIVATIONS]
    return {"output_activation": found[0]} if len(found) == 1 else {}


def _no_activation(last: list[str], meta: Mapping[str, Any]) -> dict[str, Any]:
    """Read that nothing follows the last convolution, where torch's own classes run the layers, and no other code."""
    is_torch = str(meta.get("_class")) == _SEQUENTIAL and set(str(meta.get("_around", "")).split()) <= _SHELLS
    return {"output_activation": "none"} if is_torch and not last else {}


def _require_numbers_only(meta: Mapping[str, Any]) -> None:
    """Refuse a layer of torch that has a name among numbered ones: nothing tells where it stands."""
    for key, path in meta.items():
        *layer, end = key.split(".")
        if end != "_class" or not layer or _CLASS_KEY.fullmatch(key) or any(part.startswith("_") for part in layer):
            continue
        if str(path).startswith("torch.nn.modules.") and _class_name(path) not in _IDLE_CLASSES:
            name = ".".join(layer)
            raise CheckpointError(f"{_SAYS} layer {name} is {_class_name(path)}: zoo reads layers that have numbers")


def _slope(meta: Mapping[str, Any], text: str) -> Any:
    return meta.get(f"{text}.negative_slope", 0.01)


def _same(name: str, values: list[Any], layers: list[str]) -> Any:
    """Return the value of a setting that all layers share."""
    for value, layer in zip(values, layers, strict=True):
        if value != values[0]:
            raise CheckpointError(
                f"{_SAYS} layer {layer} has {name} {value!r}, and layer {layers[0]} {values[0]!r}: zoo reads networks "
                "that have the same everywhere"
            )
    return values[0]


def _require_layer_settings(meta: Mapping[str, Any], layer: str, name: str, *, first: bool) -> None:
    settings: dict[str, Any] = {}
    if name == "BatchNorm2d":
        settings = _NORM_SETTINGS
    elif name == "ConvTranspose2d":
        # The stride of the first is of no account: it reads one pixel.
        per_axis = {"kernel_size": 4, "padding": 0 if first else 1, "dilation": 1, "output_padding": 0}
        per_axis |= {} if first else {"stride": 2}
        settings = {**_CONV_SETTINGS, **{f"{key}.{axis}": value for key, value in per_axis.items() for axis in (0, 1)}}
    for key, wanted in settings.items():
        found = meta.get(f"{layer}.{key}", wanted)
        if found != wanted:
            name = key.partition(".")[0]
            raise CheckpointError(f"{_SAYS} layer {layer} has {name} {found!r}: zoo reads {wanted!r} there")


def _convert_sequential(state: State, meta: Mapping[str, Any]) -> tuple[State, dict[str, Any]]:
    return _renumber(state), _config(_read_layers(meta), meta)


def _convert_omniart(state: State, meta: Mapping[str, Any]) -> tuple[State, dict[str, Any]]:
    return _renumber(state), {**_config(_read_layers(meta), meta), "classes": EYE_COLOURS}


def _config(said: Mapping[str, Any], meta: Mapping[str, Any]) -> dict[str, Any]:
    """Make the config of what a file says, and of what is assumed of the rest.

    Tensors alone are read as the paper's network. Where a network that was pickled whole leaves something to its code,
    it is in doubt.
    """
    assumed = {name: value for name, value in _ASSUMED.items() if name not in said}
    in_doubt = {"in_doubt": sorted(assumed)} if assumed and is_whole(meta) else {}
    return {**said, "assumed": assumed, **in_doubt} if assumed else dict(said)


def _convert_named(state: State, meta: Mapping[str, Any]) -> tuple[State, dict[str, Any]]:
    converted: State = {}
    for key, tensor in state.items():
        match = _NAMED_KEY.fullmatch(key)
        if match:
            layers = "convs" if match[1] == "convTr" else "norms"
            converted[f"{layers}.{int(match[2]) - 1}.{match[3]}"] = tensor
        else:
            converted[key] = tensor
    said = {"epsilon": meta["batchNorm1.eps"]} if "batchNorm1.eps" in meta else {}
    attributes = {**_NAMED_ATTRIBUTES, r"batchNorm\d+\.eps": said.get("epsilon")}
    require_modules(meta, _OWNER, classes=_NAMED_CLASSES, attributes=attributes)
    classes = {key.removesuffix("._class"): _class_name(path) for key, path in meta.items() if key.endswith("._class")}
    activations = [layer for layer, name in classes.items() if name in _ACTIVATIONS]
    slopes = [_slope(meta, layer) if classes[layer] == "LeakyReLU" else 0.0 for layer in activations]
    slope = {"negative_slope": _same("negative_slope", slopes, activations)} if activations else {}
    return converted, _config({**said, **slope, **_output_activation(classes.values())}, meta)


def _renumber(state: State) -> State:
    """Rename an nn.Sequential's layers, numbered together, to convs.i and norms.i."""
    converter = StateDictConverter(state, _OWNER)
    convolutions, norms = ([".".join(map(str, number)) for number in numbers] for numbers in _layers(state))
    for index, key in enumerate(convolutions):
        # A transposed convolution counts its outputs along its second axis.
        converter.converted[f"convs.{index}.weight"] = converter.effective_weight(key, axis=1)
    for index, key in enumerate(norms):
        if not {f"{key}.weight", f"{key}.bias"} & state.keys():  # a normalisation without an affine map
            variance = converter.peek(f"{key}.running_var")
            converter.remaining[f"{key}.weight"] = torch.ones_like(variance)
            converter.remaining[f"{key}.bias"] = torch.zeros_like(variance)
        for name in _NORM_TENSORS:
            converter.assign(f"norms.{index}.{name}", f"{key}.{name}")
        if f"{convolutions[index]}.bias" in converter.remaining:
            mean = converter.converted[f"norms.{index}.running_mean"]
            converter.converted[f"norms.{index}.running_mean"] = mean - converter.pop(f"{convolutions[index]}.bias")
    converter.assign(f"convs.{len(norms)}.bias", f"{convolutions[-1]}.bias", optional=True)
    # Layers of other kinds are not passed over in silence: they stay, and do not fit the network.
    return {key: tensor for key, tensor in converter.finish().items() if key[0] != "(" or key[1].isdigit()}


def _sequential(name: str, about: str, *required_keys: str) -> Layout:
    """Make the layout of one nn.Sequential, or of one of them in another."""
    return Layout(name, _convert_sequential, about=about, required_keys=required_keys, detect=_alternates)


LAYOUTS = (
    _sequential(
        "sequential",
        "PyTorch's own example and many after it, with or without dropout and biases",
        *("0.weight", "1.running_mean"),
    ),
    _sequential("late-norm", "the same with dropout before the normalisations", "0.weight", "2.running_mean"),
    _sequential("blocks", "the same with an nn.Sequential for each block", "0.0.weight", "0.1.running_mean"),
    _sequential("spectral-norm", "the same with `torch.nn.utils.spectral_norm`", "0.weight_orig", "1.running_mean"),
    _sequential(
        "parametrized",
        "the same with `torch.nn.utils.parametrizations.spectral_norm`",
        *("0.parametrizations.weight.original", "1.running_mean"),
    ),
    Layout(
        "named",
        _convert_named,
        about="networks with named layers",
        required_keys=("convTr1.weight", "batchNorm1.running_mean"),
    ),
    Layout(
        "omniart-eyes",
        _convert_omniart,
        about="the OmniArt eyes, in eight colours",
        required_keys=("0.weight", "1.running_mean", "4.weight"),
        detect=_detect_omniart,
    ),
)
