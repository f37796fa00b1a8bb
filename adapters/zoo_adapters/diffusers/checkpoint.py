"""The folders that diffusers writes: every key begins with the name of its part, such as ``unet.`` or ``vae.``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from zoo import CheckpointError, Layout, State
from zoo_adapters.diffusers.prompts import MERGES, VOCABULARY

# Pipelines whose one step zoo takes. A pipeline's class is only compared with these; it is never imported.
TEXT_PIPELINES = ("StableDiffusionPipeline", "LatentConsistencyModelPipeline")
PIXEL_PIPELINES = ("ConsistencyModelPipeline", "DDPMPipeline", "DDIMPipeline")
_PIPELINES = (*TEXT_PIPELINES, *PIXEL_PIPELINES)

# The names of attention weights before diffusers 0.15.
_OLD_ATTENTION = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}


def _json(meta: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Read a part's settings, without what belongs to the library that wrote them."""
    try:
        settings = json.loads(meta.get(f"pipeline.{name}", "{}"))
    except (ValueError, RecursionError):
        raise CheckpointError(f"the settings of {name} are no JSON") from None
    if not isinstance(settings, dict):
        raise CheckpointError(f"the settings of {name} are no dictionary")
    return {key: value for key, value in settings.items() if key == "_class_name" or not key.startswith("_")}


def _bytes(text: str) -> Tensor:
    return torch.frombuffer(bytearray(text.encode()), dtype=torch.uint8)


def _tokenizer(meta: Mapping[str, Any]) -> tuple[State, dict[str, Any]]:
    """Read vocabulary, merges and the few settings of a tokenizer, from either form in which it is written."""
    if "pipeline.tokenizer/vocab.json" in meta and "pipeline.tokenizer/merges.txt" in meta:
        texts = {VOCABULARY: meta["pipeline.tokenizer/vocab.json"], MERGES: meta["pipeline.tokenizer/merges.txt"]}
    elif "pipeline.tokenizer/tokenizer.json" in meta:
        model = _json(meta, "tokenizer/tokenizer.json").get("model", {})
        try:
            pairs = [pair if isinstance(pair, str) else " ".join(pair) for pair in model["merges"]]
            texts = {VOCABULARY: json.dumps(model["vocab"]), MERGES: "\n".join(["#version: 0.2", *pairs, ""])}
        except (LookupError, TypeError):
            raise CheckpointError("tokenizer.json has no vocabulary with merges, as CLIP's tokenizer has") from None
    else:
        return {}, {}
    settings = {**_json(meta, "tokenizer/special_tokens_map.json"), **_json(meta, "tokenizer/tokenizer_config.json")}
    read: dict[str, Any] = {name: settings[name] for name in ("model_max_length", "pad_token") if name in settings}
    if isinstance(read.get("pad_token"), dict):
        read["pad_token"] = read["pad_token"].get("content")
    if not isinstance(read.get("model_max_length", 1), int) or read.get("model_max_length", 1) > 2**16:
        read.pop("model_max_length")
    return {key: _bytes(text) for key, text in texts.items()}, read


def _modern(key: str) -> str:
    """Give the weights of attention in old files of the VAE their present names."""
    head, _, tail = key.rpartition(".")
    parent, _, name = head.rpartition(".")
    return f"{parent}.{_OLD_ATTENTION[name]}.{tail}" if "attentions." in key and name in _OLD_ATTENTION else key


def _convert(state: State, meta: Mapping[str, Any]) -> tuple[State, dict[str, Any]]:
    kind = _json(meta, "index").get("_class_name")
    if kind not in _PIPELINES:
        raise CheckpointError(
            f"the folder is a {kind!r:.60}, of which zoo does not know a single step; it opens {', '.join(_PIPELINES)}"
        )
    parts = ("unet", "vae", "text_encoder") if kind in TEXT_PIPELINES else ("unet",)
    prefixes = tuple(f"{part}." for part in parts)
    kept = {_modern(key): tensor for key, tensor in state.items() if key.startswith(prefixes)}
    config: dict[str, Any] = {"pipeline": kind, "scheduler": _json(meta, "scheduler")}
    config |= {part: _json(meta, part) for part in parts}
    if kind in TEXT_PIPELINES:
        tokens, config["tokenizer"] = _tokenizer(meta)
        kept |= tokens
    return kept, config


LAYOUTS = (
    Layout(
        "pipeline",
        _convert,
        about="a folder of diffusers, with `model_index.json`",
        required_keys=("unet.conv_in.weight", "unet.time_embedding.linear_1.weight"),
        detect=lambda _, meta: "pipeline.index" in meta,
        averaged=False,
    ),
)
