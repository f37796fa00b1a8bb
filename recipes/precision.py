"""The precision that trainings compute in."""

from __future__ import annotations

import torch

# What torch calls processors without instructions of 512 bits, which emulate bfloat16 at a hundredth of the speed.
_EMULATED = ("DEFAULT", "AVX2")


def autocast(device: str) -> torch.autocast:
    """Compute in bfloat16 where autocast allows, and in float32 on processors that would only emulate bfloat16."""
    emulated = device == "cpu" and torch.backends.cpu.get_cpu_capability() in _EMULATED
    return torch.autocast(device, torch.bfloat16, enabled=not emulated)
