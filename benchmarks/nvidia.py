"""NVIDIA's networks of the published sizes with random weights, as the official files hold them.

from benchmarks.nvidia import pggan_variables, stylegan2_state, stylegan_variables

variables, arguments = stylegan_variables(1024)

Tensors have the names of the files and are scaled as at the beginning of training, except ToRGB, whose weights are
smaller, so that images are not saturated. The arguments are those that stand beside the tensors in the pickle.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from benchmarks.shapes import widths

# Weights of a mapping are so many times larger in a file: their learning-rate multiplier is 0.01.
_MAPPED = 100.0

Shapes = dict[str, tuple[int, ...]]


def pggan_variables(resolution: int = 1024, seed: int = 0) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Make the variables of an official PGGAN, its layers not fused, and the arguments that it was made with."""
    channels = widths(resolution, 16384)
    shapes = Shapes(lod=())
    for level, (side, width) in enumerate(_sides(channels)):
        before = channels[max(0, level - 1)]
        if level:
            shapes |= _weights(f"{side}x{side}/Conv0", (3, 3, before, width))
        else:
            shapes |= {"4x4/Dense/weight": (512, 16 * width), "4x4/Dense/bias": (width,)}
        shapes |= _weights(f"{side}x{side}/Conv{1 if level else ''}", (3, 3, width, width))
        shapes |= _weights(f"ToRGB_lod{len(channels) - 1 - level}", (1, 1, width, 3))
    spread = {"lod": 0.0, "bias": 0.1}
    arguments = {"num_channels": 3, "resolution": resolution, "label_size": 0, "fused_scale": False}
    return _drawn(shapes, seed, lambda name: 0.3 if "ToRGB" in name else _by_end(name, spread)), arguments


def stylegan_variables(resolution: int = 1024, seed: int = 0) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Make the variables of an official StyleGAN, and the arguments that it was made with."""
    channels = widths(resolution, 16384)
    shapes = Shapes({"lod": (), "dlatent_avg": (512,), "synthesis/lod": ()})
    for index in range(8):
        shapes |= _weights(f"mapping/Dense{index}", (512, 512))
    shapes["synthesis/4x4/Const/const"] = (1, channels[0], 4, 4)
    for level, (side, width) in enumerate(_sides(channels)):
        before = channels[max(0, level - 1)]
        parts = (("Conv0_up", before), ("Conv1", width)) if level else (("Const", 0), ("Conv", width))
        for half, (part, inputs) in enumerate(parts):
            block = f"synthesis/{side}x{side}/{part}"
            shapes |= _weights(block, (3, 3, inputs, width)) if inputs else {f"{block}/bias": (width,)}
            shapes |= {f"{block}/Noise/weight": (width,), f"synthesis/noise{2 * level + half}": (1, 1, side, side)}
            shapes |= _weights(f"{block}/StyleMod", (512, 2 * width))
        shapes |= _weights(f"synthesis/ToRGB_lod{len(channels) - 1 - level}", (1, 1, width, 3))
    spread = {"lod": 0.0, "avg": 0.0, "Noise/weight": 0.1, "bias": 0.1}

    def scale(name: str) -> float:
        if name.startswith("mapping"):
            return _MAPPED if name.endswith("weight") else 0.0
        return 0.2 if "ToRGB" in name else _by_end(name, spread)

    return _drawn(shapes, seed, scale), {"num_channels": 3, "resolution": resolution, "label_size": 0}


def stylegan2_state(resolution: int = 1024, seed: int = 0) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Make the state dict of NVIDIA's StyleGAN2 in PyTorch, configuration F, and the arguments it was made with."""
    channels = widths(resolution, 32768)
    shapes = Shapes()
    for level, (side, width) in enumerate(_sides(channels)):
        before = channels[max(0, level - 1)]
        block = f"synthesis.b{side}"
        shapes |= {f"{block}.resample_filter": (4, 4), **({} if level else {f"{block}.const": (width, 4, 4)})}
        for part, inputs in (("conv0", before), ("conv1", width))[0 if level else 1 :]:
            key = f"{block}.{part}"
            shapes |= {f"{key}.weight": (width, inputs, 3, 3), f"{key}.bias": (width,), f"{key}.noise_strength": ()}
            shapes |= {f"{key}.resample_filter": (4, 4), f"{key}.noise_const": (side, side)}
            shapes |= {f"{key}.affine.weight": (inputs, 512), f"{key}.affine.bias": (inputs,)}
        shapes |= {f"{block}.torgb.weight": (3, width, 1, 1), f"{block}.torgb.bias": (3,)}
        shapes |= {f"{block}.torgb.affine.weight": (width, 512), f"{block}.torgb.affine.bias": (width,)}
    shapes["mapping.w_avg"] = (512,)
    for index in range(8):
        shapes |= {f"mapping.fc{index}.weight": (512, 512), f"mapping.fc{index}.bias": (512,)}
    spread = {
        "w_avg": 0.0,
        "noise_strength": 0.1,
        "affine.weight": 0.5,
        "affine.bias": 0.0,
        "torgb.bias": 0.01,
        "bias": 0.1,
    }

    def scale(name: str) -> float:
        if name.startswith("mapping.fc"):
            return _MAPPED if name.endswith("weight") else 0.0
        return 0.1 if name.endswith("torgb.weight") else _by_end(name, spread)

    state = _drawn(shapes, seed, scale)
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0])
    for name, tensor in state.items():
        if name.endswith("resample_filter"):
            tensor.copy_(torch.outer(taps, taps) / 64)
        elif name.endswith("affine.bias"):
            tensor.add_(1)
    synthesis = {"channel_base": 32768, "channel_max": 512, "num_fp16_res": 4, "conv_clamp": 256}
    sizes = {"z_dim": 512, "c_dim": 0, "w_dim": 512, "img_resolution": resolution, "img_channels": 3}
    return state, {**sizes, "mapping_kwargs": {"num_layers": 8}, "synthesis_kwargs": synthesis}


def _sides(channels: list[int]) -> list[tuple[int, int]]:
    return [(4 << level, width) for level, width in enumerate(channels)]


def _weights(name: str, shape: tuple[int, ...]) -> Shapes:
    return {f"{name}/weight": shape, f"{name}/bias": shape[-1:]}


def _by_end(name: str, spreads: dict[str, float]) -> float:
    return next((spread for end, spread in spreads.items() if name.endswith(end)), 1.0)


def _drawn(shapes: Shapes, seed: int, spread: Callable[[str], float]) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.randn(shape, generator=generator) * spread(name) for name, shape in shapes.items()}
