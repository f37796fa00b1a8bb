"""Settings in converted files: of other types, out of bounds, and such that a small file makes a large network."""

from __future__ import annotations

import functools
import json
import random
import struct
import tempfile
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor
from zoo_adapters.stylegan3.adapter import StyleGAN3

from tests.attack.attack import REFUSED, Attack, Fuzzed
from tests.attack.mutations import mutated_value, strange_value
from tests.support.wrappings import PACKS, network, read
from zoo.models.model_cards import card_of_file
from zoo.models.opening import open_card
from zoo.plugins.discovery import load_plugins
from zoo.registry.registry import Installation, load_installation

_KIND = "settings of a small file that make a large network"


def converted(family: str, state: dict[str, Tensor], config: Any) -> bytes:
    """A converted file of a state and any settings."""
    metadata = {
        **{"format": 1, "adapter": family, "layout": "nvidia", "origin": "a.pkl", "sha256": "0" * 64},
        **{"averaged": "yes", "licence": {"weights": "CC0-1.0", "data": None}, "summary": "s", "config": config},
    }
    return save({key: value.contiguous() for key, value in state.items()}, {"zoo": json.dumps(metadata)})


def with_config(content: bytes, config: Any) -> bytes:
    """The same file with other settings."""
    [length] = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    metadata = {**json.loads(header["__metadata__"]["zoo"]), "config": config}
    header["__metadata__"]["zoo"] = json.dumps(metadata)
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + content[8 + length :]


def config_of(content: bytes) -> Any:
    """The settings of a converted file."""
    return _metadata_of(content)["config"]


def family_of(content: bytes) -> str:
    """The architecture of a converted file."""
    return str(_metadata_of(content)["adapter"])


def _metadata_of(content: bytes) -> Any:
    [length] = struct.unpack("<Q", content[:8])
    return json.loads(json.loads(content[8 : 8 + length])["__metadata__"]["zoo"])


def _dcgan(levels: int) -> Callable[[Path], object]:
    """A DCGAN of one channel, of 4 · 2^levels pixels a side."""
    widths = [1] * (levels + 1) + [3]
    state = {
        f"main.{3 * index}.weight": torch.ones(one, two, 4, 4) for index, (one, two) in enumerate(pairwise(widths))
    }
    for index in range(levels):
        for name, value in (("weight", 1.0), ("bias", 0.0), ("running_mean", 0.0), ("running_var", 1.0)):
            state[f"main.{3 * index + 1}.{name}"] = torch.full((1,), value)
    return lambda folder: torch.save(state, folder / "weights.pt")


def _stylegan3(sizes: Sequence[tuple[int, int, int, int, int, int]]) -> Callable[[Path], object]:
    """A StyleGAN3 of one channel whose filters have any sizes: inside, outside, up, down, upper and lower."""
    state = {key: tensor[:1] if key == "colour.weight" else tensor for key, tensor in _tiny_stylegan3().items()}
    names = ("inside", "outside", "up", "down", "upper", "lower")
    plans = [dict(zip(names, size, strict=True)) for size in sizes]
    for index, plan in enumerate(plans):
        state[f"layers.{index}.upper"] = torch.ones(plan["upper"])
        state[f"layers.{index}.lower"] = torch.ones(plan["lower"])
    config = {"plans": plans, "rate": 4.0, "bandwidth": 1.0, "clamp": 256.0, "scale": 0.25}
    state["colour.weight"], state["colour.bias"] = torch.ones(3, 3), torch.zeros(3)
    return lambda folder: (folder / "weights.safetensors").write_bytes(converted("stylegan3", state, config))


@functools.cache
def _tiny_stylegan3() -> dict[str, Tensor]:
    return dict(StyleGAN3.tiny(0).network.state_dict())


_MIDDLE = [(64, 8000, 250, 2, 1500, 6), (8002, 60, 2, 250, 6, 1254)]
_LARGE = {
    "a DCGAN of 16,384 pixels a side in 22 kB": ("weights.pt", _dcgan(12)),
    "a DCGAN of 8,192 pixels a side in 20 kB": ("weights.pt", _dcgan(11)),
    "a StyleGAN3 whose filters raise the rate 4,096 times": (
        "weights.safetensors",
        _stylegan3([(14, 8, 4096, 4096, 24576, 24576), (10, 8, 2, 2, 6, 6)]),
    ),
    "a StyleGAN3 of 60 pixels behind a map of 8,000": ("weights.safetensors", _stylegan3(_MIDDLE)),
    "a StyleGAN3 of maps of 2^32 points": ("weights.safetensors", _stylegan3([(2**32, 2**32, 1, 1, 6, 6)] * 2)),
}


def _sampled(name: str) -> tuple[str, ...]:
    return ("sample", f"./{name}", "--samples", "1", "--out", "out")


ATTACKS = [
    Attack("settings", name, make, _sampled(file), kind=_KIND, may=(REFUSED,)) for name, (file, make) in _LARGE.items()
]


@functools.cache
def honest() -> Sequence[bytes]:
    """A converted file of a small network of each architecture, and of each way of naming its tensors."""
    files = []
    with tempfile.TemporaryDirectory() as folder:
        for name in sorted({name for names in PACKS.values() for name in names}):
            detected = read(network(name), Path(folder))
            files.append(converted(detected.family, detected.state, detected.config))
    return files


def _mutated(files: Sequence[bytes], chance: random.Random) -> bytes:
    """Change one to three settings, or give options of any architecture strange values."""
    content = chance.choice(files)
    config = config_of(content)
    for _ in range(chance.choice([0, 0, 1, 2])):
        name = chance.choice(_options())
        config[name] = strange_value(config.get(name, chance.choice([1, 0.5, "none"])), chance)
    return with_config(content, mutated_value(config, chance))


@functools.cache
def _options() -> list[str]:
    """The names of all options and settings of all architectures."""
    entries = load_plugins().adapters.values()
    names = {name for one in entries for name in (*one.schema().model_fields, *one.resolve().settings.model_fields)}
    return [*sorted(names), "assumed"]


def _rendered(path: Path) -> None:
    """Open a file as every command does, and draw one image."""
    model = open_card(card_of_file(path), _installation(), device="cpu", announce=lambda card: None)
    model.render(model.sample(1))


@functools.cache
def _installation() -> Installation:
    return load_installation()


FUZZED = [
    Fuzzed("settings", "changed settings of files of all architectures", honest, _rendered, ".safetensors", _mutated,
           share=0.6, seconds=60.0),
]  # fmt: skip
