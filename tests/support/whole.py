"""Networks as their authors pickle them whole: modules made of a state dict, with attributes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn


def as_module(state: Mapping[str, Tensor], attributes: Mapping[str, Any]) -> nn.Module:
    """Build modules that hold a state dict's tensors, and nothing else but the given attributes.

    Args:
        state: tensors by dotted key.
        attributes: values by dotted key; a module takes its place in the tree.

    Returns:
        The root module.
    """
    root = nn.Module()
    for key, tensor in state.items():
        module, name = _owner(root, key)
        if tensor.is_floating_point():
            module.register_parameter(name, nn.Parameter(tensor.clone()))
        else:
            module.register_buffer(name, tensor.clone())
    for key, value in attributes.items():
        module, name = _owner(root, key)
        if isinstance(value, nn.Module):
            module.add_module(name, value)
        else:
            setattr(module, name, value)
    return root


def _owner(root: nn.Module, key: str) -> tuple[nn.Module, str]:
    *names, last = key.split(".")
    for name in names:
        if name not in root._modules:
            root.add_module(name, nn.Module())
        root = root.get_submodule(name)
    return root, last
