"""Builders of pickles as published generators have them, made without any of the code that wrote those.

`network` makes a tree of modules from a flat state; `nvidia_pickle`, `plain_class_pickle`, `tensorflow_pickle` and
`torch_with_class` put such networks into files. Classes that the files name are stand-ins: empty, with the right names,
and importable only while a file is written.
"""

from __future__ import annotations

import io
import pickle
import struct
import sys
import types
import warnings
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

_MAPPING_BUFFERS = ["w_avg"]
_SYNTHESIS_BUFFERS = ["resample_filter", "noise_const", "up_filter", "down_filter", "magnitude_ema", "Kernel"]
_INPUT_BUFFERS = ["transform", "freqs", "phases"]
NVIDIA_BUFFERS = [*_MAPPING_BUFFERS, *_SYNTHESIS_BUFFERS, *_INPUT_BUFFERS]
# What the files state as the source of their classes; it must never be executed.
SOURCE = "import os\nos.system('touch PWNED')\n"


@dataclass
class Network:
    """A module as a file holds it: a persistent one with its source, any other as an object of its class."""

    class_name: str
    parameters: dict[str, Tensor] = field(default_factory=dict)
    buffers: dict[str, Tensor] = field(default_factory=dict)
    modules: dict[str, Network] = field(default_factory=dict)
    attributes: dict[str, Any] = field(default_factory=dict)
    non_persistent: set[str] = field(default_factory=set)  # the buffers that are not in the state dict
    persistent: bool = True


@dataclass
class TensorFlowNetwork:
    """A `Network` of the TensorFlow era: variables by name, and components that have their own."""

    variables: Mapping[str, Any]
    static_kwargs: Mapping[str, Any]
    components: Mapping[str, TensorFlowNetwork] = field(default_factory=dict)
    build_func_name: str = "G_style"
    name: str = "Gs"


def network(
    state: Mapping[str, Tensor],
    class_name: str = "training.networks_stylegan2.Generator",
    *,
    init_kwargs: Mapping[str, Any] | None = None,
    attributes: Mapping[str, Mapping[str, Any]] | None = None,
    class_names: Mapping[str, str] | None = None,
    buffers: Collection[str] = NVIDIA_BUFFERS,
    persistent: bool = True,
) -> Network:
    """Make a tree of modules from the keys of a state dict.

    `attributes` and `class_names` (by default ``training.layers.Module``) go by the module's path, "" being the root;
    tensors whose last name is among `buffers` become buffers. A plain network has no `_init_kwargs`.
    """
    root = Network(class_name, persistent=persistent)
    for key, tensor in state.items():
        *path, leaf = key.split(".")
        module = root
        module_path = ""
        for name in path:
            module_path = f"{module_path}.{name}".lstrip(".")
            new = Network((class_names or {}).get(module_path, "training.layers.Module"), persistent=persistent)
            module = module.modules.setdefault(name, new)
        (module.buffers if leaf in buffers else module.parameters)[leaf] = tensor
    for module_path, values in (attributes or {}).items():
        find(root, module_path).attributes.update(values)
    if persistent:
        root.attributes.update(_init_args=(), _init_kwargs=easy_dict(dict(init_kwargs or {})))
    return root


def find(root: Network, path: str) -> Network:
    """The module at a path such as ``synthesis.b4``."""
    for name in filter(None, path.split(".")):
        root = root.modules[name]
    return root


def nvidia_pickle(networks: Mapping[str, Network | None], protocol: int = 4, **beside: Any) -> bytes:
    """A snapshot of stylegan2-ada-pytorch, stylegan3 and their descendants: ``{"G_ema": network(...)}`` and the like.

    D, augment_pipe and training_set_kwargs are there as in a training run's file; `beside` adds or replaces entries.
    """
    small = network({"b4.fc.weight": torch.ones(2, 3)}, "training.networks_stylegan2.Discriminator")
    pipe = network({"Hz_geom": torch.ones(4)}, "training.augment.AugmentPipe", buffers=["Hz_geom"])
    dataset = easy_dict({"class_name": "training.dataset.ImageFolderDataset", "resolution": 32, "use_labels": False})
    order = {"G": None, "D": small, "G_ema": None, "augment_pipe": pipe, "training_set_kwargs": dataset}
    present = {**order, **networks, **beside}
    return _dumped(
        {key: _kept(value) for key, value in present.items() if key in networks or value is not None}, protocol
    )


def plain_class_pickle(networks: Mapping[str, Network | None], protocol: int = 4, **beside: Any) -> bytes:
    """A snapshot whose networks are ordinary objects of their classes, as R3GAN's are; make them `persistent=False`."""
    small = network({"Model.weight": torch.ones(2, 3)}, "training.networks.Discriminator", persistent=False)
    present = {"training_set_kwargs": easy_dict({"resolution": 32}), "D": small, **networks, **beside}
    return _dumped({key: _kept(value) for key, value in present.items()}, protocol)


def tensorflow_pickle(
    variables: Mapping[str, Any],
    static_kwargs: Mapping[str, Any],
    components: Mapping[str, TensorFlowNetwork] | None = None,
    version: int | None = 4,
    *,
    build_func_name: str = "G_style",
    protocol: int = 4,
    python2: bool = False,
    as_dict: bool = False,
) -> bytes:
    """A tuple (G, D, Gs) as PGGAN (version 2 or None), StyleGAN (3) and StyleGAN2 (4, 5) wrote it.

    `variables` and `components` are those of Gs; G has the same at half their size. `python2` writes text and bytes as
    Python 2 did, in protocol 2; `as_dict` keeps variables as a dictionary instead of pairs.
    """
    average = TensorFlowNetwork(variables, static_kwargs, components or {}, build_func_name)
    critic = TensorFlowNetwork({"4x4/Dense0/weight": np.ones((2, 3), np.float32)}, {}, {}, "D_basic", "D")
    class_name = {2: "tfutil.Network", None: "network.Network"}.get(version, "dnnlib.tflib.network.Network")

    def kept(one: TensorFlowNetwork) -> Any:
        pairs = [(name, np.float32(value) if np.ndim(value) == 0 else value) for name, value in one.variables.items()]
        state: dict[str, Any] = {} if version is None else {"version": version}
        state |= {
            "name": one.name,
            "static_kwargs": dict(one.static_kwargs),
            "build_module_src": SOURCE,
            "build_func_name": one.build_func_name,
            "variables": dict(pairs) if as_dict else pairs,
        }
        if (version or 0) >= 3:
            state["components"] = {name: kept(component) for name, component in one.components.items()}
        return instance(class_name, state)

    with old_numpy():
        return _dumped(
            (kept(_halved(average)), kept(critic), kept(average)), 2 if python2 else protocol, python2=python2
        )


def split_components(
    variables: Mapping[str, Any], static_kwargs: Mapping[str, Mapping[str, Any]]
) -> tuple[dict[str, Any], dict[str, TensorFlowNetwork]]:
    """Divide variables such as ``synthesis/4x4/Const/const`` into the root's and those of the named components."""
    own = {name: value for name, value in variables.items() if name.partition("/")[0] not in static_kwargs}
    parts = {}
    for part, kwargs in static_kwargs.items():
        inside = {
            name.removeprefix(f"{part}/"): value for name, value in variables.items() if name.startswith(f"{part}/")
        }
        parts[part] = TensorFlowNetwork(inside, kwargs, {}, f"G_{part}", f"G_{part}")
    return own, parts


def torch_with_class(
    content: Mapping[str, Any], class_name: str, attributes: Mapping[str, Any], *, legacy: bool = False
) -> bytes:
    """A torch file that keeps an object of a foreign class as `config` beside its weights, as those of gan_zoo do."""
    buffer = io.BytesIO()
    whole = {"config": instance(class_name, dict(attributes)), **content}
    with stand_ins():
        torch.save(whole, buffer, _use_new_zipfile_serialization=not legacy)
    return buffer.getvalue()


# --- stand-ins -----------------------------------------------------------------------------------------------------

_made: dict[str, Any] = {}


def stand_in(path: str, base: type = object) -> Any:
    """A class of a dotted name: the real one of torch, else an empty one."""
    module, _, name = path.rpartition(".")
    if module.startswith("torch."):
        return getattr(import_module(module), name)
    if path not in _made:
        _made[path] = type(name, (base,), {"__module__": module, "__qualname__": name})
    return _made[path]


def instance(path: str, state: Mapping[str, Any]) -> Any:
    """An object of a class of a dotted name, with a state; no `__init__` is run."""
    made = object.__new__(stand_in(path))
    made.__dict__.update(state)
    return made


def easy_dict(values: Mapping[str, Any]) -> Any:
    return stand_in("dnnlib.util.EasyDict", dict)(values)


def _reconstruct_persistent_obj(meta: Any) -> None:
    raise AssertionError("stands in for a function and is never called")


_reconstruct_persistent_obj.__module__ = "torch_utils.persistence"
_made["torch_utils.persistence._reconstruct_persistent_obj"] = _reconstruct_persistent_obj


class _Persistent:
    def __init__(self, class_name: str, state: Mapping[str, Any]) -> None:
        name = class_name.rpartition(".")[2]
        self.meta = {"type": "class", "version": 6, "module_src": SOURCE, "class_name": name, "state": state}

    def __reduce__(self) -> tuple[Any, ...]:
        return _reconstruct_persistent_obj, (self.meta,), None


@contextmanager
def stand_ins() -> Iterator[None]:
    """Let every class that was made so far be found where its name says, as pickle demands of what it writes."""
    modules: dict[str, types.ModuleType] = {}
    for path, made in _made.items():
        *parts, name = path.split(".")
        for end in range(1, len(parts) + 1):
            module = ".".join(parts[:end])
            modules.setdefault(module, types.ModuleType(module))
        setattr(modules[".".join(parts)], name, made)
    hidden = {name: sys.modules[name] for name in modules if name in sys.modules}
    sys.modules.update(modules)
    try:
        yield
    finally:
        for name in modules:
            del sys.modules[name]
        sys.modules.update(hidden)


@contextmanager
def old_numpy() -> Iterator[None]:
    """Let numpy's functions bear the names that they had before numpy 2."""
    functions: list[Any] = [np.zeros(1).__reduce__()[0], np.float32(0).__reduce__()[0], np.zeros(1).__reduce_ex__(5)[0]]
    before = [function.__module__ for function in functions]
    try:
        for function, name in zip(functions, before, strict=True):
            function.__module__ = name.replace("numpy._core", "numpy.core")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            yield
    finally:
        for function, name in zip(functions, before, strict=True):
            function.__module__ = name


# --- how things are kept -------------------------------------------------------------------------------------------


def _kept(value: Any) -> Any:
    """A network as the object that is pickled; anything else as it is."""
    if not isinstance(value, Network):
        return value
    state = dict(nn.Module().__dict__)
    state["_parameters"] = OrderedDict((key, nn.Parameter(tensor)) for key, tensor in value.parameters.items())
    state["_buffers"] = OrderedDict(value.buffers)
    state["_non_persistent_buffers_set"] = set(value.non_persistent)
    state["_modules"] = OrderedDict((key, _kept(module)) for key, module in value.modules.items())
    state.update(value.attributes)
    return _Persistent(value.class_name, state) if value.persistent else instance(value.class_name, state)


def _halved(one: TensorFlowNetwork) -> TensorFlowNetwork:
    parts = {name: _halved(part) for name, part in one.components.items()}
    variables = {name: (np.asarray(value) / 2).astype(np.float32) for name, value in one.variables.items()}
    return TensorFlowNetwork(variables, one.static_kwargs, parts, one.build_func_name, "G")


class _Python2Pickler(pickle._Pickler):
    """Writes text and bytes alike as strings of bytes, as Python 2 did."""

    dispatch: ClassVar[dict[type, Callable[..., None]]] = dict(pickle._Pickler.dispatch)

    def save_string(self, value: str | bytes) -> None:
        content = value.encode("latin1") if isinstance(value, str) else value
        short = len(content) < 256
        head = b"U" + bytes([len(content)]) if short else b"T" + struct.pack("<i", len(content))
        self.write(head + content)  # type: ignore[attr-defined]
        self.memoize(value)  # type: ignore[attr-defined]

    dispatch[str] = dispatch[bytes] = save_string


def _dumped(content: Any, protocol: int, *, python2: bool = False) -> bytes:
    buffer = io.BytesIO()
    pickler = _Python2Pickler if python2 else pickle.Pickler
    with stand_ins():
        pickler(buffer, protocol).dump(content)
    return buffer.getvalue()
