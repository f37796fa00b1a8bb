"""The public file formats of StyleGAN2 generators, each converted to the keys of `StyleGAN2Generator`.

Folded into the weights: equalised learning rates, the activations' gain √2 (into the mapping's weights, and into bias
and noise strength of the layers), the 1 that is added to styles, and the scale of ToRGB.
"""

from collections.abc import Mapping, Sequence
from math import sqrt
from typing import Any

import torch
from torch import Tensor

from zoo import CheckpointError, Layout, State
from zoo.checkpoints import (
    collect_settings,
    count_keys,
    hammer_settings,
    require_modules,
    require_settings,
    tensorflow_settings,
)
from zoo.nn import LR_MLP, mapping_from_state
from zoo_adapters.stylegan2.converter import ACTIVATION_GAIN, OWNER, Converter
from zoo_adapters.stylegan2.hammer import rename_to_nvidia
from zoo_adapters.stylegan2.network import StyleGAN2Generator
from zoo_adapters.stylegan2.settings import (
    ACTIVATION,
    GENFORCE_ATTRIBUTES,
    HAMMER_SUPPORTED,
    NVIDIA_ATTRIBUTES,
    ROSINALITY_ATTRIBUTES,
    SUPPORTED,
)

# Pixels a side up to which noise is drawn that a file lacks: the shapes of tiny tensors tell its size.
_MOST_DRAWN = 4096

_TENSORFLOW = "synthesis/4x4/Conv/mod_weight"
_NVIDIA = "synthesis.b4.const"
_GENFORCE_KEYS = (
    "synthesis.early_layer.const",
    "synthesis.layer0.weight",
    "synthesis.output0.style.weight",
    "mapping.dense0.weight",
)
_ROSINALITY = "conv1.conv.modulation.weight"


def _convert_nvidia(state: State, meta: Mapping[str, Any]) -> tuple[State, dict[str, Any]]:
    """Keys of NVIDIA's PyTorch code; the style's bias contains the 1, upsampling layers correlate."""
    places = ("synthesis.b4.conv1.", "synthesis.b4.", "_init_kwargs.synthesis_kwargs.")
    synthesis = collect_settings(meta, places)
    mapping = collect_settings(meta, ["_init_kwargs.mapping_kwargs."])
    for settings in (synthesis, mapping):
        require_settings(settings, SUPPORTED, OWNER)
    clamps = {r"synthesis\.b\d+\.\w+\.conv_clamp": synthesis.get("conv_clamp")}
    require_modules(meta, OWNER, classes={}, attributes={**NVIDIA_ATTRIBUTES, **clamps})
    # A network that was pickled whole says its settings, except those of the constructors' defaults.
    whole = any(key.startswith("_init_kwargs.") or key == "synthesis._class" for key in meta)
    converter = Converter(state)
    converter.require_skips("synthesis.b4.torgb.weight", ".skip.weight")
    said = mapping.get("lr_multiplier", LR_MLP if whole else None)
    for index in range(count_keys(converter.remaining, r"mapping\.fc\d+\.weight")):
        lr_multiplier = converter.lr_mlp(meta.get(f"mapping.fc{index}.bias_gain", said))
        converter.linear(
            f"mapping.layers.{index}", f"mapping.fc{index}", gain=ACTIVATION_GAIN, lr_multiplier=lr_multiplier
        )
    converter.w_avg("mapping.w_avg")
    if "mapping.embed.weight" in converter.remaining:
        converter.linear("mapping.embed", "mapping.embed")
    converter.assign("constant", "synthesis.b4.const")
    for level in range(count_keys(converter.remaining, r"synthesis\.b\d+\.torgb\.weight")):
        block = f"synthesis.b{4 << level}"
        for part, index in (("conv0", 2 * level - 1), ("conv1", 2 * level)):
            if index >= 0:
                key = f"{block}.{part}"
                names = ("weight", "bias", "noise_const", "noise_strength")
                converter.set_layer(index, *(converter.pop(f"{key}.{name}") for name in names))
                converter.linear(f"layers.{index}.affine", f"{key}.affine")
        converter.set_to_rgb(level, converter.pop(f"{block}.torgb.weight"), converter.pop(f"{block}.torgb.bias"))
        converter.linear(f"colours.{level}.affine", f"{block}.torgb.affine")
    if not whole:
        converter.setting("conv_clamp", synthesis.get("conv_clamp"), None)
    said_z = {"z_dim": meta["mapping.z_dim"]} if "mapping.z_dim" in meta else {}
    return converter.finish(), converter.config(**_config(synthesis), **said_z)


def _convert_tensorflow(state: State, meta: Mapping[str, Any]) -> tuple[State, dict[str, Any]]:
    """Variables of NVIDIA's networks in TensorFlow, inputs before outputs; else as genforce's."""
    settings = tensorflow_settings(meta)
    require_settings(settings, SUPPORTED, OWNER)
    converter = Converter(state)
    converter.require_skips("synthesis/4x4/ToRGB/weight", "/Skip/weight")
    converter.remaining.pop("lod", None)  # nothing in these networks reads it
    config = _config(settings)
    lr_multiplier = converter.lr_mlp(settings.get("mapping_lrmul", LR_MLP if settings else None))
    for index in range(count_keys(converter.remaining, r"mapping/Dense\d+/weight")):
        name, key = f"mapping.layers.{index}", f"mapping/Dense{index}/"
        converter.tensorflow_linear(name, key, gain=ACTIVATION_GAIN, lr_multiplier=lr_multiplier)
    converter.w_avg("dlatent_avg")
    if "mapping/LabelConcat/weight" in converter.remaining:
        converter.set_embedding(converter.pop("mapping/LabelConcat/weight"))
        config["together"] = True
    elif "mapping/LabelEmbed/weight" in converter.remaining:
        converter.tensorflow_linear("mapping.embed", "mapping/LabelEmbed/")
    converter.converted["constant"] = converter.pop("synthesis/4x4/Const/const")[0]
    for level in range(count_keys(converter.remaining, r"synthesis/\d+x\d+/ToRGB/weight")):
        _convert_tensorflow_level(converter, level)
    return converter.finish(), converter.config(**config)


def _convert_tensorflow_level(converter: Converter, level: int) -> None:
    """Convert the layers of one resolution, and its ToRGB layer."""
    block = f"synthesis/{4 << level}x{4 << level}"
    for part, index in (("Conv0_up", 2 * level - 1), ("Conv1" if level else "Conv", 2 * level)):
        if index >= 0:
            key = f"{block}/{part}"
            weight = _scale(converter.pop(f"{key}/weight").permute(3, 2, 0, 1), flip=index % 2 == 1)
            noise = converter.pop(f"synthesis/noise{index}")
            noise_strength = converter.pop(f"{key}/noise_strength")
            converter.set_layer(index, weight, converter.pop(f"{key}/bias"), noise, noise_strength)
            converter.tensorflow_linear(f"layers.{index}.affine", f"{key}/mod_", bias_offset=1.0)
    weight = converter.pop(f"{block}/ToRGB/weight").permute(3, 2, 0, 1)
    converter.set_to_rgb(level, weight, converter.pop(f"{block}/ToRGB/bias"))
    converter.tensorflow_linear(f"colours.{level}.affine", f"{block}/ToRGB/mod_", bias_offset=1.0)


def _detect_genforce(state: State, meta: Mapping[str, Any]) -> bool:
    """Told from Hammer, which has the same keys, but other weights, by the names of the mean and of the filters."""
    return any(key == "truncation.w_avg" or key.endswith(".kernel") for key in state)


def _detect_hammer(state: State, meta: Mapping[str, Any]) -> bool:
    return any(key == "w_avg" or key.endswith(".filter") for key in state)


def _convert_genforce(state: State, meta: Mapping[str, Any]) -> tuple[State, dict[str, Any]]:
    """Keys of genforce: the 1 is added to styles at run time, weights of upsampling layers are flipped."""
    require_modules(meta, OWNER, classes=ACTIVATION, attributes=GENFORCE_ATTRIBUTES)
    converter = Converter(state)
    for index in range(count_keys(converter.remaining, r"mapping\.dense\d+\.weight")):
        name, key = f"mapping.layers.{index}", f"mapping.dense{index}"
        lr_multiplier = converter.lr_mlp(meta.get(f"{key}.bscale"))
        converter.linear(name, key, gain=ACTIVATION_GAIN, lr_multiplier=lr_multiplier)
    config: dict[str, Any] = {}
    if "mapping.label_weight" in converter.remaining:
        converter.set_embedding(converter.pop("mapping.label_weight"))
        config["together"] = True
    elif "mapping.LabelEmbed.weight" in converter.remaining:  # of StyleGAN2-ADA
        converter.linear("mapping.embed", "mapping.LabelEmbed")
    converter.w_avg("truncation.w_avg")
    converter.converted["constant"] = converter.pop("synthesis.early_layer.const")[0]
    for index in range(count_keys(converter.remaining, r"synthesis\.layer\d+\.weight")):
        key = f"synthesis.layer{index}"
        weight = _scale(converter.pop(f"{key}.weight"), flip=index % 2 == 1)
        bias, noise, noise_strength = (converter.pop(f"{key}.{name}") for name in ("bias", "noise", "noise_strength"))
        converter.set_layer(index, weight, bias, noise, noise_strength)
        converter.linear(f"layers.{index}.affine", f"{key}.style", bias_offset=1.0)
    for level in range(count_keys(converter.remaining, r"synthesis\.output\d+\.weight")):
        key = f"synthesis.output{level}"
        converter.set_to_rgb(level, converter.pop(f"{key}.weight"), converter.pop(f"{key}.bias"))
        converter.linear(f"colours.{level}.affine", f"{key}.style", bias_offset=1.0)
    return converter.finish(), converter.config(**config)


def _convert_hammer(state: State, meta: Mapping[str, Any]) -> tuple[State, dict[str, Any]]:
    """Keys of Hammer, which holds NVIDIA's tensors; its training checkpoints have settings beside the networks."""
    settings = hammer_settings(meta)
    require_settings(settings, HAMMER_SUPPORTED, OWNER)
    nvidia_meta = {
        "_init_kwargs.synthesis_kwargs.conv_clamp": settings.get("conv_clamp"),
        "_init_kwargs.mapping_kwargs.lr_multiplier": settings.get("mapping_lr_mul", LR_MLP),
    }
    remaining = dict(state)
    # Conditional networks that were converted from TensorFlow normalise labels and code together, and have no bias.
    embedding = None if "mapping.embedding.bias" in state else remaining.pop("mapping.embedding.weight", None)
    converted, config = _convert_nvidia(rename_to_nvidia(remaining), nvidia_meta if settings else {})
    if embedding is not None:
        converted |= {"mapping.embed.weight": embedding, "mapping.embed.bias": torch.zeros(len(embedding))}
        config["together"] = True
    return converted, config


def _convert_rosinality(state: State, meta: Mapping[str, Any]) -> tuple[State, dict[str, Any]]:
    """Keys of rosinality: numbered from the second layer on, the mean code beside the network, or nowhere."""
    require_modules(meta, OWNER, classes=ACTIVATION, attributes=ROSINALITY_ATTRIBUTES)
    converter = Converter(state)
    for index in range(count_keys(converter.remaining, r"style\.\d+\.weight")):
        name, key = f"mapping.layers.{index}", f"style.{index + 1}"
        lr_multiplier = converter.lr_mlp(meta.get(f"{key}.lr_mul"))
        converter.linear(name, key, gain=ACTIVATION_GAIN, lr_multiplier=lr_multiplier)
    if "latent_avg" in state:
        # e4e and pSp store the mean once for each row.
        rows = state["latent_avg"].reshape(-1, converter.converted["mapping.layers.0.bias"].numel())
        converter.remaining["latent_avg"] = rows[0] if (rows == rows[0]).all() else rows.mean(dim=0)
    converter.w_avg("latent_avg")
    converter.converted["constant"] = converter.pop("input.input")[0]
    for index in range(1 + count_keys(converter.remaining, r"convs\.\d+\.conv\.weight")):
        key = f"convs.{index - 1}" if index else "conv1"
        weight = _scale(converter.pop(f"{key}.conv.weight")[0])
        bias = converter.pop(f"{key}.activate.bias")
        noise = converter.remaining.pop(f"noises.noise_{index}", None)
        if noise is None:
            noise = _draw_noise(index, converter.converted["constant"].shape[1:])
            converter.assumed["noise"] = "drawn"
            converter.in_doubt.add("noise")
        converter.set_layer(index, weight, bias, noise, converter.pop(f"{key}.noise.weight"))
        converter.linear(f"layers.{index}.affine", f"{key}.conv.modulation")
    for level in range(1 + count_keys(converter.remaining, r"to_rgbs\.\d+\.bias")):
        key = f"to_rgbs.{level - 1}" if level else "to_rgb1"
        converter.set_to_rgb(level, converter.pop(f"{key}.conv.weight"), converter.pop(f"{key}.bias"))
        converter.linear(f"colours.{level}.affine", f"{key}.conv.modulation")
    return converter.finish(), converter.config()


def _draw_noise(index: int, first_size: Sequence[int]) -> Tensor:
    """Draw the noise of a layer as rosinality's code does when it builds a network: files without it do not miss it."""
    height, width = (side << (index + 1) // 2 for side in first_size)
    if max(height, width) > _MOST_DRAWN:
        raise CheckpointError(
            f"{OWNER} holds no noise of its layers: zoo draws that for images of up to {_MOST_DRAWN:,} pixels a side"
        )
    return torch.randn(1, 1, height, width, generator=torch.Generator().manual_seed(index))


def _config(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Take what `StyleAdapter.load` reads from a network's own settings."""
    config = {"conv_clamp": settings.get("conv_clamp"), "cutoff": settings.get("truncation_cutoff")}
    return {name: value for name, value in config.items() if isinstance(value, int | float)}


def _scale(weight: Tensor, *, flip: bool = False) -> Tensor:
    """Fold the equalised learning rate into a weight.

    Demodulation divides such a factor out again, except for the ε under its root.
    """
    scaled = weight / sqrt(weight[0].numel())
    return scaled.flip(2, 3) if flip else scaled


LAYOUTS = (
    Layout(
        "tensorflow",
        _convert_tensorflow,
        about="NVIDIA's pickles of TensorFlow's variables: StyleGAN2 (stylegan2-*-config-f.pkl), StyleGAN2-ADA",
        required_keys=(_TENSORFLOW, "synthesis/4x4/Const/const"),
    ),
    Layout(
        "nvidia",
        _convert_nvidia,
        about="NVIDIA's networks in PyTorch (StyleGAN2-ADA, StyleGAN2 in StyleGAN3's code), and StudioGAN's",
        required_keys=(_NVIDIA, "synthesis.b4.conv1.weight", "mapping.fc0.weight"),
    ),
    Layout(
        "genforce",
        _convert_genforce,
        about="genforce and the released SeFa",
        required_keys=_GENFORCE_KEYS,
        detect=_detect_genforce,
    ),
    Layout(
        "hammer",
        _convert_hammer,
        about="Hammer and the released ReSeFa",
        required_keys=_GENFORCE_KEYS,
        detect=_detect_hammer,
    ),
    Layout(
        "rosinality",
        _convert_rosinality,
        about="rosinality's port, and the decoders of e4e, pSp and ReStyle",
        required_keys=(_ROSINALITY, "input.input", "style.1.weight"),
        keys_beside=("latent_avg",),
    ),
)


def network_from_state(state: State, config: Mapping[str, Any]) -> StyleGAN2Generator:
    """Build the network whose sizes the shapes of a canonical state give; its weights are not filled in.

    Args:
        state: the canonical state.
        config: `together`, whether labels are normalised together with the code, `conv_clamp` and `z_dim`.

    Returns:
        The network.

    Raises:
        LookupError, ValueError: where the shapes fit no network.
    """
    levels = count_keys(state, r"colours\.\d+\.weight")
    channels = [state[f"colours.{level}.weight"].shape[1] for level in range(levels)]
    mapping = mapping_from_state(state, normalize_with_label=config.get("together", False), z_dim=config.get("z_dim"))
    img_channels = len(state[f"colours.{levels - 1}.weight"])
    height, width = state["constant"].shape[1:]
    return StyleGAN2Generator(
        mapping, mapping.w_dim, channels, config.get("conv_clamp"), img_channels, first_size=(height, width)
    )
