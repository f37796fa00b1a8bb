"""Run folders: the files that zoo writes into them, and which folder is written unless another was chosen."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from zoo._utils.files import atomic_folder, is_dir, refuse_existing
from zoo.registry.cards import is_file_name

_PAGED = ("sheet", "comparison")

# Every name that zoo writes into a run folder: `force` replaces a folder only if it holds nothing else.
RUN_FILES = frozenset(
    {
        "directions.safetensors",
        "directions.npy",
        "codes.safetensors",
        *(f"{stem}.png" for stem in _PAGED),
        *(f"{stem}-{page}.png" for stem in _PAGED for page in range(2, 100)),
        "report.html",
        "edit.gif",
        "edit.mp4",
        "samples.png",
        "comparison.json",
        "scores.json",
        "scores.md",
    }
)


@contextmanager
def new_run_folder(folder: str | Path, *, force: bool = False) -> Iterator[Path]:
    """Yield an empty folder to fill; it becomes `folder` once it is complete, and is removed on failure.

    Args:
        folder: The run folder to write.
        force: Replace an existing run folder.

    Yields:
        The folder to fill.

    Raises:
        OutputError: If `folder` exists and may not be replaced, or cannot be written.
    """
    with atomic_folder(Path(folder), force=force, replaceable=RUN_FILES) as partial:
        yield partial


def refuse_existing_run(folder: Path, *, force: bool) -> None:
    """Refuse a run folder that exists and may not be replaced, before any work is done.

    Args:
        folder: The run folder that is to be written.
        force: Allow an existing folder that holds nothing but `RUN_FILES`.

    Raises:
        OutputError: If the folder exists and may not be replaced.
    """
    refuse_existing(folder, force=force, replaceable=RUN_FILES)


def folder_under_runs(*parts: str) -> Path:
    """Name a run folder after what was asked for.

    Args:
        *parts: The parts of the name.

    Returns:
        The parts with hyphens between, under ``runs/``.
    """
    return Path("runs") / "-".join(parts)


def name_chosen_layers(layers: str | Sequence[int] | None) -> list[str]:
    """Make the part of a folder's name that tells which layers were chosen.

    Args:
        layers: Text such as ``4-7``, or indices; None where none were chosen.

    Returns:
        Nothing, or one part such as ``layers-4-7``, with unusual characters replaced by underscores.
    """
    if layers is None:
        return []
    text = layers if isinstance(layers, str) else ",".join(map(str, layers))
    return [f"layers-{re.sub(r'[^A-Za-z0-9-]+', '_', text)[:60]}"]


def short_model_name(model: str) -> str:
    """Shorten a model's name for the name of a folder.

    Args:
        model: The name of a card, or the path of a weights file.

    Returns:
        The card's name, or the file's without its folders and ending.
    """
    return Path(model.replace("\\", "/")).stem if is_file_name(model) else model


def short_file_name(path: Path) -> str:
    """Shorten the name of directions for the name of a folder.

    Args:
        path: A directions file, or a run folder.

    Returns:
        The name of the file without its ending, or of the folder; at most 120 characters.
    """
    return (path.name if is_dir(path) else path.stem)[:120]
