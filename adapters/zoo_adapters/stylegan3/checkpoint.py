"""The public file formats of StyleGAN3 generators, converted to the keys of `StyleGAN3Generator`.

Equalised learning rates and the activations' gain √2 are folded into the mapping's weights; `synthesis_conversion` says
what is folded into those of the synthesis.
"""

from collections.abc import Mapping
from math import sqrt
from typing import Any

from zoo import Layout, State
from zoo.checkpoints import count_keys, hammer_settings, require_settings
from zoo.nn import LR_MLP, StyleConverter
from zoo_adapters.stylegan3.hammer import MARGIN, REQUIRED_KEYS, rename_to_nvidia
from zoo_adapters.stylegan3.synthesis_conversion import LAYER_KEY, OUTPUT_SCALE, convert_synthesis

NVIDIA_KEYS = ("synthesis.input.freqs", "synthesis.input.phases", "mapping.fc0.weight")

_OWNER = "the StyleGAN3 file"
_GAIN = sqrt(2)

_HAMMER_SUPPORTED = {
    "final_tanh": False,
    "act_upsampling": 2,
    "first_cutoff": 2.0,
    "normalize_z": True,
    "normalize_embedding": True,
    "normalize_embedding_latent": False,
}


def _convert(state: State, meta: Mapping[str, Any]) -> tuple[State, dict[str, Any]]:
    """Keys of NVIDIA's networks."""
    converter = StyleConverter(state, _OWNER)
    settings = convert_synthesis(converter, meta, classes={})
    settings |= convert_mapping(converter, meta)
    converter.w_avg("mapping.w_avg")
    if "mapping.embed.weight" in converter.remaining:
        converter.linear("mapping.embed", "mapping.embed")
    return converter.finish(), converter.config(**settings)


def convert_mapping(converter: StyleConverter, meta: Mapping[str, Any]) -> dict[str, Any]:
    """Convert the layers of the mapping network, without the embedding of labels and the mean code.

    Args:
        converter: the conversion.
        meta: the plain values of the file.

    Returns:
        The settings that `network_from_state` takes: `z_dim`, where the file tells it.
    """
    for index in range(count_keys(converter.remaining, r"mapping\.fc\d+\.weight")):
        lr_multiplier = converter.lr_mlp(meta.get(f"mapping.fc{index}.bias_gain"))
        converter.linear(f"mapping.layers.{index}", f"mapping.fc{index}", gain=_GAIN, lr_multiplier=lr_multiplier)
    return {"z_dim": meta["mapping.z_dim"]} if "mapping.z_dim" in meta else {}


def is_stylegan_xl(state: State, meta: Mapping[str, Any]) -> bool:
    """Tell StyleGAN-XL's networks, which have a table of classes: an embedding of labels without a bias.

    Args:
        state: the network's tensors.
        meta: the plain values of the file.

    Returns:
        Whether there is such a table.
    """
    del meta
    return "mapping.embed.weight" in state and "mapping.embed.bias" not in state


def _convert_hammer(state: State, meta: Mapping[str, Any]) -> tuple[State, dict[str, Any]]:
    """Keys of Hammer, which holds NVIDIA's tensors; its training checkpoints have settings beside the networks."""
    settings = hammer_settings(meta)
    require_settings(settings, _HAMMER_SUPPORTED, _OWNER)
    renamed = rename_to_nvidia(state, settings.get("margin_size", MARGIN))
    return _convert(renamed, _nvidia_meta(renamed, settings) if settings else {})


def _nvidia_meta(state: State, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Give Hammer's settings the names that NVIDIA's modules have."""
    dense_layers = range(count_keys(state, r"mapping\.fc\d+\.weight"))
    layers = [match[0].removesuffix(".weight") for match in map(LAYER_KEY.fullmatch, state) if match]
    return {
        "synthesis.output_scale": settings.get("output_scale", OUTPUT_SCALE),
        **{f"mapping.fc{index}.bias_gain": settings.get("mapping_lr_mul", LR_MLP) for index in dense_layers},
        **{f"{layer}.conv_clamp": settings.get("conv_clamp") for layer in layers},
    }


LAYOUTS = (
    Layout(
        "nvidia",
        _convert,
        about="NVIDIA's networks, configurations T and R, pickle or state dict, and StudioGAN's",
        required_keys=NVIDIA_KEYS,
        detect=lambda state, meta: not is_stylegan_xl(state, meta),
    ),
    Layout(
        "hammer",
        _convert_hammer,
        about="Hammer and the released ReSeFa",
        required_keys=REQUIRED_KEYS,
    ),
)
