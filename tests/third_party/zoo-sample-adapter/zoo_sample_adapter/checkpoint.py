"""The file format of mosaics: the network's own keys with the prefix ``mosaic.``."""

from collections.abc import Mapping
from typing import Any

from zoo import Layout, State

PREFIX = "mosaic."


def _convert(state: State, meta: Mapping[str, Any]) -> tuple[State, dict[str, Any]]:
    return {key.removeprefix(PREFIX): tensor for key, tensor in state.items()}, {}


# Every mosaic starts from a constant.
LAYOUTS = (Layout("mosaic", _convert, required_keys=(f"{PREFIX}constant",)),)
