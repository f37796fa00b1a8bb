"""Prompts as the UNet reads them: split into tokens and embedded by the pipeline's own CLIP text model."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from zoo import CheckpointError, State
from zoo.checkpoints import build_module
from zoo_adapters.diffusers.libraries import library

VOCABULARY, MERGES = "tokenizer.vocabulary", "tokenizer.merges"  # keys of the canonical state, texts in UTF-8
_PREFIX = "text_encoder."
_INNER = "text_model."
_END = "<|endoftext|>"
_LONGEST = 77  # tokens of a prompt that CLIP reads


def embed_prompts(state: State, config: Mapping[str, Any], prompts: Sequence[str]) -> Tensor:
    """Embed prompts.

    Args:
        state: the canonical state, with the text model and its vocabulary.
        config: `text_encoder` and `tokenizer`, the settings of both.
        prompts: the prompts.

    Returns:
        (prompts, tokens, channels), float32 on the CPU.

    Raises:
        CheckpointError: if the text model or the vocabulary do not fit.
    """
    ids = _token_ids(state, config.get("tokenizer", {}), prompts)
    model = _text_model(state, config["text_encoder"])
    if int(ids.max()) >= model.config.vocab_size or ids.shape[1] > model.config.max_position_embeddings:
        raise CheckpointError("the tokenizer has other tokens than the text model")
    with torch.no_grad():
        embedded: Tensor = model(ids)[0]
    return embedded


def _text_model(state: State, config: Mapping[str, Any]) -> Any:
    """Build the text model; versions of transformers write its keys with and without ``text_model.`` in front."""
    transformers = library("transformers")
    own = {
        key.removeprefix(_PREFIX).removeprefix(_INNER): value for key, value in state.items() if key.startswith(_PREFIX)
    }
    own.pop("embeddings.position_ids", None)
    own = {key: value for key, value in own.items() if not key.startswith("text_projection")}
    settings = transformers.CLIPTextConfig(**{key: value for key, value in config.items() if key in _READ})

    def build() -> Any:
        model = transformers.CLIPTextModel(settings)
        return model if hasattr(model, "embeddings") else model.text_model

    model = build_module(build, own, "the text encoder")
    return model.eval().requires_grad_(False)


# Settings of a text model that decide what it computes.
_READ = {
    *("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads"),
    *("max_position_embeddings", "hidden_act", "layer_norm_eps", "bos_token_id", "eos_token_id", "pad_token_id"),
}


def _token_ids(state: State, config: Mapping[str, Any], prompts: Sequence[str]) -> Tensor:
    """Split prompts into tokens, cut and padded to the same length."""
    if VOCABULARY not in state or MERGES not in state:
        raise CheckpointError("the pipeline has no vocabulary, so that no prompt can be read")
    vocabulary, merges = (bytes(state[key].flatten().to(torch.uint8).tolist()) for key in (VOCABULARY, MERGES))
    try:
        known = json.loads(vocabulary)
        length = min(int(config.get("model_max_length", _LONGEST)), _LONGEST)
        padding = str(config.get("pad_token", _END))
        if padding not in known:
            raise ValueError(f"{padding!r:.20} is no token")
        with tempfile.TemporaryDirectory(prefix="zoo-") as folder:
            Path(folder, "vocab.json").write_bytes(vocabulary)
            Path(folder, "merges.txt").write_bytes(merges)
            kind = library("transformers").CLIPTokenizer
            tokenizer = kind.from_pretrained(folder, local_files_only=True, pad_token=padding)
        cut = {"padding": "max_length", "truncation": True, "max_length": length}
        return torch.tensor([tokenizer(prompt, **cut).input_ids for prompt in prompts])
    except (LookupError, TypeError, ValueError, RecursionError, OSError) as error:
        raise CheckpointError(f"the tokenizer cannot be read: {' '.join(str(error).split())[:100]}") from None
