"""The file format of the authors' FastGAN, converted to the keys of `FastGANGenerator`.

Spectral norms are divided out, upsampling and the normalisation after a convolution are folded into it. Normalisations
use the statistics that the file stores.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count
from typing import Any

import torch
from torch import Tensor

from zoo import CheckpointError, Layout, State
from zoo.checkpoints import StateDictConverter, count_keys, fold_upsample_into_conv, require_modules
from zoo_adapters.fastgan.network import FastGANGenerator, LevelSpec

_OWNER = "the FastGAN file"
_EPSILON = 1e-5
_BOUNDED_SIDE = 1024  # the original applies a tanh to images of this size only

# The layers of torch in networks that were pickled whole.
CLASSES: Mapping[str, Mapping[str, Any]] = {
    **{name: {} for name in ("AdaptiveAvgPool2d", "Conv2d", "ConvTranspose2d", "GLU", "Sigmoid", "SiLU", "Upsample")},
    "BatchNorm2d": {"eps": _EPSILON},
}

# Of the layers of a level that has noise, and of one that has none: the numbers of the convolution, the noise and the
# normalisation of each of its convolutions.
_NOISY = ((1, 2, 3), (5, 6, 7))
_PLAIN = ((1, None, 2),)


def _convert(state: State, meta: Mapping[str, Any]) -> tuple[State, dict[str, Any]]:
    require_modules(meta, _OWNER, classes=CLASSES, attributes={})
    converter = StateDictConverter(state, _OWNER)
    for key in [key for key in converter.remaining if key.startswith("to_128.")]:
        converter.remaining.pop(key)  # a smaller image, which only training uses
    converter.converted["start"] = converter.effective_weight("init.init.0", axis=1)
    scale, shift = fold_normalisation(converter, "init.init.1")
    converter.converted |= {"start_scale": scale, "start_shift": shift}
    levels = count_keys(state, r"feat_\d+\.1\.weight(_orig)?")
    for index in range(levels):
        _convert_level(converter, f"levels.{index}", 8 << index)
    converter.converted["to_rgb"] = converter.effective_weight("to_big")
    activation = converter.setting("output_activation", None, "tanh" if 4 << levels == _BOUNDED_SIDE else "none")
    return converter.finish(), converter.config(activation=activation)


def _convert_level(converter: StateDictConverter, name: str, side: int) -> None:
    """Convert the layers of a resolution, and its excitation."""
    key = f"feat_{side}"
    noisy = f"{key}.2.running_mean" not in converter.remaining
    for index, (conv, noise, norm) in enumerate(_NOISY if noisy else _PLAIN):
        weight = converter.effective_weight(f"{key}.{conv}")
        scale, shift = fold_normalisation(converter, f"{key}.{norm}")
        with converter.fitting(f"{key}.{conv}"):
            scaled = weight * scale[:, None, None, None]
            converter.converted[f"{name}.convs.{index}.weight"] = scaled if index else fold_upsample_into_conv(scaled)
            converter.converted[f"{name}.convs.{index}.bias"] = shift
            if noise is not None:
                converter.converted[f"{name}.convs.{index}.noise_strength"] = (
                    converter.pop(f"{key}.{noise}.weight") * scale
                )
    if f"se_{side}.main.1.weight_orig" in converter.remaining or f"se_{side}.main.1.weight" in converter.remaining:
        converter.converted[f"{name}.excitation.squeeze"] = converter.effective_weight(f"se_{side}.main.1")
        converter.converted[f"{name}.excitation.excite"] = converter.effective_weight(f"se_{side}.main.3").flatten(1)


def fold_normalisation(converter: StateDictConverter, key: str) -> tuple[Tensor, Tensor]:
    """Pop a normalisation with its statistics.

    Args:
        converter: the conversion of the file.
        key: the normalisation's key in the file.

    Returns:
        A factor and a term for each channel.

    Raises:
        CheckpointError: if a tensor is missing, or their shapes differ.
    """
    weight, bias, mean, variance = (
        converter.pop(f"{key}.{part}") for part in ("weight", "bias", "running_mean", "running_var")
    )
    with converter.fitting(key):
        scale = weight * torch.rsqrt(variance + _EPSILON)
        return scale, bias - mean * scale


LAYOUTS = (
    Layout(
        "fastgan",
        _convert,
        about="the authors' code and its forks, of 256, 512 or 1024 pixels a side",
        required_keys=("init.init.1.running_mean", "feat_8.3.running_mean", "feat_16.2.running_mean"),
    ),
)


def network_from_state(state: State, config: Mapping[str, Any]) -> FastGANGenerator:
    """Build the network whose sizes the shapes of a canonical state give; its weights are not filled in.

    Args:
        state: the canonical state.
        config: `activation`, what follows the last convolution, or the option `output_activation`.

    Returns:
        The network.

    Raises:
        CheckpointError: where an excitation has no map that it could read.
        LookupError, TypeError, ValueError: where the shapes fit no network.
    """
    dim, doubled = state["start"].shape[:2]
    channels = [doubled // 2]
    specs: list[LevelSpec] = []
    for index in count():
        name = f"levels.{index}"
        if f"{name}.convs.0.weight" not in state:
            break
        excited = f"{name}.excitation.squeeze" in state
        # The map that excites a level is sixteen times smaller (figure 3).
        source = index + 1 - 4
        if excited and source < 0:
            raise CheckpointError(f"{_OWNER} does not fit the network; {name} is excited, but no map is so small")
        inputs, outputs = state[f"{name}.convs.0.weight"].shape[:2]
        specs.append(
            LevelSpec(
                inputs,
                outputs // 2,
                convolutions=1 + (f"{name}.convs.1.weight" in state),
                noisy=f"{name}.convs.0.noise_strength" in state,
                excited_by=source if excited else None,
                exciting_channels=channels[source] if excited else 0,
            )
        )
        channels.append(outputs // 2)
    img_channels, _, last_kernel, _ = state["to_rgb"].shape
    return FastGANGenerator(
        dim,
        channels[0],
        specs,
        img_channels=img_channels,
        last_kernel=last_kernel,
        tanh=config.get("output_activation", config.get("activation")) == "tanh",
    )
