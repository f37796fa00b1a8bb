"""Building the network from the settings and weights of a pipeline's parts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from zoo import CheckpointError, OptionError, State
from zoo.checkpoints import build_module
from zoo.core import name_classes
from zoo_adapters.diffusers.libraries import class_of, library
from zoo_adapters.diffusers.network import DiffusionNetwork, embedded_guidance
from zoo_adapters.diffusers.prompts import embed_prompts

_TEXT_UNET, _PIXEL_UNET = "UNet2DConditionModel", "UNet2DModel"
_DECODERS = ("AutoencoderKL", "AutoencoderTiny")

# The largest number in the settings of a network, and the largest of those by which layers are counted.
_MOST, _MOST_LAYERS = 2**16, 64
_COUNTS = ("layers_per_block", "num_hidden_layers", "transformer_layers_per_block", "num_decoder_blocks")

# Ways for a UNet to read more than a timestep and a prompt or class.
_EXTRAS = ("addition_embed_type", "encoder_hid_dim", "encoder_hid_dim_type", "class_embed_type", "conv_in_condition")


def build_network(state: State, config: Mapping[str, Any]) -> tuple[DiffusionNetwork, tuple[str, ...]]:
    """Build the network, and name what it has labels for.

    Args:
        state: the canonical state.
        config: the settings of the parts, and the options.

    Returns:
        The network, and the names of the prompts or classes; none for a single prompt, and for a network without any.

    Raises:
        CheckpointError: if the state does not fit, or a part is of a class that zoo does not know.
        CapabilityError: if a library is not installed.
        OptionError: for prompts of a network that reads none, or classes of one that has none.
    """
    settings = config.get("unet", {})
    if not any(key.startswith("unet.") for key in state) or not settings:
        raise CheckpointError("there is no UNet with its settings")
    for name in _EXTRAS:
        if settings.get(name) is not None:
            raise CheckpointError(f"the UNet has {name}={settings[name]!r:.40}, which zoo does not compute")
    unet = _part(state, settings, "unet", (_TEXT_UNET, _PIXEL_UNET))
    if settings.get("_class_name") == _PIXEL_UNET:
        return DiffusionNetwork(unet, None), _classes(settings, config)
    if config.get("classes"):
        raise OptionError("option classes: this network reads prompts: pass -o prompts=")
    vae = _part(state, config.get("vae", {}), "vae", _DECODERS)
    prompts = tuple(config.get("prompts", ())) or ("",)
    if len(set(prompts)) != len(prompts):
        raise OptionError("option prompts: two of them are the same")
    embedded = embed_prompts(state, config, prompts)
    dim = settings.get("time_cond_proj_dim")
    guidance = None if dim is None else embedded_guidance(float(config.get("guidance", 8.5)), int(dim))
    names = prompts if any(prompts) else ()
    return DiffusionNetwork(unet, vae, embedded, guidance), names


def _classes(settings: Mapping[str, Any], config: Mapping[str, Any]) -> tuple[str, ...]:
    if config.get("prompts"):
        raise OptionError("option prompts: this network reads no prompt")
    count = settings.get("num_class_embeds")
    if count is None:
        if config.get("classes"):
            raise OptionError("option classes: this network has no classes")
        return ()
    return name_classes(config.get("classes", ()), int(count))


def _part(state: State, settings: Mapping[str, Any], part: str, classes: tuple[str, ...]) -> nn.Module:
    """Build one part of the pipeline from its settings, and load its weights."""
    kind = class_of("diffusers", classes, settings.get("_class_name"), f"the {part}")
    _require_bounded(settings, part)
    own = {key.removeprefix(f"{part}."): value for key, value in state.items() if key.startswith(f"{part}.")}
    plain = {key: value for key, value in settings.items() if not key.startswith("_")}
    with _quiet():
        module: nn.Module = build_module(lambda: kind.from_config(plain), own, f"the {part}")
    return module


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep diffusers from printing which settings of other versions it does not read; what it prints is restored."""
    logging = library("diffusers.utils.logging")
    before = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(before)


def _require_bounded(settings: Mapping[str, Any], part: str) -> None:
    """Refuse numbers that no network has: a few bytes could ask for a billion layers."""
    for name, value in settings.items():
        limit = _MOST_LAYERS if name in _COUNTS else _MOST
        for number in _numbers(value):
            if not abs(number) <= limit:
                raise CheckpointError(f"the {part} has {name}={number:.4g}, more than any network")


def _numbers(value: Any) -> list[float]:
    if isinstance(value, bool | str) or value is None:
        return []
    if isinstance(value, int | float):
        return [value]
    if isinstance(value, list | tuple) and len(value) <= _MOST_LAYERS:
        return [number for part in value for number in _numbers(part)]
    raise CheckpointError("the settings of a part are numbers, texts and short lists of them")


def tiny_network(seed: int) -> DiffusionNetwork:
    """Build a small untrained latent network that reads prompts.

    Args:
        seed: determines its weights.

    Returns:
        The network, with two prompts that stand for nothing.
    """
    diffusers = library("diffusers")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        unet = diffusers.UNet2DConditionModel(
            sample_size=8,
            block_out_channels=(8, 16),
            layers_per_block=1,
            down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
            up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
            cross_attention_dim=12,
            attention_head_dim=4,
            norm_num_groups=4,
        )
        vae = diffusers.AutoencoderTiny(
            encoder_block_out_channels=(4, 4),
            decoder_block_out_channels=(4, 4),
            num_encoder_blocks=(1, 1),
            num_decoder_blocks=(1, 1),
        )
        prompts: Tensor = torch.randn(2, 5, 12)
    return DiffusionNetwork(unet, vae, prompts)
