"""Recognising a weights file: its container, its architecture and public format, and its canonical state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from zoo._utils.untrusted.pipelines import is_pipeline
from zoo.checkpoints.config_json import read_config_beside
from zoo.checkpoints.hints import describe_nearest
from zoo.checkpoints.keys import name_listed_averages
from zoo.checkpoints.loading import COUNTER
from zoo.checkpoints.metadata import ConversionMetadata, parse_metadata, require_plain
from zoo.checkpoints.networks import (
    FoundNetwork,
    choose_network,
    describe_average,
    find_networks,
)
from zoo.checkpoints.pipelines import read_pipeline
from zoo.checkpoints.reader import Checkpoint, read_checkpoint
from zoo.checkpoints.wrappers import is_wrapped_beside_others, without_wrappers
from zoo.core.adapter import Adapter, State
from zoo.errors import CheckpointError

# What the keys of an optimizer's settings have.
_OPTIMIZER = ".param_groups."

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

    def assumed(self, chosen: Mapping[str, Any]) -> dict[str, Any]:
        """List the settings on which images depend and that the file does not tell.

        Args:
            chosen: the options that were chosen, which are not assumed.

        Returns:
            The assumed values, by name.
        """
        assumed = self.config.get("assumed")
        known = {**self.config, **chosen}
        return (
            {name: value for name, value in assumed.items() if name not in known} if isinstance(assumed, dict) else {}
        )

    def in_doubt(self, chosen: Mapping[str, Any]) -> dict[str, Any]:
        """List those of the assumed settings in which usual networks differ, so that the user should know of them.

        Args:
            chosen: the options that were chosen.

        Returns:
            The assumed values, by name.
        """
        names = self.config.get("in_doubt")
        listed = names if isinstance(names, list) else ()
        return {name: value for name, value in self.assumed(chosen).items() if name in listed}


def detect_checkpoint(
    path: Path, families: Mapping[str, type[Adapter]], network: str | None = None
) -> DetectedCheckpoint:
    """Read a weights file, and convert it to the canonical keys of the one architecture that knows its format.

    Args:
        path: the file.
        families: the adapters to choose from, by name.
        network: the name in the file of the network to read; None takes the only one, or the only average.

    Returns:
        The file's architecture, format and canonical state.

    Raises:
        CheckpointError: for a file that cannot be read, that fits none or several of the formats, that holds several
            networks of which none is chosen, or whose tensors do not have the shapes of its format.
    """
    content = read_pipeline(path) if is_pipeline(path) else read_checkpoint(path)
    # Tensors of no elements are dropped here: a tiny file can declare two empty axes whose product is huge.
    state = {key: tensor for key, tensor in content.state.items() if tensor.numel()}
    metadata = parse_metadata(content.meta, path) if content.container.startswith("safetensors") else None
    if metadata is None:
        return _convert(path, content, state, families, network)
    if metadata.adapter not in families:
        raise CheckpointError(
            f"{path} was converted for the architecture {metadata.adapter}, not for {', '.join(sorted(families))}"
        )
    return DetectedCheckpoint(
        metadata.adapter, metadata.layout, "safetensors of zoo", metadata.averaged, state, metadata.config, metadata
    )


def _convert(
    path: Path, content: Checkpoint, state: State, families: Mapping[str, type[Adapter]], wanted: str | None
) -> DetectedCheckpoint:
    """Find the network in a file that others wrote, and convert it."""
    meta = {**read_config_beside(path), **content.meta}
    try:
        network, others = _detect(families, state, meta, wanted)
    except CheckpointError as error:
        unread_too = next((f"; {reason}" for reason in content.unread.values()), "")
        raise CheckpointError(f"{error}{unread_too}") from None
    unread = without_wrappers(content.unread, keep_first=is_wrapped_beside_others([*state, *meta]))
    if inside := next((key for key in unread if key.startswith(network.prefix) and network.prefix), None):
        raise CheckpointError(f"{path} was refused: {unread[inside]}, and it belongs to the network {network.name}")
    try:
        canonical, config = network.convert()
        require_plain(config)
    except _SHAPE_ERRORS as error:
        reason = str(error).partition("\n")[0]
        raise CheckpointError(
            f"{path} has the keys of {network.family}/{network.layout.name}, but its tensors have other shapes: "
            f"{reason}"
        ) from None
    averaged = describe_average(network, others)
    return DetectedCheckpoint(network.family, network.layout.name, content.container, averaged, canonical, config)


def detect_network(
    adapters: Mapping[str, type[Adapter]], state: State, meta: Mapping[str, Any], wanted: str | None = None
) -> FoundNetwork:
    """Find the network of a file, its architecture and its layout.

    Args:
        adapters: the adapters to choose from, by name.
        state: the file's tensors, by key.
        meta: its metadata, flat, by dotted key.
        wanted: the name in the file of the network to read; None takes the only one, or the only average.

    Returns:
        The network.

    Raises:
        CheckpointError: if no layout fits, with the file's first keys and the nearest layout; if several layouts fit;
            or if the file holds several networks of which none is chosen.
    """
    return _detect(adapters, state, meta, wanted)[0]


def _detect(
    adapters: Mapping[str, type[Adapter]], state: State, meta: Mapping[str, Any], wanted: str | None
) -> tuple[FoundNetwork, list[str]]:
    """Find a network, and the names of the others in the file."""
    keep_first = is_wrapped_beside_others([*state, *meta])
    unwrapped = without_wrappers(state, keep_first=keep_first)
    if unwrapped.keys() != state.keys():  # else two tensors would become the same
        meta = without_wrappers(meta, keep_first=keep_first, inner_counts=True)
    state = name_listed_averages(_weights(unwrapped, meta))
    found = find_networks(adapters, state, meta)
    if not found:
        raise _unknown_layout(adapters, state)
    return choose_network(found, wanted)


def _weights(state: State, meta: Mapping[str, Any]) -> State:
    """Leave out counters and what optimizers and random generators hold; give all numbers one precision."""
    optimizers = tuple({key.partition(_OPTIMIZER)[0] + ".state." for key in meta if _OPTIMIZER in key})
    kept = {
        key: tensor
        for key, tensor in state.items()
        if not key.endswith(COUNTER)
        and not key.startswith(optimizers)
        and not (tensor.dtype == torch.uint8 and tensor.ndim == 1)
    }
    # Half precision is widened. Beside numbers of another precision, double precision is rounded.
    precisions = {tensor.dtype for tensor in kept.values() if tensor.is_floating_point()}
    rounded = set() if precisions == {torch.float64} else precisions
    return {key: tensor.float() if tensor.dtype in rounded else tensor for key, tensor in kept.items()}


def _unknown_layout(adapters: Mapping[str, type[Adapter]], state: State) -> CheckpointError:
    keys = ", ".join(sorted(state)[:4])
    return CheckpointError(f"the file fits no known layout; its keys begin {keys}; {describe_nearest(adapters, state)}")
