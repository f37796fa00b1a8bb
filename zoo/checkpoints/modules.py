"""What a network that was pickled whole says of its modules, compared with what zoo builds."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from zoo.errors import CheckpointError

_CLASS = "_class"
_TORCH = "torch.nn.modules."

# Modules of torch that change nothing in evaluation, or only hold others.
_IDLE = {
    *("Module", "Sequential", "ModuleList", "ModuleDict", "Identity", "Flatten", "Unflatten"),
    *("Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "AlphaDropout", "FeatureAlphaDropout"),
}

# Layers that do in evaluation what another one does.
_SAME = {"SyncBatchNorm": "BatchNorm2d"}

# What torch's layers are in all networks that zoo builds, as far as tensors do not tell.
_DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "Conv2d": {"stride": 1, "dilation": 1, "padding_mode": "zeros"},
    "ConvTranspose2d": {"dilation": 1, "output_padding": 0, "padding_mode": "zeros"},
    "BatchNorm2d": {"track_running_stats": True},
    "Embedding": {"max_norm": None},
    "MaxPool2d": {"kernel_size": 2, "stride": 2, "padding": 0, "dilation": 1},
    "Softmax": {"dim": -1},
}


def is_whole(meta: Mapping[str, Any]) -> bool:
    """Say whether a network was pickled whole, so that it says which modules it has.

    Args:
        meta: the plain values beside its tensors, by key.

    Returns:
        Whether any value is the class of a module.
    """
    return any(key.rpartition(".")[2] == _CLASS for key in meta)


def require_modules(
    meta: Mapping[str, Any], owner: str, *, classes: Mapping[str, Mapping[str, Any]], attributes: Mapping[str, Any]
) -> None:
    """Compare the modules of a network that was pickled whole with those that zoo builds.

    Classes are compared by their last name. Those of the author's own are known by their attributes only.

    Args:
        meta: the plain values beside the network's tensors, by key; without classes, nothing is compared.
        owner: the file's name in messages, such as "the StyleGAN2 file".
        classes: the layers of torch that the network may have, with the values of their attributes.
        attributes: the one value of attributes whose whole key a regular expression matches; a `_class` is one too.

    Raises:
        CheckpointError: for another layer of torch, or another value; the message names the module.
    """
    if not is_whole(meta):
        return
    patterns = [(re.compile(pattern), value) for pattern, value in attributes.items()]
    for key, value in meta.items():
        module, _, name = key.rpartition(".")
        if any(part.startswith("_") for part in module.split(".")):  # hooks and the like
            continue
        if name == _CLASS and isinstance(value, str) and value.startswith(_TORCH):
            _require_layer(meta, owner, (module, value.rpartition(".")[2]), classes)
        if name.isdigit():  # one axis of an attribute
            module, _, name = module.rpartition(".")
        if module and f"{module}.{_CLASS}" not in meta:  # not a module's, but an optimizer's or the like
            continue
        for pattern, wanted in patterns:
            if pattern.fullmatch(key):
                found = value.rpartition(".")[2] if name == _CLASS and isinstance(value, str) else value
                _require(owner, module, name, found, wanted)


def _require_layer(
    meta: Mapping[str, Any], owner: str, layer: tuple[str, str], classes: Mapping[str, Mapping[str, Any]]
) -> None:
    module, name = layer[0], _SAME.get(layer[1], layer[1])
    if name in _IDLE:
        return
    if name not in classes:
        raise CheckpointError(f"{owner} says that {module} is a {name}: the networks that zoo builds have none")
    for attribute, wanted in {**_DEFAULTS.get(name, {}), **classes[name]}.items():
        # An attribute can have a value for each axis.
        for key in (attribute, f"{attribute}.0", f"{attribute}.1"):
            if f"{module}.{key}" in meta:
                _require(owner, module, attribute, meta[f"{module}.{key}"], wanted)


def _require(owner: str, module: str, name: str, found: Any, wanted: Any) -> None:
    if isinstance(wanted, float) and isinstance(found, int | float) and abs(found - wanted) <= 1e-6 * abs(wanted):
        return
    if found != wanted:
        said = f"{module or 'the network'} {'is' if name == _CLASS else f'has {name}'}"
        raise CheckpointError(f"{owner} says that {said} {found!r}: zoo reads {wanted!r} there")
