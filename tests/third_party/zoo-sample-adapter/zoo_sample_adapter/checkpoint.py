"""The file format of mosaics: the network's own keys with the prefix ``mosaic.``."""

from collections.abc import Mapping
from typing import Any

from zoo import Layout, State

PREFIX = "mosaic."


def _detect(state: State, meta: Mapping[str, Any]) -> bool:
    """Tell whether a file has the constant that every mosaic starts from."""
    return f"{PREFIX}constant" in state


def _convert(state: State, meta: Mapping[str, Any]) -> tuple[State, dict[str, Any]]:
    return {key.removeprefix(PREFIX): tensor for key, tensor in state.items()}, {}


LAYOUTS = (Layout("mosaic", _detect, _convert),)
