"""The files of PyTorch-StudioGAN's residual generators, a layout for each backbone.

They are converted to the keys of `zoo.nn.ResidualGenerator`. Normalisations use the statistics that the file stores.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zoo import Layout, State
from zoo.checkpoints import count_keys
from zoo.nn import ResidualConverter

_COMMON_KEYS = ("conv2d5.bias", "linear0.bias", "blocks.0.0.conv2d2.bias", "bn4.running_mean")
_BOTTLENECK_KEY = "blocks.0.0.conv2d4.bias"
_SHORTCUT_KEY = "blocks.0.0.conv2d0.bias"
_EPSILON = 1e-4
_BLOCK_PARTS = {"norm1": "bn1", "conv1": "conv2d1", "norm2": "bn2", "conv2": "conv2d2"}
_BOTTLENECK_PARTS = {
    "narrow.norm": "bn1",
    "narrow.conv": "conv2d1",
    "norm1": "bn2",
    "conv1": "conv2d2",
    "norm2": "bn3",
    "conv2": "conv2d3",
    "widen.norm": "bn4",
    "widen.conv": "conv2d4",
}
_ATTENTION_PARTS = {
    "query": "conv1x1_theta",
    "key": "conv1x1_phi",
    "value": "conv1x1_g",
    "output": "conv1x1_attn",
}


class _Converter(ResidualConverter):
    """The conversion of the layers that all backbones are made of."""

    def __init__(self, state: State) -> None:
        super().__init__(state, "the StudioGAN file")

    def norm(self, name: str, key: str) -> None:
        """Convert a normalisation: a conditional one has its statistics under `bn`, a plain one has its own.

        Args:
            name: its canonical name.
            key: its key in the file.
        """
        plain = f"{key}.bn.running_mean" not in self.remaining
        statistics = key if plain else f"{key}.bn"
        mean = self.pop(f"{statistics}.running_mean")
        variance = self.pop(f"{statistics}.running_var")
        if plain:
            affine = {"scale": self.pop(f"{key}.weight"), "shift": self.pop(f"{key}.bias")}
        elif {f"{key}.embed0.weight", f"{key}.embed0.weight_orig"} & self.remaining.keys():  # until January 2022
            affine = {
                "gain": self.weight(f"{key}.embed0").movedim(0, -1),
                "bias": self.weight(f"{key}.embed1").movedim(0, -1),
            }
        else:
            affine = {part: self.weight(f"{key}.{part}") for part in ("gain", "bias")}
        self.set_norm(name, mean, variance, **affine)


def _backbone(state: State) -> str:
    """Recognise a network's backbone.

    An unconditional big-resnet has no embedding, but its blocks read as many numbers of the code as its first layer.
    The blocks of a resnet read none.
    """
    if _BOTTLENECK_KEY in state:
        return "big-resnet-deep-studiogan" if _SHORTCUT_KEY in state else "big-resnet-deep-legacy"
    gain, start = (
        state.get(f"{key}.weight", state.get(f"{key}.weight_orig")) for key in ("blocks.0.0.bn1.gain", "linear0")
    )
    chunked = gain is not None and start is not None and gain.shape[1:] == start.shape[1:]
    return "big-resnet" if "shared.weight" in state or chunked else "resnet"


def _layout(name: str, about: str, *required_keys: str) -> Layout:
    def detect(state: State, meta: Mapping[str, Any]) -> bool:
        return _backbone(state) == name

    def convert(state: State, meta: Mapping[str, Any]) -> tuple[State, dict[str, Any]]:
        return _convert(state, meta, deep="deep" in name, embeds=name != "resnet")

    keys = (*_COMMON_KEYS, *required_keys)
    return Layout(name, convert, about=about, required_keys=keys, detect=detect)


def _convert(state: State, meta: Mapping[str, Any], *, deep: bool, embeds: bool) -> tuple[State, dict[str, Any]]:
    converter = _Converter(state)
    converter.layer("start", "linear0")
    modules = count_keys(converter.remaining, r"blocks\.\d+\.0\.(conv2d2\.bias|sigma)")
    pairs = converter.pair_attention((f"blocks.{index}.0" for index in range(modules)), "sigma")
    upsamples = [True] * len(pairs)
    if deep:
        upsamples = converter.stage_ends([key for key, _ in pairs], "bn1.bn.running_mean", "conv2d4.bias")
    for index, ((key, attention), upsample) in enumerate(zip(pairs, upsamples, strict=True)):
        parts = dict(_BOTTLENECK_PARTS if deep else _BLOCK_PARTS)
        if f"{key}.conv2d0.bias" in converter.remaining:
            parts["shortcut"] = "conv2d0"
        converter.block(f"blocks.{index}", key, parts, upsample=upsample)
        if attention:
            converter.attention(f"blocks.{index}.attention", attention, _ATTENTION_PARTS, "sigma")
    gain = converter.converted.get("blocks.0.norm1.gain")
    if deep or (embeds and "shared.weight" in converter.remaining):
        converter.assign("embed", "shared.weight")
    elif not embeds and gain is not None:
        converter.set_one_hot(gain)
    converter.norm("norm", "bn4")
    converter.layer("colour", "conv2d5")
    said = meta.get("blocks.0.0.bn1.bn.eps", meta.get("blocks.0.0.bn1.eps"))
    converter.require_modules(meta, r"blocks\.\d+\.0\.bn\d(\.bn)?|bn4", said)
    return converter.finish(), converter.epsilon(said, _EPSILON, shared=deep)


LAYOUTS = (
    _layout("resnet", "StudioGAN's SNGAN and SAGAN", _SHORTCUT_KEY),
    _layout("big-resnet", "StudioGAN's BigGAN, and others of its backbone", _SHORTCUT_KEY),
    _layout("big-resnet-deep-legacy", "StudioGAN's BigGAN-deep", _BOTTLENECK_KEY),
    _layout("big-resnet-deep-studiogan", "the same with convolutions as shortcuts", _BOTTLENECK_KEY, _SHORTCUT_KEY),
)
