"""Weights files of small networks, laid out as the public ones are."""

from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor
from zoo_adapters.dcgan.adapter import DCGAN


def sequential(state: dict[str, Tensor], prefix: str = "main.", gap: int = 0) -> dict[str, Tensor]:
    """Number as nn.Sequential does: convolution, norm, ReLU; `gap` modules more after the first block."""
    made = {}
    for key, tensor in state.items():
        kind, index, name = key.split(".")
        place = 3 * int(index) + (0 if kind == "convs" else 1) + (gap if int(index) else 0)
        made[f"{prefix}{place}.{name}"] = tensor
    return made


def write_tiny(path: Path, seed: int = 0) -> Path:
    """Write `DCGAN.tiny` as a file of the sequential layout."""
    save_file(sequential(DCGAN.tiny(seed).network.state_dict()), path)
    return path
