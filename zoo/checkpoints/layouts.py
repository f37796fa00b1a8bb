"""Recognising a weights file: its container, its architecture and public format, and its canonical state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from zoo.checkpoints.metadata import ConversionMetadata, parse_metadata, require_plain
from zoo.checkpoints.reader import read_checkpoint
from zoo.core.adapter import Adapter, Layout, State
from zoo.errors import CheckpointError

# The names under which training checkpoints hold the averaged generator, and the one that is trained.
_AVERAGED_NAMES = ("G_ema", "Gs", "generator_smooth", "generator_ema", "g_ema", "avgG")
_TRAINED_NAMES = ("G", "generator", "g", "netG")

_DATA_PARALLEL = "module."
_HALF = (torch.float16, torch.bfloat16)

# A layout's required keys have at most so many parts, joined by points.
_MOST_KEY_PARTS = 8

# What a layout's functions raise when a file has its keys, but not its shapes.
_SHAPE_ERRORS = (LookupError, TypeError, ValueError, RuntimeError, ArithmeticError)


@dataclass(frozen=True, eq=False)
class DetectedCheckpoint:
    """A weights file of a known architecture.

    Attributes:
        family: the architecture's name.
        layout: the name of the public format.
        container: what kind of file it is, such as "torch zip".
        averaged: in words, whether the weights are the average over training (EMA), of which papers show images.
        state: the canonical state, from which the adapter is built.
        config: the settings that the adapter needs beside it.
        metadata: what a file written by `zoo convert` says of itself; None for any other file.
    """

    family: str
    layout: str
    container: str
    averaged: str
    state: State
    config: dict[str, Any]
    metadata: ConversionMetadata | None = None


def detect_checkpoint(path: Path, families: Mapping[str, type[Adapter]]) -> DetectedCheckpoint:
    """Read a weights file, and convert it to the canonical keys of the one architecture that knows its format.

    Args:
        path: the file.
        families: the adapters to choose from, by name.

    Returns:
        The file's architecture, format and canonical state.

    Raises:
        CheckpointError: for a file that cannot be read, that fits none or several of the formats, or whose tensors do
            not have the shapes of its format.
    """
    content = read_checkpoint(path)
    # Tensors of no elements are dropped here: a tiny file can declare two empty axes whose product is huge.
    state = {key: tensor for key, tensor in content.state.items() if tensor.numel()}
    metadata = parse_metadata(content.meta, path) if content.container == "safetensors" else None
    if metadata is None:
        return _convert(path, content.container, state, content.meta, families)
    if metadata.adapter not in families:
        raise CheckpointError(
            f"{path} was converted for the architecture {metadata.adapter}, not for {', '.join(sorted(families))}"
        )
    return DetectedCheckpoint(
        metadata.adapter, metadata.layout, "safetensors of zoo", metadata.averaged, state, metadata.config, metadata
    )


def _convert(
    path: Path, container: str, state: State, meta: Mapping[str, Any], families: Mapping[str, type[Adapter]]
) -> DetectedCheckpoint:
    """Detect the layout of a file that others wrote, and convert it."""
    state, meta = _normalize(state, meta)
    family, layout = detect_layout(families, state, meta)
    try:
        canonical, config = layout.convert(state, meta)
        require_plain(config)
    except _SHAPE_ERRORS as error:
        reason = str(error).partition("\n")[0]
        raise CheckpointError(
            f"{path} has the keys of {family}/{layout.name}, but its tensors have other shapes: {reason}"
        ) from None
    return DetectedCheckpoint(family, layout.name, container, _averaged(state, layout), canonical, config)


def _normalize(state: State, meta: Mapping[str, Any]) -> tuple[State, dict[str, Any]]:
    """Remove the ``module.`` that DataParallel puts before all keys, or before all keys of a network; widen halves."""
    all_parallel = all(key.startswith(_DATA_PARALLEL) for key in state)
    parts = [key.partition(".") for key in state]
    not_parallel = {network for network, _, rest in parts if not rest.startswith(_DATA_PARALLEL)}
    parallel = {network for network, _, _ in parts} - not_parallel

    def normalized(key: str) -> str:
        if all_parallel:
            return key.removeprefix(_DATA_PARALLEL)
        network, point, rest = key.partition(".")
        return f"{network}{point}{rest.removeprefix(_DATA_PARALLEL)}" if network in parallel else key

    tensors = {normalized(key): tensor.float() if tensor.dtype in _HALF else tensor for key, tensor in state.items()}
    return tensors, {normalized(key): value for key, value in meta.items()}


def _averaged(state: State, layout: Layout) -> str:
    """Say which of a checkpoint's generators is taken: the layout tells, or the prefixes of the keys."""
    if layout.averaged:
        return "yes: all files of this format are"
    networks = {key.partition(".")[0] for key in state}
    averaged = next((name for name in _AVERAGED_NAMES if name in networks), None)
    trained = next((name for name in _TRAINED_NAMES if name in networks), None)
    if averaged:
        return f"yes: {averaged}" + (f", not {trained}" if trained else "")
    return f"no: the file holds {trained} only" if trained else "not said: the file holds one network without a name"


def detect_layout(adapters: Mapping[str, type[Adapter]], state: State, meta: Mapping[str, Any]) -> tuple[str, Layout]:
    """Find the one architecture and layout that a file fits.

    Args:
        adapters: the adapters to choose from, by name.
        state: the file's tensors, by key.
        meta: its metadata, flat, by dotted key.

    Returns:
        The adapter's name, and its layout.

    Raises:
        CheckpointError: if no layout fits, with the file's first keys and the nearest layout; or if several fit.
    """
    fitting = [
        (name, layout) for name, adapter in adapters.items() for layout in adapter.layouts if _fits(layout, state, meta)
    ]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        names = " and ".join(f"{name}/{layout.name}" for name, layout in fitting)
        raise CheckpointError(f"the file fits several layouts: {names}; the `detect` of one of them accepts too much")
    keys = ", ".join(sorted(state)[:4])
    hint = _nearest_layout(adapters, state) or f"known are files of {', '.join(sorted(adapters))}"
    raise CheckpointError(f"the file fits no known layout; its keys begin {keys}; {hint}")


def _nearest_layout(adapters: Mapping[str, type[Adapter]], state: State) -> str:
    """Name the layout of which the largest share of required keys is there, and the missing ones; else nothing."""
    # Prefixes of networks differ, so that required keys are compared with the ends of the file's keys.
    endings = set()
    for key in state:
        parts = key.rsplit(".", _MOST_KEY_PARTS)
        endings |= {".".join(parts[-count:]) for count in range(1, _MOST_KEY_PARTS + 1)}
    candidates = []
    for name, adapter in adapters.items():
        for layout in adapter.layouts:
            missing = [key for key in layout.required_keys if key not in endings]
            if len(missing) < len(layout.required_keys):
                candidates.append((len(missing) / len(layout.required_keys), f"{name}/{layout.name}", missing))
    if not candidates:
        return ""
    _, name, missing = min(candidates)
    if missing:
        return f"the nearest is {name}, which also has {', '.join(missing)}"
    return f"the nearest is {name}, whose keys it has, but its tensors have other shapes"


def _fits(layout: Layout, state: State, meta: Mapping[str, Any]) -> bool:
    """Ask a layout; one whose `detect` fails on an unknown file does not fit it."""
    try:
        return layout.detect(state, meta)
    except (LookupError, TypeError, ValueError, AttributeError):
        return False
