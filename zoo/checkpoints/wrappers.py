"""What wrappers of modules, such as DistributedDataParallel, put into the keys of a network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

# Parts of keys that DistributedDataParallel, torch.compile, FSDP and DeepSpeed insert.
WRAPPERS = {"module", "_orig_mod", "_fsdp_wrapped_module", "_forward_module"}


def is_wrapped_beside_others(keys: Iterable[str]) -> bool:
    """Say whether a file holds a wrapped network, such as ``module.…``, right beside other things.

    Args:
        keys: all keys of the file.

    Returns:
        Whether the first parts of some keys are wrappers, and those of others are not.
    """
    return len({key.partition(".")[0] in WRAPPERS for key in keys}) > 1


def without_wrappers(
    values: Mapping[str, Any], *, keep_first: bool = False, inner_counts: bool = False
) -> dict[str, Any]:
    """Remove from all keys the parts that wrappers of modules insert, such as ``module.``.

    Args:
        values: values by dotted key.
        keep_first: keep a wrapper at the beginning of a key, which tells the network from what lies beside it.
        inner_counts: where two keys would become the same, such as those of the classes of a wrapper and of the network
            in it, take the value of the longer one.

    Returns:
        The values by their shorter keys, or by the old ones where two would become the same.
    """
    renamed = {
        key: ".".join(
            part for index, part in enumerate(key.split(".")) if part not in WRAPPERS or (keep_first and not index)
        )
        for key in values
    }
    if inner_counts:
        return {renamed[key]: values[key] for key in sorted(values, key=lambda key: key.count("."))}
    if len(set(renamed.values())) < len(renamed):
        return dict(values)
    return {renamed[key]: value for key, value in values.items()}
