"""Weights files of small networks, in the layouts of public ones."""

from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor
from zoo_adapters.dcgan.adapter import DCGAN


def sequential(state: dict[str, Tensor], prefix: str = "main.", gap: int = 0) -> dict[str, Tensor]:
    """Rename keys to those of an nn.Sequential of convolution, norm, ReLU; with `gap` more modules after the first."""
    renamed = {}
    for key, tensor in state.items():
        kind, block, name = key.split(".")
        index = 3 * int(block) + (0 if kind == "convs" else 1) + (gap if int(block) else 0)
        renamed[f"{prefix}{index}.{name}"] = tensor
    return renamed


def write_tiny(path: Path, seed: int = 0) -> Path:
    """Write `DCGAN.tiny` as a file of the sequential layout."""
    save_file(sequential(DCGAN.tiny(seed).network.state_dict()), path)
    return path
