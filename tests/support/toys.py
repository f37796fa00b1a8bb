"""Weights files of small networks, in the layouts of public ones."""

from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor
from zoo_adapters.dcgan.adapter import DCGAN

from zoo.registry.plain_yaml import dump_plain_yaml


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


def write_avatars_card(folder: Path) -> str:
    """Write a small network that counts as one of avatars, so that the scorers in the box fit it; return the cards."""
    card = {
        "name": "dcgan.avatars",
        "adapter": "dcgan",
        "summary": "a small network",
        "resolution": 16,
        "space": "z",
        "dim": 12,
        "weights": {"sources": [{"url": "avatars.safetensors"}]},
        "licence": {"weights": "CC0", "data": "none"},
        "regions": {"spot": "box:4,4,6,6"},
        "words": ["avatars"],
    }
    write_tiny(folder / "avatars.safetensors")
    path = folder / "avatars.yaml"
    path.write_text(dump_plain_yaml({"models": [card]}))
    return str(path)
