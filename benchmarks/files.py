"""Whole files of the published sizes, in the containers of their authors, with random weights.

from benchmarks.files import FILES

FILES["stylegan2-ada-1024"](path)

The pickles are written by `tests/support/containers.py`, without any of the code that once wrote such files.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor

import zoo
from benchmarks import nvidia, official, pickled
from tests.support import containers
from zoo.models.model import Model

Write = Callable[[Path], object]


def _tensorflow(version: int, build: Callable[[int], tuple[Mapping[str, Tensor], Any]], side: int, path: Path) -> None:
    """Write the pickle of a TensorFlow network; from version 3 on it has components."""
    variables, settings = build(side)
    arrays = {key: tensor.numpy() for key, tensor in variables.items()}
    parts: dict[str, containers.TensorFlowNetwork] = {}
    if version >= 3:
        arrays, parts = containers.split_components(arrays, {"mapping": settings, "synthesis": settings})
    path.write_bytes(containers.tensorflow_pickle(arrays, settings, parts, version))


def _stylegan2(side: int, path: Path) -> None:
    """Write a snapshot of stylegan2-ada-pytorch."""
    state, settings = nvidia.stylegan2_state(side)
    path.write_bytes(containers.nvidia_pickle({"G_ema": containers.network(state, init_kwargs=settings)}))


def _object(build: Callable[[], pickled.Pickled], path: Path) -> None:
    """Write a snapshot of stylegan3, or, where objects do not keep their arguments, of R3GAN."""
    pickle = build()
    persistent = bool(pickle.init_kwargs)
    network = containers.network(
        pickle.state,
        pickle.class_name,
        init_kwargs=pickle.init_kwargs,
        attributes=pickle.attributes,
        persistent=persistent,
    )
    write = containers.nvidia_pickle if persistent else containers.plain_class_pickle
    path.write_bytes(write({"G_ema": network}))


def _torch(build: Callable[[], official.Official], path: Path) -> None:
    """Write a file of torch."""
    build().save(path)


# Functions that write a file to a path, by the name of its architecture and resolution.
FILES: dict[str, Write] = {
    "pggan-1024": partial(_tensorflow, 2, nvidia.pggan_variables, 1024),
    "stylegan-1024": partial(_tensorflow, 3, nvidia.stylegan_variables, 1024),
    "stylegan2-1024": partial(_stylegan2, 1024),
    "stylegan3-t-1024": partial(_object, partial(pickled.stylegan3, "t", 1024)),
    "stylegan3-r-1024": partial(_object, partial(pickled.stylegan3, "r", 1024)),
    "stylegan-xl-imagenet128": partial(_object, partial(pickled.stylegan_xl, "imagenet128")),
    "stylegan-xl-imagenet256": partial(_object, partial(pickled.stylegan_xl, "imagenet256")),
    "stylegan-xl-imagenet1024": partial(_object, partial(pickled.stylegan_xl, "imagenet1024")),
    "biggan-128": partial(_torch, partial(official.biggan, 128)),
    "biggan-deep-128": partial(_torch, partial(official.biggan_deep, 128)),
    "biggan-deep-256": partial(_torch, partial(official.biggan_deep, 256)),
    "r3gan-256": partial(_object, partial(pickled.r3gan, "ffhq-256")),
    "studiogan-sngan-128": partial(_torch, partial(official.studiogan, "sngan")),
    "studiogan-sagan-128": partial(_torch, partial(official.studiogan, "sagan")),
    "studiogan-biggan-128": partial(_torch, partial(official.studiogan, "biggan")),
    "studiogan-biggan-deep-128": partial(_torch, partial(official.studiogan, "biggan-deep-legacy")),
    "fastgan-256": partial(_torch, partial(official.fastgan, 256)),
    "fastgan-1024": partial(_torch, partial(official.fastgan, 1024)),
    "lightweight-gan-256": partial(_torch, partial(official.lightweight_gan, 256)),
    "styleswin-256": partial(_torch, official.styleswin),
    "pggan-256": partial(_tensorflow, 2, nvidia.pggan_variables, 256),
    "stylegan-256": partial(_tensorflow, 3, nvidia.stylegan_variables, 256),
    "stylegan2-256": partial(_stylegan2, 256),
    "stylegan3-t-128": partial(_object, partial(pickled.stylegan3, "t", 128)),
    "stylegan3-t-256": partial(_object, partial(pickled.stylegan3, "t", 256)),
    "stylegan-xl-imagenet32": partial(_object, partial(pickled.stylegan_xl, "imagenet32")),
    "stylegan3-r-256": partial(_object, partial(pickled.stylegan3, "r", 256)),
}


def open_model(name: str) -> Model:
    """Open a model by name, or a file of a published size, which is written with random weights, on the CPU."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{name}.pkl"
        if name in FILES:
            FILES[name](path)
        return zoo.load(path if name in FILES else name, device="cpu")
