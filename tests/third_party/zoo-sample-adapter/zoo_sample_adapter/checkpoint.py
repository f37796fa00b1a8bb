"""The one file format of mosaics: the network's own keys behind ``mosaic.``."""

from collections.abc import Mapping
from typing import Any

from zoo import Layout, State

PREFIX = "mosaic."


def _detect(state: State, meta: Mapping[str, Any]) -> bool:
    """The constant at which every mosaic begins."""
    return f"{PREFIX}constant" in state


def _convert(state: State, meta: Mapping[str, Any]) -> tuple[State, dict[str, Any]]:
    return {key.removeprefix(PREFIX): tensor for key, tensor in state.items()}, {}


LAYOUTS = (Layout("mosaic", _detect, _convert),)
