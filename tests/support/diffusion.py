"""Small pipelines of diffusers with random weights, written as folders."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

LETTERS = "abcdefghijklmnopqrstuvwxyz"
EULER = {"_class_name": "EulerDiscreteScheduler", "timestep_spacing": "trailing"}


def text_pipeline(
    folder: Path, scheduler: dict[str, Any], *, vae: str = "AutoencoderTiny", levels: int = 2, **unet: Any
) -> Any:
    """Write a latent pipeline that reads prompts, and return it."""
    diffusers, transformers = map(import_module, ("diffusers", "transformers"))

    torch.manual_seed(0)
    settings: dict[str, Any] = {
        "sample_size": 8,
        "block_out_channels": (8, 16),
        "layers_per_block": 1,
        "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
        "cross_attention_dim": 12,
        "attention_head_dim": 2,
        "norm_num_groups": 4,
    }
    blocks: dict[str, Any] = {f"{end}_block_out_channels": (4, 4) for end in ("encoder", "decoder")}
    blocks |= {f"num_{end}_blocks": (1, 1) for end in ("encoder", "decoder")}
    if vae == "AutoencoderKL":
        blocks = {"block_out_channels": (8,) * levels, "norm_num_groups": 4, "latent_channels": 4}
        blocks |= {
            "down_block_types": ("DownEncoderBlock2D",) * levels,
            "up_block_types": ("UpDecoderBlock2D",) * levels,
        }
    written_tokenizer(folder / "tokenizer")
    text = transformers.CLIPTextConfig(
        vocab_size=2 * len(LETTERS) + 2,
        hidden_size=12,
        intermediate_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=9,
        bos_token_id=2 * len(LETTERS),
        eos_token_id=2 * len(LETTERS) + 1,
    )
    kind = getattr(diffusers, scheduler["_class_name"])
    pipeline = diffusers.StableDiffusionPipeline(
        unet=diffusers.UNet2DConditionModel(**{**settings, **unet}).eval(),
        vae=getattr(diffusers, vae)(**blocks).eval(),
        text_encoder=transformers.CLIPTextModel(text).eval(),
        tokenizer=transformers.CLIPTokenizer.from_pretrained(folder / "tokenizer"),
        scheduler=kind.from_config(scheduler),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    pipeline.save_pretrained(folder)
    return pipeline


def pixel_pipeline(folder: Path, kind: str, scheduler: dict[str, Any], **unet: Any) -> Any:
    """Write a pipeline that draws pixels, and return it."""
    diffusers = import_module("diffusers")

    torch.manual_seed(0)
    settings: dict[str, Any] = {
        "sample_size": 8,
        "block_out_channels": (8, 16),
        "layers_per_block": 1,
        "down_block_types": ("ResnetDownsampleBlock2D", "AttnDownBlock2D"),
        "up_block_types": ("AttnUpBlock2D", "ResnetUpsampleBlock2D"),
        "attention_head_dim": 8,
        "norm_num_groups": 4,
        "resnet_time_scale_shift": "scale_shift",
    }
    scheduled = getattr(diffusers, scheduler["_class_name"]).from_config(scheduler)
    pipeline = getattr(diffusers, kind)(unet=diffusers.UNet2DModel(**{**settings, **unet}).eval(), scheduler=scheduled)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.save_pretrained(folder)
    return pipeline


def written_tokenizer(folder: Path) -> None:
    """Write a tokenizer that knows letters, alone and at the end of a word."""
    folder.mkdir(parents=True)
    tokens = [*LETTERS, *(f"{letter}</w>" for letter in LETTERS), "<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({token: index for index, token in enumerate(tokens)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    settings = {"model_max_length": 9, "pad_token": "a", "tokenizer_class": "CLIPTokenizer"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
