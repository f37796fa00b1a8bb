"""Weights files: the hostile ones of the tests, and damage at random."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

from tests.attack.attack import READ, REFUSED, Attack, Fuzzed
from tests.attack.mutations import mutated_pickle
from tests.support import containers
from tests.support.containers import network
from tests.support.hostile_pickles import Hostile, corpus
from zoo.checkpoints.reader import read_checkpoint

_LARGEST_SEED = 20_000


@functools.cache
def honest_and_hostile() -> Sequence[bytes]:
    """The files that are damaged: the smaller hostile ones, and twice as many honest ones of every container."""
    generator = torch.Generator().manual_seed(0)
    state = {"mapping.w_avg": torch.ones(4), "synthesis.b4.weight": torch.randn(4, 3, generator=generator)}
    grown = network(state, init_kwargs={"c_dim": 0}, attributes={"": {"size": np.array([1, 2]), "gain": np.float64(2)}})
    plain = network(state, persistent=False)
    own, parts = containers.split_components({"lod": 0.0, "mapping/w": np.ones((2, 3), np.float32)}, {"mapping": {}})
    module = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2)).state_dict()
    honest = [
        *(containers.nvidia_pickle({"G_ema": grown}, protocol) for protocol in (2, 3, 4, 5)),
        *(containers.plain_class_pickle({"G_ema": plain}, protocol) for protocol in (2, 4)),
        *(containers.tensorflow_pickle(own, {"a": 1}, parts, version) for version in (None, 2, 3, 4, 5)),
        containers.tensorflow_pickle(own, {"a": 1}, parts, 3, python2=True),
        *(containers.torch_with_class(module, "models.Config", {"a": 1}, legacy=legacy) for legacy in (False, True)),
    ]
    hostile = [one.content for one in corpus() if len(one.content) < _LARGEST_SEED]
    return honest * (2 * len(hostile) // len(honest)) + hostile


def _attack(hostile: Hostile) -> Attack:
    def make(folder: Path) -> None:
        (folder / "file").write_bytes(hostile.content)

    return Attack(
        "weights",
        hostile.id,
        make,
        lambda folder: read_checkpoint(folder / "file"),
        kind=hostile.kind,
        may=(READ if hostile.reads else REFUSED,),
    )


ATTACKS = [_attack(hostile) for hostile in corpus()]
FUZZED = [
    Fuzzed("weights", "damaged files", honest_and_hostile, read_checkpoint, mutate=mutated_pickle, share=26),
]
