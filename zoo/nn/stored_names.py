"""State dicts under the names of files, where a module's own attributes have others.

Converted files and the bundled models hold tensors under canonical keys, such as ``mapping.mean``. The keys are a file
format and do not change. Where the field has a better word for an attribute (`w_avg`), the module declares both names
with `store_as`: `state_dict()` and `load_state_dict()` then use the stored one, everything else the attribute.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import Any

from torch import nn


def store_as(module: nn.Module, names: Mapping[str, str]) -> None:
    """Let a module's state dict hold some attributes under other names.

    The order of keys stays. The module's children can declare names of their own.

    Args:
        module: the module that has the attributes; `super().__init__()` has run.
        names: the stored name of each attribute, a parameter, a buffer or a child module.

    Example:
        >>> from torch import nn
        >>> class Layer(nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.to_rgb = nn.Linear(4, 3, bias=False)
        ...         store_as(self, {"to_rgb": "colour"})
        >>> list(Layer().state_dict())
        ['colour.weight']
    """
    attributes = {stored: attribute for attribute, stored in names.items()}

    def to_stored(_: nn.Module, state: MutableMapping[str, Any], prefix: str, *_metadata: Any) -> None:
        _rename(state, prefix, names)

    def to_attributes(_: nn.Module, state: MutableMapping[str, Any], prefix: str, *_metadata: Any) -> None:
        _rename(state, prefix, attributes)

    module.register_state_dict_post_hook(to_stored)
    module.register_load_state_dict_pre_hook(to_attributes)


def _rename(state: MutableMapping[str, Any], prefix: str, names: Mapping[str, str]) -> None:
    """Rename keys in place: of those with the prefix, the first name after it."""
    values = dict(state)
    state.clear()
    for key, value in values.items():
        first, point, rest = key.removeprefix(prefix).partition(".")
        renamed = key.startswith(prefix) and first in names
        state[f"{prefix}{names[first]}{point}{rest}" if renamed else key] = value
