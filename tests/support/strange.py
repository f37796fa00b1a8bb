"""Strange but honest weights files: the same network in ways that people's training scripts really store one.

A strange file is made of a state dict in a few draws: what its tensors are, what is left out, how the network is
nested, what else the file holds, and in which container it is written. None of them changes the network.
"""

from __future__ import annotations

import argparse
import collections
import datetime
import pathlib
import pickle
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from tests.support.whole import as_module

State = dict[str, Tensor]
Change = Callable[[State, random.Random], State]
Nest = Callable[[Any, random.Random], Any]

# Keys without which a picture is the same, by their ends.
_OPTIONAL = ("num_batches_tracked", "w_avg", "dlatent_avg", "latent_avg", ".sv0", "resample_filter", "magnitude_avg")


def _views(state: State, rng: random.Random) -> State:
    """All tensors are views of one storage, with room between them."""
    floats = {key: tensor for key, tensor in state.items() if tensor.dtype == torch.float32}
    pool = torch.zeros(sum(tensor.numel() + 3 for tensor in floats.values()))
    views, offset = dict(state), 0
    for key, tensor in floats.items():
        view = pool[offset : offset + tensor.numel()].view(tensor.shape)
        views[key] = view.copy_(tensor)
        offset += tensor.numel() + 3
    return views


def _transposed(state: State, rng: random.Random) -> State:
    """Matrices lie in memory column by column."""
    return {key: t.T.contiguous().T if t.ndim == 2 else t for key, t in state.items()}


def _channels_last(state: State, rng: random.Random) -> State:
    return {key: t.contiguous(memory_format=torch.channels_last) if t.ndim == 4 else t for key, t in state.items()}


def _doubles(state: State, rng: random.Random) -> State:
    return {key: t.double() if t.is_floating_point() else t for key, t in state.items()}


def _some_doubles(state: State, rng: random.Random) -> State:
    return {key: t.double() if t.is_floating_point() and rng.random() < 0.3 else t for key, t in state.items()}


def _parameters(state: State, rng: random.Random) -> State:
    return {key: nn.Parameter(t) if t.is_floating_point() else t for key, t in state.items()}


def _buffers(state: State, rng: random.Random) -> State:
    return {key: nn.Buffer(t) for key, t in state.items()}


def _attributes(state: State, rng: random.Random) -> State:
    """Tensors with attributes of a training script."""
    made = {key: t.clone() for key, t in state.items()}
    for tensor in made.values():
        tensor.is_shared = "no"  # type: ignore[method-assign,assignment]
    return made


def _shuffled(state: State, rng: random.Random) -> State:
    keys = list(state)
    rng.shuffle(keys)
    return {key: state[key] for key in keys}


def _same(state: State, rng: random.Random) -> State:
    return dict(state)


TENSORS: dict[str, Change] = {
    "as they are": _same,
    "views of one storage": _views,
    "matrices column by column": _transposed,
    "channels last": _channels_last,
    "float64": _doubles,
    "some float64": _some_doubles,
    "parameters": _parameters,
    "buffers": _buffers,
    "with attributes": _attributes,
    "in another order": _shuffled,
}


def without_optional(state: State, rng: random.Random) -> State:
    """Leave out what no picture depends on."""
    return {key: t for key, t in state.items() if not key.endswith(_OPTIONAL)}


def spectral(state: State, rng: random.Random) -> State:
    """Put a spectral norm on weights: any multiple of W, with vectors of which uᵀ W v is that multiple."""
    parametrized = rng.random() < 0.5
    names = (
        ("parametrizations.weight.original", "parametrizations.weight.0._u", "parametrizations.weight.0._v")
        if parametrized
        else ("weight_orig", "weight_u", "weight_v")
    )
    made: State = {}
    for key, tensor in state.items():
        if not key.endswith(".weight") or tensor.ndim != 4:
            made[key] = tensor
            continue
        axis = 1 if tensor.shape[-1] == 4 else 0  # of transposed convolutions, which have 4x4 taps here
        matrix = tensor.movedim(axis, 0).flatten(1).double()
        left, right = torch.linalg.svd(matrix)[0][:, 0], torch.linalg.svd(matrix)[2][0]
        right = right / (left @ matrix @ right)
        factor = rng.uniform(0.5, 3)
        owner = key.removesuffix("weight")
        for name, value in zip(names, (tensor * factor, left.float(), right.float()), strict=True):
            made[f"{owner}{name}"] = value
    return made


def _under(name: str) -> Nest:
    return lambda network, rng: {name: network}


def _prefixed(prefix: str) -> Nest:
    def nest(network: Any, rng: random.Random) -> Any:
        if isinstance(network, dict):
            return {f"{prefix}{key}": value for key, value in network.items()}
        return {prefix.removesuffix("."): network}

    return nest


NESTS: dict[str, Nest] = {
    "nothing": lambda network, rng: network,
    **{name: _under(name) for name in ("netG", "g_ema", "state_dict", "params_ema", "model", "generator_smooth")},
    **{prefix: _prefixed(prefix) for prefix in ("module.", "_orig_mod.", "net.", "decoder.", "G_ema.", "gen.module.")},
    "an ordered dictionary": lambda n, rng: collections.OrderedDict(n) if isinstance(n, dict) else {"G": n},
    "a list": lambda network, rng: {"nets": [network]},
    "a counter": lambda network, rng: {1000: {"G": network}},
    "names with spaces": lambda network, rng: {"my best generator (final)": network},
    "an average and a beginning": lambda network, rng: {"ema": network, "init": {"w": torch.zeros(3)}},
}


def _discriminator(rng: random.Random) -> dict[str, Any]:
    layers = [nn.Conv2d(3, 4, 4, 2, 1), nn.LeakyReLU(0.2), nn.Conv2d(4, 8, 4, 2, 1, bias=False), nn.BatchNorm2d(8)]
    network = nn.Sequential(*layers, nn.Flatten(), nn.Linear(8, 1), nn.Sigmoid())
    return {"netD": network if rng.random() < 0.5 else network.state_dict()}


def _optimizer(rng: random.Random) -> dict[str, Any]:
    parameter = nn.Parameter(torch.ones(4, 3))
    optimizer = torch.optim.Adam([parameter], eps=1e-3)
    parameter.sum().backward()
    optimizer.step()
    return {"optim_G": optimizer.state_dict(), "sched": {"last_epoch": 3, "_step_count": 4}}


BESIDE: dict[str, Callable[[random.Random], dict[str, Any]]] = {
    "nothing": lambda rng: {},
    "a discriminator": _discriminator,
    "an optimizer": _optimizer,
    "arguments": lambda rng: {"args": argparse.Namespace(lr=2e-4, data=pathlib.PurePosixPath("/d"), eps=0.5, layers=3)},
    "losses": lambda rng: {"G_losses": [rng.random() for _ in range(2_000)], "step": np.int64(7)},
    "random states": lambda rng: {"rng": torch.get_rng_state(), "np": np.random.get_state(), "py": rng.getstate()},
    "dates and texts": lambda rng: {"when": datetime.datetime(2021, 1, 1, tzinfo=datetime.UTC), "note": "ünïcode"},
    "statistics": lambda rng: {"fid": float("nan"), "best": None, "inception": {"mu": np.zeros(4), "sigma": np.eye(4)}},
    "classes": lambda rng: {"classes": np.array(["cat", "dog"]), "label_map": {0: "cat", 1: "dog"}},
}


def _zip(content: Any, path: Path) -> None:
    torch.save(content, path)


def _legacy(content: Any, path: Path) -> None:
    torch.save(content, path, _use_new_zipfile_serialization=False)


def _zip_of_protocol_4(content: Any, path: Path) -> None:
    torch.save(content, path, pickle_protocol=4)


def _pickle(content: Any, path: Path) -> None:
    with path.open("wb") as file:
        pickle.dump(content, file, protocol=4)


CONTAINERS: dict[str, Callable[[Any, Path], None]] = {
    "a torch file": _zip,
    "an old torch file": _legacy,
    "a torch file of protocol 4": _zip_of_protocol_4,
    "a pickle": _pickle,
}
SUFFIXES = (".pt", ".pth", ".ckpt", ".pkl", ".model", "", ".bin", ".tar")


@dataclass
class StrangeFile:
    """A strange file of a network, which is drawn by a seed.

    Attributes:
        description: how it was made, for messages.
        path: the file.
    """

    path: Path
    description: list[str] = field(default_factory=list)

    def choose(self, table: dict[str, Any], rng: random.Random) -> Any:
        """Choose from a table, and note what was chosen."""
        name = rng.choice(list(table))
        self.description.append(name)
        return table[name]


def make(state: State, family: str, seed: int, folder: Path) -> StrangeFile:
    """Write a strange file.

    Args:
        state: the network's tensors, as a usual file holds them.
        family: the architecture.
        seed: the same seed gives the same file.
        folder: where to write it.

    Returns:
        The file.
    """
    rng = random.Random(f"{family} {seed}")
    torch.manual_seed(seed)
    strange = StrangeFile(folder / f"strange{rng.choice(SUFFIXES)}")
    if family in {"dcgan", "studiogan"} and rng.random() < 0.4:
        strange.description.append("spectral norm")
        state = spectral(state, rng)
    if rng.random() < 0.3:
        strange.description.append("without what is optional")
        state = without_optional(state, rng)
    state = strange.choose(TENSORS, rng)(state, rng)
    container = strange.choose(CONTAINERS, rng)
    if container is _zip and rng.random() < 0.2:
        strange.description.append("safetensors instead")
        save_file({f"G.{key}": t.detach().contiguous().clone() for key, t in state.items()}, strange.path)
        return strange
    network: Any = state
    # A DCGAN's layers say what they are, which other tests try; torch does not pickle parametrized modules.
    if rng.random() < 0.25 and family != "dcgan" and not any(".parametrizations." in key for key in state):
        strange.description.append("pickled whole")
        network = as_module({key: t.detach() for key, t in state.items()}, {})
    content = strange.choose(NESTS, rng)(network, rng)
    if rng.random() < 0.4 and isinstance(content, dict):
        content = strange.choose(NESTS, rng)(content, rng)
    beside = strange.choose(BESIDE, rng)(rng)
    if isinstance(content, dict) and (beside or rng.random() < 0.5):
        content = {**beside, **(content if content.keys() != state.keys() else {"G": content})}
    container(content, strange.path)
    return strange
