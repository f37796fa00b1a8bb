"""Pipelines of the library diffusers: folders of several networks with their settings, named by ``model_index.json``.

Only files of known names are read, out of folders whose names the index gives, and none of them is code.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

from zoo._utils.untrusted.opening import open_regular

INDEX = "model_index.json"

# The parts that are read; filters, and what prepares pictures for them, are left where they are.
_PARTS = ("unet", "vae", "text_encoder", "tokenizer", "scheduler")
_SETTINGS = ("config.json", "scheduler_config.json")
_TOKENS = ("vocab.json", "merges.txt", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")
# A part's weights, in the order in which the first one there is taken.
_WEIGHTS = tuple(
    f"{stem}{variant}{suffix}"
    for suffix in (".safetensors", ".bin")
    for stem in ("diffusion_pytorch_model", "model", "pytorch_model")
    for variant in ("", ".fp16")
)
_MAX_TEXT = 2**24


@dataclass(frozen=True)
class PipelineFiles:
    """The files of a pipeline that are read.

    Attributes:
        texts: settings and vocabularies, by ``part`` or ``part/file``; the index itself by ``index``.
        weights: the weights file of each part that has one.
    """

    texts: dict[str, Path]
    weights: dict[str, Path]

    @property
    def listed(self) -> list[Path]:
        """All files, in an order that depends on nothing else."""
        return [*self.texts.values(), *self.weights.values()]


def is_pipeline(path: Path) -> bool:
    """Tell whether a path is the index of a pipeline.

    Args:
        path: a path.

    Returns:
        Whether it is called as indexes are.
    """
    return path.name == INDEX


def pipeline_name(path: Path) -> str:
    """Return what a file is called: for the index of a pipeline, the name of its folder.

    Args:
        path: a file.

    Returns:
        The name, with its ending.
    """
    return path.absolute().parent.name or path.name if is_pipeline(path) else path.name


def pipeline_files(index: Path) -> PipelineFiles:
    """Find the files of a pipeline.

    Args:
        index: its ``model_index.json``.

    Returns:
        Those that are there.

    Raises:
        OSError: if the index cannot be read.
        ValueError: if it is no dictionary of JSON.
    """
    parts = json.loads(read_text(index))
    if not isinstance(parts, dict):
        raise ValueError("it is no dictionary")
    named = [part for part in _PARTS if isinstance(parts.get(part), list) and any(parts[part])]
    folders = {part: index.parent / part for part in named if re.fullmatch(r"\w+", part)}
    texts = {"index": index}
    weights = {}
    for part, folder in folders.items():
        if settings := _first(folder, _SETTINGS):
            texts[part] = settings
        texts |= {f"{part}/{name}": folder / name for name in _TOKENS if (folder / name).is_file()}
        if file := _first(folder, _WEIGHTS):
            weights[part] = file
    return PipelineFiles(texts, weights)


def _first(folder: Path, names: tuple[str, ...]) -> Path | None:
    """Return the first of some files that is there."""
    return next((folder / name for name in names if (folder / name).is_file()), None)


def read_text(path: Path) -> str:
    """Read a text that is not too long.

    Args:
        path: the file.

    Returns:
        The text.

    Raises:
        OSError: if it cannot be read.
        ValueError: if it is too long, or no UTF-8.
    """
    with open_regular(path) as file:
        data = file.read(_MAX_TEXT + 1)
    if len(data) > _MAX_TEXT:
        raise ValueError(f"{path.name} is too long")
    return data.decode("utf-8")
