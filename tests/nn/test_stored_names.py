"""State dicts under stored names, and that the keys of converted and bundled files stay what they are."""

from __future__ import annotations

import copy
import re
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

import zoo
from tests.support.golden import Golden
from tests.support.marks import mostly_long
from zoo.models.export import convert, inspect_file
from zoo.nn.stored_names import store_as
from zoo.plugins.discovery import load_plugins
from zoo.registry.registry import load_installation

BUNDLED = sorted((Path(zoo.__file__).parent / "bundled").glob("*.safetensors"))

# The keys of converted files, by architecture, numbers written as #. They are a file format: what stands here once is
# never renamed.
_MAPPING = {"mapping.layers.#.bias", "mapping.layers.#.weight", "mapping.mean"}
_AFFINE = {"affine.bias", "affine.weight"}
_BLOCK = {
    *(f"blocks.#.conv{number}.{part}" for number in (1, 2) for part in ("bias", "weight")),
    *(
        f"blocks.#.norm{number}.{part}"
        for number in (1, 2)
        for part in ("bias", "gain", "mean", "scale", "shift", "variance")
    ),
    *(f"blocks.#.attention.{part}" for part in ("key", "output", "query", "strength", "value")),
    *(f"norm.{part}" for part in ("mean", "scale", "shift", "variance")),
    *(f"{layer}.{part}" for layer in ("colour", "start") for part in ("bias", "weight")),
    "embed",
}
STORED = {
    "biggan_ajbrock": {*_BLOCK, "blocks.#.shortcut.bias", "blocks.#.shortcut.weight"},
    "biggan_deep": {
        *_BLOCK,
        *(
            f"blocks.#.{layer}.norm.{part}"
            for layer in ("narrow", "widen")
            for part in ("bias", "gain", "mean", "scale", "shift", "variance")
        ),
        *(f"blocks.#.{layer}.conv.{part}" for layer in ("narrow", "widen") for part in ("bias", "weight")),
    },
    "pggan": {
        *(f"{layer}.#.{part}" for layer in ("colours", "convs", "doubles") for part in ("bias", "weight")),
        "start.bias",
        "start.weight",
    },
    "r3gan": {
        *(f"stages.#.blocks.#.{layer}.weight" for layer in ("widen", "mix", "narrow")),
        *(f"stages.#.blocks.#.{layer}.bias" for layer in ("widen", "mix")),
        "stages.#.change.weight",
        "stages.#.kernel",
        "basis",
        "start.weight",
        "colour.weight",
    },
    "stylegan1": {
        *_MAPPING,
        *(f"layers.#.{part}" for part in (*_AFFINE, "bias", "noise", "strength")),
        *(f"colours.#.{part}" for part in ("bias", "weight")),
        "convs.#.weight",
        "constant",
    },
    "stylegan2_ada": {
        *_MAPPING,
        *(f"layers.#.{part}" for part in (*_AFFINE, "bias", "noise", "strength", "weight")),
        *(f"colours.#.{part}" for part in (*_AFFINE, "bias", "weight")),
        "constant",
    },
    "stylegan3_t": {
        *_MAPPING,
        *(f"layers.#.{part}" for part in (*_AFFINE, "bias", "lower", "magnitude", "upper", "weight")),
        *(f"colour.{part}" for part in (*_AFFINE, "bias", "weight")),
        *(f"input.{part}" for part in (*_AFFINE, "frequencies", "phases", "transform", "weight")),
    },
}


class Layer(nn.Module):
    """A parameter, a buffer and a child that are stored under other names."""

    def __init__(self, *, child: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(2))
        self.w_avg = nn.Buffer(torch.zeros(3))
        self.to_rgb = Layer(child=False) if child else None
        store_as(self, {"w_avg": "mean", "to_rgb": "colour"})


def filled() -> Layer:
    module = nn.ModuleList([nn.Linear(1, 1), Layer()])[1]
    assert isinstance(module, Layer)
    for index, tensor in enumerate(module.state_dict().values()):
        tensor.fill_(index + 1)
    return module


def test_a_state_dict_has_the_stored_names_in_the_modules_order() -> None:
    network = nn.Sequential(nn.Linear(1, 1), Layer())
    keys = ["0.weight", "0.bias", "1.weight", "1.mean", "1.colour.weight", "1.colour.mean"]
    assert list(network.state_dict()) == keys
    assert [name for name, _ in network.named_parameters()] == ["0.weight", "0.bias", "1.weight", "1.to_rgb.weight"]


def test_a_state_is_loaded_by_its_stored_names() -> None:
    network = nn.Sequential(nn.Linear(1, 1), Layer())
    state: dict[str, Tensor] = {key: torch.rand_like(tensor) for key, tensor in network.state_dict().items()}
    network.load_state_dict(state)
    assert torch.equal(network.get_buffer("1.to_rgb.w_avg"), state["1.colour.mean"])
    assert all(torch.equal(tensor, state[key]) for key, tensor in network.state_dict().items())
    with pytest.raises(RuntimeError, match="to_rgb"):
        network.load_state_dict({key: tensor for key, tensor in state.items() if "colour" not in key})


def test_a_copy_is_independent() -> None:
    module = filled()
    again = copy.deepcopy(module)
    again.load_state_dict({key: torch.zeros_like(tensor) for key, tensor in again.state_dict().items()})
    assert float(module.w_avg.sum()) > 0 == float(again.w_avg.sum())


@pytest.mark.parametrize("name", mostly_long(STORED, list(STORED)[::3]))
def test_a_converted_file_has_the_keys_of_the_format(name: str, tmp_path: Path) -> None:
    save_file(Golden.read(name).state, tmp_path / "theirs.safetensors")
    out = convert(inspect_file(str(tmp_path / "theirs.safetensors"), load_installation()), tmp_path / "out.safetensors")
    with safe_open(out, framework="pt") as file:
        keys = list(file.keys())
    assert {re.sub(r"(?<=\.)\d+", "#", key) for key in keys} == STORED[name]


@pytest.mark.parametrize("file", BUNDLED, ids=lambda file: file.stem)
def test_bundled_models_load_and_have_the_keys_of_their_files(file: Path) -> None:
    model = zoo.load(file, device="cpu")
    family = load_plugins().adapters[model.card.adapter].resolve()
    with safe_open(file, framework="pt") as stored:
        assert set(model.adapter.network.state_dict()) == set(stored.keys())
        for key, tensor in model.adapter.network.state_dict().items():
            if not (model.card.adapter.startswith("stylegan") and key.endswith(".strength")):  # bundled without noise
                assert torch.equal(tensor, stored.get_tensor(key).float()), key
    assert isinstance(model.adapter, family)
