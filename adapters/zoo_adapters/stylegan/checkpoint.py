"""The public file formats of StyleGAN generators, each converted to the keys of `StyleGANGenerator`.

Folded into the weights: equalised learning rates with the gain √2 of He's initialisation, the 1 that is added to
styles, and upsampling. Weights are converted as if no layer was fused; `flip_fused` flips the others.
"""

from collections.abc import Mapping
from math import sqrt
from typing import Any

from torch import Tensor

from zoo import CheckpointError, Layout, State
from zoo.checkpoints import (
    check_filter,
    count_keys,
    fold_upsample_into_conv,
    hammer_settings,
    rename_modules,
    require_modules,
    require_settings,
    tensorflow_settings,
)
from zoo.nn import LR_MLP, StyleConverter, mapping_from_state
from zoo_adapters.stylegan.network import StyleGANGenerator
from zoo_adapters.stylegan.settings import BLUR, GAIN, GENFORCE_ATTRIBUTES, HAMMER_SUPPORTED, SUPPORTED

# The official networks fuse upsampling and convolution from maps of so many pixels a side on.
_FUSED_FROM = 128

_OWNER = "the StyleGAN file"
_TENSORFLOW = "synthesis/4x4/Const/StyleMod/weight"
_GENFORCE = "synthesis.layer0.const"


class _Converter(StyleConverter):
    """The conversion of a StyleGAN's layers, weights as in PyTorch: outputs first."""

    def __init__(self, state: State) -> None:
        super().__init__(state, _OWNER)

    def set_mapping_layer(self, index: int, weight: Tensor, bias: Tensor, said: Any) -> None:
        """Set a layer of the mapping; only the weight has a gain.

        Args:
            index: the layer's number.
            weight: (out, in), as stored.
            bias: (out,), as stored.
            said: the mapping's learning-rate multiplier in the file; None where it does not tell.
        """
        self.set_linear(f"mapping.layers.{index}", weight * GAIN, bias, lr_multiplier=self.lr_mlp(said))

    def set_conv(self, index: int, weight: Tensor) -> None:
        """Set the convolution before layer `index`; those before even layers upsample.

        Args:
            index: the layer's number, from 1.
            weight: (out, in, 3, 3), as stored.
        """
        # He's initialisation: gain / √(in · 3 · 3)
        scaled = weight * (GAIN / sqrt(weight[0].numel()))
        self.converted[f"convs.{index - 1}.weight"] = scaled if index % 2 else fold_upsample_into_conv(scaled)

    def set_layer(self, index: int, noise: Tensor, noise_strength: Tensor, bias: Tensor) -> None:
        """Set noise and bias of a layer.

        Args:
            index: the layer's number.
            noise: (…, height, width).
            noise_strength: (channels,).
            bias: (channels,).
        """
        self.converted[f"layers.{index}.noise"] = noise.reshape(noise.shape[-2:])
        self.converted[f"layers.{index}.strength"] = noise_strength
        self.converted[f"layers.{index}.bias"] = bias

    def set_affine(self, index: int, weight: Tensor, bias: Tensor) -> None:
        """Set the affine map to a layer's styles, to whose scales 1 is added.

        Args:
            index: the layer's number.
            weight: (2 · channels, w_dim), scales before shifts.
            bias: (2 · channels,).
        """
        self.set_linear(f"layers.{index}.affine", weight, bias)
        self.converted[f"layers.{index}.affine.bias"][: len(bias) // 2] += 1

    def set_to_rgb(self, level: int, weight: Tensor, bias: Tensor) -> None:
        """Set the 1x1 convolution to RGB of a resolution.

        Args:
            level: the resolution, 0 for 4x4 pixels.
            weight: (img_channels, channels, 1, 1), as stored.
            bias: (img_channels,).
        """
        self.set_linear(f"colours.{level}", weight.flatten(1), bias)
        self.converted[f"colours.{level}.bias"] = bias


def _convert_tensorflow(state: State, meta: Mapping[str, Any]) -> tuple[State, dict[str, Any]]:
    """Variables of the official networks, inputs before outputs."""
    settings = tensorflow_settings(meta)
    require_settings(settings, SUPPORTED, _OWNER)
    converter = _Converter(state)
    # The synthesis network's own lod is overwritten by the whole network's whenever that runs.
    converter.remaining.pop("synthesis/lod", None)
    config = _tensorflow_config(converter, settings)
    for index in range(count_keys(converter.remaining, r"mapping/Dense\d+/weight")):
        weight, bias = (converter.pop(f"mapping/Dense{index}/{name}") for name in ("weight", "bias"))
        said = settings.get("mapping_lrmul", LR_MLP if settings else None)
        converter.set_mapping_layer(index, weight.T, bias, said)
    converter.w_avg("dlatent_avg")
    if "mapping/LabelConcat/weight" in converter.remaining:
        converter.set_embedding(converter.pop("mapping/LabelConcat/weight"))
    converter.converted["constant"] = converter.pop("synthesis/4x4/Const/const")[0]
    levels = count_keys(converter.remaining, r"synthesis/ToRGB_lod\d+/weight")
    for index in range(2 * levels):
        _convert_tensorflow_layer(converter, index)
    for level in range(levels):
        key = f"synthesis/ToRGB_lod{levels - 1 - level}"
        weight, bias = (converter.pop(f"{key}/{name}") for name in ("weight", "bias"))
        converter.set_to_rgb(level, weight.permute(3, 2, 0, 1), bias)
    return converter.finish(), converter.config(**config)


def _tensorflow_config(converter: _Converter, settings: Mapping[str, Any]) -> dict[str, Any]:
    config: dict[str, Any] = {"lod": converter.pop_number("lod", 0.0)}
    said = converter.setting("fused", settings.get("fused_scale", "auto" if settings else None), "auto")
    if settings:
        config["fused"] = {True: "always", False: "never"}.get(said, "auto")
    if isinstance(settings.get("truncation_cutoff"), int):
        config["cutoff"] = settings["truncation_cutoff"]
    return config


def _convert_tensorflow_layer(converter: _Converter, index: int) -> None:
    resolution = 4 << index // 2
    first_of_level, second_of_level = ("Const", "Conv") if index < 2 else ("Conv0_up", "Conv1")
    part = second_of_level if index % 2 else first_of_level
    key = f"synthesis/{resolution}x{resolution}/{part}"
    if index:
        converter.set_conv(index, converter.pop(f"{key}/weight").permute(3, 2, 0, 1))
    noise = converter.pop(f"synthesis/noise{index}")
    converter.set_layer(index, noise, converter.pop(f"{key}/Noise/weight"), converter.pop(f"{key}/bias"))
    converter.set_affine(index, converter.pop(f"{key}/StyleMod/weight").T, converter.pop(f"{key}/StyleMod/bias"))


def _convert_genforce(state: State, meta: Mapping[str, Any]) -> tuple[State, dict[str, Any]]:
    """Keys of genforce, which do not tell what is fused."""
    require_modules(meta, _OWNER, classes={"LeakyReLU": {"negative_slope": 0.2}}, attributes=GENFORCE_ATTRIBUTES)
    converter = _Converter(state)
    config = {"lod": converter.pop_number("synthesis.lod", 0.0), **_genforce_fused(converter, meta)}
    for index in range(count_keys(converter.remaining, r"mapping\.dense\d+\.weight")):
        weight, bias = (converter.pop(f"mapping.dense{index}.{name}") for name in ("weight", "bias"))
        converter.set_mapping_layer(index, weight, bias, meta.get(f"mapping.dense{index}.bscale"))
    converter.w_avg("truncation.w_avg")
    if "mapping.label_weight" in converter.remaining:
        converter.set_embedding(converter.pop("mapping.label_weight"))
    converter.converted["constant"] = converter.pop("synthesis.layer0.const")[0]
    for index in range(count_keys(converter.remaining, r"synthesis\.layer\d+\.bias")):
        key = f"synthesis.layer{index}"
        if index:
            converter.set_conv(index, converter.pop(f"{key}.weight"))
        if f"{key}.blur.kernel" in converter.remaining:
            check_filter(f"{key}.blur.kernel", converter.pop(f"{key}.blur.kernel"), BLUR)
        parts = ("apply_noise.noise", "apply_noise.weight", "bias")
        converter.set_layer(index, *(converter.pop(f"{key}.{part}") for part in parts))
        converter.set_affine(index, converter.pop(f"{key}.style.weight"), converter.pop(f"{key}.style.bias"))
    for level in range(count_keys(converter.remaining, r"synthesis\.output\d+\.weight")):
        key = f"synthesis.output{level}"
        converter.set_to_rgb(level, converter.pop(f"{key}.weight"), converter.pop(f"{key}.bias"))
    return converter.finish(), converter.config(**config)


def _genforce_fused(converter: _Converter, meta: Mapping[str, Any]) -> dict[str, str]:
    """Take what a module that was pickled whole says of its upsampling layers; a file of tensors does not tell."""
    said = {
        level: bool(meta[key])
        for level in range(1, count_keys(converter.remaining, r"synthesis\.output\d+\.weight"))
        if (key := f"synthesis.layer{2 * level}.use_conv2d_transpose") in meta
    }
    if not said:
        converter.setting("fused", None, "auto")
        return {}
    for fused in ("auto", "always", "never"):
        if all(_is_fused(level, fused) == value for level, value in said.items()):
            return {"fused": fused}
    raise CheckpointError(f"{_OWNER} fuses the layers {[level for level in said if said[level]]}, which zoo does not")


def _is_fused(level: int, fused: str) -> bool:
    return fused == "always" or (fused == "auto" and 4 << level >= _FUSED_FROM)


def _convert_hammer(state: State, meta: Mapping[str, Any]) -> tuple[State, dict[str, Any]]:
    """Keys of Hammer: genforce's tensors under other names; its training checkpoints have settings beside them."""
    settings = hammer_settings(meta)
    require_settings(settings, HAMMER_SUPPORTED, _OWNER)
    names = {"w_avg": "truncation.w_avg", "mapping.embedding": "mapping.label_weight"}
    for index in range(count_keys(state, r"synthesis\.layer\d+\.bias")):
        key = f"synthesis.layer{index}"
        names |= {f"{key}.noise": f"{key}.apply_noise.noise", f"{key}.noise_strength": f"{key}.apply_noise.weight"}
        names[f"{key}.filter"] = f"{key}.blur.kernel"
    renamed = rename_modules(state, names)
    renamed |= {key: tensor.flatten() for key, tensor in renamed.items() if key.endswith(".apply_noise.weight")}
    return _convert_genforce(renamed, _genforce_meta(state, settings) if settings else {})


def _genforce_meta(state: State, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Give Hammer's settings the names that genforce's modules have."""
    fused, fused_from = settings.get("fused_scale", "auto"), settings.get("fused_scale_res", _FUSED_FROM)
    levels = range(count_keys(state, r"synthesis\.output\d+\.weight"))
    dense_layers = range(count_keys(state, r"mapping\.dense\d+\.weight"))
    return {
        **{f"mapping.dense{index}.bscale": settings.get("mapping_lr_mul", LR_MLP) for index in dense_layers},
        **{
            f"synthesis.layer{2 * level}.use_conv2d_transpose": 4 << level >= fused_from if fused == "auto" else fused
            for level in levels
        },
    }


def flip_fused(network: StyleGANGenerator, fused: str) -> None:
    """Flip the weights of the upsampling layers that are fused: those transpose a convolution instead of running it.

    Args:
        network: the network, to be changed in place.
        fused: "auto" for maps of 128x128 pixels and more, "always" or "never".
    """
    for level in range(1, network.growth.levels):
        if _is_fused(level, fused):
            weight = network.convs[2 * level - 1].get_parameter("weight")
            # A transposed convolution is a convolution with the flipped kernel.
            weight.copy_(weight.flip(2, 3))


def network_from_state(state: State, config: Mapping[str, Any]) -> StyleGANGenerator:
    """Build the network whose sizes the shapes of a canonical state give; its weights are not filled in.

    Args:
        state: the canonical state.
        config: `lod`, the level of detail, and `z_dim`, the numbers of z, if it is said.

    Returns:
        The network.

    Raises:
        CheckpointError: for a level of detail out of range.
        LookupError, ValueError: where the shapes fit no network.
    """
    levels = count_keys(state, r"colours\.\d+\.weight")
    channels = [state[f"colours.{level}.weight"].shape[1] for level in range(levels)]
    mapping = mapping_from_state(state, normalize_with_label=True, z_dim=config.get("z_dim"))
    img_channels = len(state[f"colours.{levels - 1}.weight"])
    return StyleGANGenerator(mapping, mapping.w_dim, channels, config.get("lod", 0.0), img_channels)


LAYOUTS = (
    Layout(
        "tensorflow",
        _convert_tensorflow,
        about="NVIDIA's pickles of TensorFlow's variables (karras2019stylegan-*.pkl)",
        required_keys=(_TENSORFLOW, "synthesis/4x4/Const/const"),
    ),
    Layout(
        "genforce",
        _convert_genforce,
        about="genforce and the released SeFa",
        required_keys=(_GENFORCE, "synthesis.layer0.apply_noise.weight", "mapping.dense0.weight"),
    ),
    Layout(
        "hammer",
        _convert_hammer,
        about="Hammer and the released ReSeFa",
        required_keys=(_GENFORCE, "synthesis.layer0.noise_strength", "mapping.dense0.weight"),
    ),
)
