"""The files of PyTorch-StudioGAN's residual generators, a layout for each backbone.

They are brought to the keys of `zoo.nn.ResidualGenerator`.

Normalisations use the statistics that the file stores.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from zoo import CheckpointError, Layout, State
from zoo.checkpoints import count_keys, network_state
from zoo.nn import ResidualConverter

_MARK, _PREFIXES = "conv2d5.bias", ("state_dict.", "")
_BOTTLENECK, _SHORTCUT = "blocks.0.0.conv2d4.bias", "blocks.0.0.conv2d0.bias"
_MOST_CLASSES = 4_000
_COMMON = ("linear0.bias", "blocks.0.0.conv2d2.bias", "bn4.running_mean")
_PLAIN = {"norm1": "bn1", "conv1": "conv2d1", "norm2": "bn2", "conv2": "conv2d2"}
_DEEP = {
    "narrow.norm": "bn1",
    "narrow.conv": "conv2d1",
    "norm1": "bn2",
    "conv1": "conv2d2",
    "norm2": "bn3",
    "conv2": "conv2d3",
    "widen.norm": "bn4",
    "widen.conv": "conv2d4",
}
_ATTENTION = {
    "query": "conv1x1_theta",
    "key": "conv1x1_phi",
    "value": "conv1x1_g",
    "output": "conv1x1_attn",
}


class _Converter(ResidualConverter):
    """The conversion of the layers that all backbones are made of."""

    def __init__(self, state: State) -> None:
        counted = ".num_batches_tracked"  # a record of training
        super().__init__({key: state[key] for key in state if not key.endswith(counted)}, "the StudioGAN file")

    def norm(self, name: str, key: str) -> None:
        """Convert a normalisation: one that reads a condition has its statistics under `bn`, a plain one its own."""
        plain = f"{key}.bn.running_mean" not in self.left
        inner = key if plain else f"{key}.bn"
        mean, variance = self.take(f"{inner}.running_mean"), self.take(f"{inner}.running_var")
        if plain:
            affine = {"scale": self.take(f"{key}.weight"), "shift": self.take(f"{key}.bias")}
        elif {f"{key}.embed0.weight", f"{key}.embed0.weight_orig"} & self.left.keys():  # until January 2022
            affine = {
                part: self.weight(f"{key}.{old}").movedim(0, -1)
                for part, old in (("gain", "embed0"), ("bias", "embed1"))
            }
        else:
            affine = {part: self.weight(f"{key}.{part}") for part in ("gain", "bias")}
        self.set_norm(name, mean, variance, **affine)


def _backbone(state: State, meta: Mapping[str, Any]) -> str | None:
    """Tell a file's backbone by its keys; None for another kind of file.

    An unconditional big-resnet has no embedding, but its blocks read as much of the code as its first layer; those of a
    resnet read no code.
    """
    found = network_state(state, _MARK, _PREFIXES)
    if found is None or not found.keys() >= set(_COMMON):
        return None
    if _BOTTLENECK in found:
        return "big-resnet-deep-studiogan" if _SHORTCUT in found else "big-resnet-deep-legacy"
    gain, start = (
        found.get(f"{key}.weight", found.get(f"{key}.weight_orig")) for key in ("blocks.0.0.bn1.gain", "linear0")
    )
    chunked = gain is not None and start is not None and gain.shape[1:] == start.shape[1:]
    return "big-resnet" if "shared.weight" in found or chunked else "resnet"


def _layout(name: str, about: str, *required_keys: str) -> Layout:
    def detect(state: State, meta: Mapping[str, Any]) -> bool:
        return _backbone(state, meta) == name

    def convert(state: State, meta: Mapping[str, Any]) -> tuple[State, dict[str, Any]]:
        return _convert(state, deep="deep" in name, embeds=name != "resnet"), {"shared": "deep" in name}

    return Layout(name, detect, convert, about, ("linear0.bias", "conv2d5.bias", *required_keys))


def _convert(state: State, *, deep: bool, embeds: bool) -> State:
    found = _Converter(network_state(state, _MARK, _PREFIXES) or {})
    found.layer("start", "linear0")
    modules = count_keys(found.left, r"blocks\.\d+\.0\.(conv2d2\.bias|sigma)")
    pairs = found.followed((f"blocks.{index}.0" for index in range(modules)), "sigma")
    upsamples = _doubling(found, [key for key, _ in pairs]) if deep else [True] * len(pairs)
    for index, ((key, attention), upsample) in enumerate(zip(pairs, upsamples, strict=True)):
        shortcut = {"shortcut": "conv2d0"} if f"{key}.conv2d0.bias" in found.left else {}
        found.block(f"blocks.{index}", key, {**(_DEEP if deep else _PLAIN), **shortcut}, upsample=upsample)
        if attention:
            found.attention(f"blocks.{index}.attention", attention, _ATTENTION, "sigma")
    gain = found.made.get("blocks.0.norm1.gain")
    if deep or (embeds and "shared.weight" in found.left):
        found.move("embed", "shared.weight")
    elif not embeds and gain is not None:  # whose columns are the classes
        found.made["embed"] = _one_hot(gain.shape[-1] if gain.ndim else 0)
    found.norm("norm", "bn4")
    found.layer("colour", "conv2d5")
    return found.finish()


def _one_hot(classes: int) -> Tensor:
    if classes > _MOST_CLASSES:
        raise CheckpointError(f"the StudioGAN file has {classes:,} classes; at most {_MOST_CLASSES:,} are read")
    return torch.eye(classes)


def _doubling(found: _Converter, blocks: Sequence[str]) -> list[bool]:
    """Tell which blocks of a deep network double the map: the last one of each stage.

    Stages are equally deep, and channels change at their ends only. Where they never change, the network is one of 32²
    pixels, which has three stages.
    """
    ends = [(found.peek(f"{key}.bn1.bn.running_mean"), found.peek(f"{key}.conv2d4.bias")) for key in blocks]
    changes = [index for index, (inputs, outputs) in enumerate(ends) if inputs.shape != outputs.shape]
    depth = min((after - before for before, after in pairwise(changes)), default=max(1, len(blocks) // 3))
    return [index % depth == depth - 1 for index in range(len(blocks))]


LAYOUTS = (
    _layout("resnet", "StudioGAN's SNGAN and SAGAN", _SHORTCUT),
    _layout("big-resnet", "StudioGAN's BigGAN, and others of its backbone", _SHORTCUT),
    _layout("big-resnet-deep-legacy", "StudioGAN's BigGAN-deep", _BOTTLENECK),
    _layout("big-resnet-deep-studiogan", "the same with convolutions as shortcuts", _BOTTLENECK, _SHORTCUT),
)
