"""Reading a pipeline of the library diffusers as if it was one file: the tensors of its parts, and their settings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zoo._utils.untrusted.pipelines import pipeline_files, read_text
from zoo.checkpoints.archives import SPLIT_WEIGHTS
from zoo.checkpoints.reader import Checkpoint, read_checkpoint
from zoo.core.adapter import State
from zoo.errors import CheckpointError

# What stands before the names of texts among the plain values.
_TEXTS = "pipeline."


def read_pipeline(index: Path) -> Checkpoint:
    """Read the networks of a pipeline and the texts beside them; nothing in any of its files is executed.

    Args:
        index: Its ``model_index.json``.

    Returns:
        The tensors, with the name of the part before their keys, and under ``pipeline.PART`` the text of each part's
        settings.

    Raises:
        CheckpointError: If a file cannot be read, or the UNet, which all pipelines that zoo knows have, is missing.
    """
    try:
        files = pipeline_files(index)
        meta: dict[str, Any] = {f"{_TEXTS}{name}": read_text(path) for name, path in files.texts.items()}
    except (OSError, ValueError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else " ".join(str(error).split())[:100]
        raise CheckpointError(f"the pipeline {index.parent} cannot be read: {reason}") from None
    _require_unet(index, files.weights)
    state: State = {}
    unread: dict[str, str] = {}
    for part, path in files.weights.items():
        content = read_checkpoint(path)
        state |= {f"{part}.{key}": tensor for key, tensor in content.state.items()}
        unread |= {f"{part}.{key}": reason for key, reason in content.unread.items()}
    return Checkpoint(state, meta, "folder of diffusers", unread)


def _require_unet(index: Path, weights: Mapping[str, Path]) -> None:
    if "unet" in weights:
        return
    if any((index.parent / "unet").glob("*.index.json")):
        raise CheckpointError(f"{index.parent / 'unet'} holds {SPLIT_WEIGHTS}")
    raise CheckpointError(f"the pipeline {index.parent} has no unet with weights, which every one that zoo opens has")
