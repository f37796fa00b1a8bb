"""What a weights file is: its container, the family and public format that it is of, and its canonical state."""

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

_AVERAGED = ("G_ema", "Gs", "generator_smooth", "generator_ema", "g_ema", "avgG")
_PARALLEL, _HALF = "module.", (torch.float16, torch.bfloat16)
_RAW = ("G", "generator", "g", "netG")


@dataclass(frozen=True, eq=False)
class DetectedCheckpoint:
    """A file that a family knows: `state` and `config` are what its adapter is built from.

    `averaged` says in words whether the weights are the average over training (EMA) that papers show pictures of.
    """

    family: str
    layout: str
    container: str
    averaged: str
    state: State
    config: dict[str, Any]
    note: ConversionMetadata | None = None


def detect_checkpoint(path: Path, families: Mapping[str, type[Adapter]]) -> DetectedCheckpoint:
    """Read a weights file and bring it to the canonical keys of the one family that knows its format.

    Raises `CheckpointError` for a file that cannot be read, that no family knows, or that does not fit its own.
    """
    content = read_checkpoint(path)
    held = {key: tensor for key, tensor in content.state.items() if tensor.numel()}  # what two empty axes make is huge
    note = parse_metadata(content.meta, path) if content.container == "safetensors" else None
    if note is None:
        found, meta = _plain(held, content.meta)
        family, layout = detect_layout(families, found, meta)
        try:
            state, config = layout.convert(found, meta)
            require_plain(config)
        except (LookupError, TypeError, ValueError, RuntimeError, ArithmeticError) as error:
            told = str(error).partition("\n")[0]
            raise CheckpointError(
                f"{path} has the keys of {family}/{layout.name}, but not its shapes: {told}"
            ) from None
        return DetectedCheckpoint(family, layout.name, content.container, _averaged(found, layout), state, config)
    if note.adapter not in families:
        raise CheckpointError(
            f"{path} was converted for the architecture {note.adapter}, and {', '.join(sorted(families))} was asked for"
        )
    return DetectedCheckpoint(note.adapter, note.layout, "safetensors of zoo", note.averaged, held, note.config, note)


def _plain(state: State, meta: Mapping[str, Any]) -> tuple[State, dict[str, Any]]:
    """Drop the ``module.`` that parallel training puts before all keys, or all of one network, and widen halves."""
    whole = all(key.startswith(_PARALLEL) for key in state)
    places = [key.partition(".") for key in state]
    wrapped = {head for head, _, _ in places} - {head for head, _, rest in places if not rest.startswith(_PARALLEL)}

    def plain(key: str) -> str:
        head, point, rest = key.partition(".")
        if whole:
            return key.removeprefix(_PARALLEL)
        return f"{head}{point}{rest.removeprefix(_PARALLEL)}" if head in wrapped else key

    full = {plain(key): tensor.float() if tensor.dtype in _HALF else tensor for key, tensor in state.items()}
    return full, {plain(key): value for key, value in meta.items()}


def _averaged(state: State, layout: Layout) -> str:
    """Tell by the format, or by the prefixes of the keys, which of a checkpoint's generators is taken."""
    if layout.averaged:
        return "yes: all files of this format are"
    heads = {key.partition(".")[0] for key in state}
    averaged, raw = (next((name for name in names if name in heads), None) for names in (_AVERAGED, _RAW))
    if averaged:
        return f"yes: {averaged}" + (f", not {raw}" if raw else "")
    return f"no: the file holds {raw} only" if raw else "not said: the file holds one network without a name"


def detect_layout(adapters: Mapping[str, type[Adapter]], state: State, meta: Mapping[str, Any]) -> tuple[str, Layout]:
    """Find the one family and layout that a file is of: (adapter name, layout).

    Raises `CheckpointError` when none fits, saying which keys the file has, or when two do, naming both.
    """
    found = [
        (name, layout) for name, adapter in adapters.items() for layout in adapter.layouts if _fits(layout, state, meta)
    ]
    if len(found) == 1:
        return found[0]
    if found:
        names = " and ".join(f"{name}/{layout.name}" for name, layout in found)
        raise CheckpointError(f"the file fits several layouts: {names}; one of them detects too much")
    keys = ", ".join(sorted(state)[:4])
    hint = _nearest(adapters, state) or f"known are files of {', '.join(sorted(adapters))}"
    raise CheckpointError(f"the file fits no known layout; its keys begin {keys}; {hint}")


_LONGEST_MARK = 8


_COUNTS = range(1, _LONGEST_MARK + 1)


def _nearest(adapters: Mapping[str, type[Adapter]], state: State) -> str:
    """Name the layout of which the most marks are there, though not all, and what the file lacks; or nothing."""
    ends = {
        ".".join(parts[-count:]) for parts in (key.rsplit(".", _LONGEST_MARK) for key in state) for count in _COUNTS
    }
    found = []
    for name, adapter in adapters.items():
        for layout in adapter.layouts:
            missing = [mark for mark in layout.required_keys if mark not in ends]
            if layout.required_keys and len(missing) < len(layout.required_keys):
                found.append((len(missing) / len(layout.required_keys), f"{name}/{layout.name}", missing))
    if not found:
        return ""
    _, name, missing = min(found)
    return f"nearest is {name}, " + (f"which also has {', '.join(missing)}" if missing else "but its shapes are others")


def _fits(layout: Layout, state: State, meta: Mapping[str, Any]) -> bool:
    """Ask a layout; one that stumbles over a strange file does not fit it."""
    try:
        return layout.detect(state, meta)
    except (LookupError, TypeError, ValueError, AttributeError):
        return False
