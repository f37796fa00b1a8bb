"""Hostile pickles by kind: programs that call code in every way that a pickle can, resource bombs, false claims.

A program's payload makes a file `PWNED` in the working folder. `live` loads it as somebody does who trusts the file, to
prove that the payload works. Bombs run nothing: they cost time or memory, or claim what is not there.
"""

from __future__ import annotations

import builtins
import code
import collections
import copyreg
import functools
import importlib
import io
import json
import logging
import marshal
import operator
import os
import pathlib
import pickle
import resource
import shutil
import struct
import subprocess
import time
import timeit
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tests.support import containers
from tests.support.containers import Network, network
from tests.support.hostile import PWNED, Payload
from zoo import CheckpointError
from zoo.checkpoints.reader import read_checkpoint

BOMB = "a resource bomb or a false claim"
TOUCH = f"touch {PWNED}"
MAKE = f"open({PWNED!r}, 'w').close()"
STATE = {"fc.weight": torch.ones(2, 3)}


@dataclass(frozen=True)
class Hostile:
    """One hostile file.

    Attributes:
        id: Its name among the tests.
        kind: What it tries; docs/trust.md counts the files of each kind.
        content: Its bytes.
        live: What runs its payload; None if it has none.
        reads: Whether zoo reads the file, with the payload as an inert record; else it is refused.
        words: What the refusal's message contains.
    """

    id: str
    kind: str
    content: bytes
    live: Callable[[bytes], Any] | None = pickle.loads
    reads: bool = False
    words: str = ""


class Calls:
    """Pickles as a call of any function with any arguments, and with a state, items and pairs if wanted."""

    def __init__(self, function: Any, *args: Any, then: tuple[Any, ...] = ()) -> None:
        self.fields = (function, args, *then)

    def __reduce__(self) -> tuple[Any, ...]:
        return self.fields


# --- assembling pickles by hand --------------------------------------------------------------------------------------


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def named(path: str) -> bytes:
    module, _, name = path.rpartition(".")
    return f"c{module}\n{name}\n".encode()


def program(body: bytes, protocol: int = 4) -> bytes:
    return b"\x80" + bytes([protocol]) + body + b"."


SYSTEM = named("posix.system")
COMMAND = text(TOUCH)
NAMESPACE = named("types.SimpleNamespace") + b")R"


def given(name: str) -> bytes:
    """A namespace whose attribute of that name is `os.system`."""
    return NAMESPACE + b"}" + text(name) + SYSTEM + b"sb"


# --- ways of loading, for somebody who trusts ------------------------------------------------------------------------


def with_extension(content: bytes) -> Any:
    copyreg.add_extension("posix", "system", 240)
    try:
        return pickle.loads(content)
    finally:
        copyreg.remove_extension("posix", "system", 240)


def with_torch(content: bytes) -> Any:
    return torch.load(io.BytesIO(content), weights_only=False)


class _Trusting(pickle.Unpickler):
    """Loads as the libraries of these files do, with their classes; `run` is what becomes of the source in the file."""

    def __init__(self, content: bytes, run: Callable[[str], Any]) -> None:
        super().__init__(io.BytesIO(content), encoding="latin1")
        self._run = run

    def find_class(self, module: str, name: str) -> Any:
        try:
            return super().find_class(module, name)
        except (ImportError, AttributeError):
            return self._reconstruct if module == "torch_utils.persistence" else type(name, (dict,), self._methods())

    def _reconstruct(self, meta: dict[str, Any]) -> Any:
        self._run(meta["module_src"])
        return meta["state"]

    def _methods(self) -> dict[str, Any]:
        def set_state(_: Any, state: dict[str, Any]) -> None:
            self._run(state.get("build_module_src", ""))

        return {"__setstate__": set_state}


def with_classes(content: bytes) -> Any:
    return _Trusting(content, lambda source: None).load()


def with_sources(content: bytes) -> Any:
    return _Trusting(content, lambda source: exec(source, {})).load()


def one_after_another(content: bytes) -> None:
    stream = io.BytesIO(content)
    while stream.tell() < len(content):
        pickle.load(stream)


# --- programs: by every instruction that can lead to a call -----------------------------------------------------------

_ROUTES: dict[str, bytes] = {
    "global-reduce": SYSTEM + COMMAND + b"\x85R",
    "stack-global-reduce": text("posix") + text("system") + b"\x93" + COMMAND + b"\x85R",
    "stack-global-from-memory": text("posix") + b"\x940" + b"h\x00" + text("system") + b"\x93" + COMMAND + b"\x85R",
    "inst": b"(" + COMMAND + b"iposix\nsystem\n",
    "obj": b"(" + SYSTEM + COMMAND + b"o",
    "newobj": named("builtins.bytes") + named("builtins.map") + SYSTEM + b"]" + COMMAND + b"a\x86\x81\x85\x81",
    "newobj-ex": named("builtins.bytes")
    + (named("builtins.map") + SYSTEM + b"]" + COMMAND + b"a\x86}\x92")
    + b"\x85}\x92",
    "build-setstate": given("__setstate__") + COMMAND + b"b",
    "build-setstate-by-slots": NAMESPACE + b"N}" + text("__setstate__") + SYSTEM + b"s\x86b" + COMMAND + b"b",
    "append": given("append") + COMMAND + b"a",
    "appends": given("append") + b"(" + COMMAND + b"e",
    "additems": given("add") + b"(" + COMMAND + b"\x90",
    "discarded": SYSTEM + COMMAND + b"\x85R0N",
    "discarded-to-mark": b"(" + SYSTEM + COMMAND + b"\x85R1N",
    "remembered": SYSTEM + COMMAND + b"\x85R\x94h\x00\x86",
    "duplicated": SYSTEM + b"2" + COMMAND + b"\x85R\x86",
    "getattr-of-a-call": named("builtins.getattr")
    + (named("importlib.import_module") + text("os") + b"\x85R")
    + text("system")
    + b"\x86R"
    + COMMAND
    + b"\x85R",
    "as-a-key": b"}" + SYSTEM + COMMAND + b"\x85RNs",
    "in-a-frozenset": b"(" + SYSTEM + COMMAND + b"\x85R\x91",
    "behind-a-lying-frame": b"\x95" + struct.pack("<Q", 2 + len(SYSTEM)) + b"N0" + SYSTEM + COMMAND + b"\x85R",
    "old-reconstructor": named("copyreg._reconstructor")
    + (named("builtins.bytes") * 2 + named("builtins.map") + SYSTEM + b"]" + COMMAND + b"a\x86\x81")
    + b"\x87R",
}


def _routes() -> list[Hostile]:
    found = [
        Hostile(f"{name}-{protocol}", "a call, by each instruction that can make one", program(body, protocol))
        for name, body in _ROUTES.items()
        for protocol in (2, 4)
    ]
    dotted = program(text("shutil") + text("os.system") + b"\x93" + COMMAND + b"\x85R")
    found.append(Hostile("stack-global-dotted", "a call, by each instruction that can make one", dotted))
    extensions = {"ext1": b"\x82\xf0", "ext2": b"\x83\xf0\x00", "ext4": b"\x84\xf0\x00\x00\x00"}
    found += [
        Hostile(
            name,
            "a call, by each instruction that can make one",
            program(body + COMMAND + b"\x85R"),
            with_extension,
            words="number",
        )
        for name, body in extensions.items()
    ]
    return found


# --- programs: by what is called -------------------------------------------------------------------------------------


def _functions() -> list[Hostile]:
    source = compile(MAKE, "hostile", "exec")
    nested = pickle.dumps(Payload())
    archive = _saved(Payload())
    calls: dict[str, Calls] = {
        "os.system": Calls(os.system, TOUCH),
        "os.popen": Calls(operator.methodcaller("read"), Calls(os.popen, TOUCH)),
        "os.mkdir": Calls(os.mkdir, PWNED),
        "os.symlink": Calls(os.symlink, "/", PWNED),
        "open": Calls(builtins.open, PWNED, "w"),
        "io.FileIO": Calls(io.FileIO, PWNED, "w"),
        "pathlib.Path.touch": Calls(pathlib.Path.touch, pathlib.Path(PWNED)),
        "shutil.copy": Calls(shutil.copy, "/etc/hostname", PWNED),
        "subprocess.call": Calls(subprocess.call, ["touch", PWNED]),
        "subprocess.getoutput": Calls(subprocess.getoutput, TOUCH),
        "eval": Calls(builtins.eval, MAKE),
        "exec": Calls(builtins.exec, MAKE),
        "code.InteractiveInterpreter": Calls(
            code.InteractiveInterpreter.runsource, Calls(code.InteractiveInterpreter), MAKE
        ),
        "marshal.loads": Calls(builtins.exec, Calls(marshal.loads, marshal.dumps(source))),
        "timeit.timeit": Calls(timeit.timeit, "0", MAKE, timeit.default_timer, 1),
        "logging.FileHandler": Calls(logging.FileHandler, PWNED),
        "functools.reduce": Calls(functools.reduce, operator.getitem, [Calls(os.system, TOUCH)]),
        "functools.partial": Calls(functools.partial.__call__, Calls(functools.partial, os.system, TOUCH)),
        "map in a deque": Calls(collections.deque, Calls(map, os.system, [TOUCH])),
        "map in an OrderedDict": Calls(OrderedDict, Calls(map, os.system, [TOUCH])),
        "operator.methodcaller": Calls(operator.methodcaller("system", TOUCH), Calls(importlib.import_module, "os")),
        "pickle.loads": Calls(pickle.loads, nested),
        "torch._load_from_bytes": Calls(torch.storage._load_from_bytes, nested),
        "torch._load_from_bytes of an archive": Calls(torch.storage._load_from_bytes, archive),
        "torch.save": Calls(torch.save, 1, PWNED),
        "torch.from_file": Calls(torch.UntypedStorage.from_file, PWNED, True, 8),
        "numpy.tofile": Calls(np.ndarray.tofile, np.ones(1), PWNED),
        "numpy.memmap": Calls(np.memmap, PWNED, "u1", "w+", 0, 8),
        "numpy.load": Calls(np.load, Calls(io.BytesIO, _numpy_file()), None, True),
    }
    return [Hostile(name, "a call of a function", pickle.dumps({"w": call}, 4)) for name, call in calls.items()]


def _saved(value: Any, *, legacy: bool = False) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer, _use_new_zipfile_serialization=not legacy)
    return buffer.getvalue()


def _numpy_file() -> bytes:
    buffer, array = io.BytesIO(), np.empty(1, dtype=object)
    array[0] = Payload()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


# --- programs: by where they stand in a file that is otherwise honest -------------------------------------------------


def _with_part(part: str, value: Any) -> Network:
    """A network one of whose dictionaries has a hostile entry beside honest ones."""
    generator = network(STATE)
    generator.attributes[part] = OrderedDict({"hostile": value}) if part.startswith("_") else value
    return generator


def _tensor_with(**changes: Any) -> Calls:
    """A tensor whose record has been changed in one place."""
    storage = Calls(torch.storage._load_from_bytes, _saved(torch.ones(6)._typed_storage(), legacy=True))
    parts: dict[str, Any] = {"storage": storage, "offset": 0, "size": (2, 3), "stride": (3, 1)}
    parts |= {"grad": False, "hooks": OrderedDict()} | changes
    return Calls(torch._utils._rebuild_tensor_v2, *parts.values())


def _array_with(**changes: Any) -> Calls:
    """A numpy array whose record has been changed in one place."""
    function = np.zeros(1).__reduce__()[0]
    state: dict[str, Any] = {"version": 1, "shape": (2,), "dtype": np.dtype("f4"), "order": False, "data": bytes(8)}
    return Calls(function, np.ndarray, (0,), b"b", then=(tuple((state | changes).values()),))


def _places() -> list[Hostile]:
    kind, bad, honest = "a call within an otherwise valid file", Payload(), network(STATE)
    inert: dict[str, bytes] = {
        "an attribute": containers.nvidia_pickle({"G_ema": _with_part("size", bad)}),
        "a hook": containers.nvidia_pickle({"G_ema": _with_part("_forward_hooks", bad)}),
        "an init argument": containers.nvidia_pickle({"G_ema": network(STATE, init_kwargs={"c_dim": bad})}),
        "the discriminator": containers.nvidia_pickle({"G_ema": honest, "D": _with_part("_parameters", bad)}),
        "the augmentation": containers.nvidia_pickle({"G_ema": honest}, augment_pipe=bad),
        "a tensor's hooks": pickle.dumps({"w": _tensor_with(hooks=bad)}),
        "the state of a dictionary": pickle.dumps({**STATE, "w": Calls(OrderedDict, then=({"_metadata": bad},))}),
        "static kwargs": containers.tensorflow_pickle({"lod": np.float32(0)}, {"func": bad}),
        "a second pickle": pickle.dumps({"w": np.ones(2)}) + pickle.dumps(bad),
    }
    refused: dict[str, bytes] = {
        "a weight": pickle.dumps({**STATE, "w": bad}),
        "a parameter": containers.nvidia_pickle({"G_ema": _with_part("_parameters", bad)}),
        "a buffer": containers.nvidia_pickle({"G_ema": _with_part("_buffers", bad)}),
        "a module": containers.nvidia_pickle({"G_ema": _with_part("_modules", bad)}),
        "the network": containers.nvidia_pickle({}, G_ema=bad),
        "a plain network": containers.plain_class_pickle({}, G_ema=bad),
        "the data set": containers.nvidia_pickle({"G_ema": honest}, training_set_kwargs=bad),
        "a storage": pickle.dumps({"w": _tensor_with(storage=bad)}),
        "a shape": pickle.dumps({"w": _tensor_with(size=bad)}),
        "an offset": pickle.dumps({"w": _tensor_with(offset=bad)}),
        "a dtype": pickle.dumps({"w": _array_with(dtype=bad)}),
        "the bytes of an array": pickle.dumps({"w": _array_with(data=bad)}),
        "an object array": pickle.dumps({"w": np.array([bad, None], dtype=object)}),
        "a variable": containers.plain_class_pickle(
            {}, Gs=containers.instance("tfutil.Network", {"version": 2, "variables": [("lod", bad)]})
        ),
        "a list of pairs": pickle.dumps([("lod", bad)]),
        "the whole file": pickle.dumps(bad),
    }
    found = [
        Hostile(name, kind, content, one_after_another if name == "a second pickle" else with_classes, name in inert)
        for name, content in {**inert, **refused}.items()
    ]
    for legacy in (False, True):
        name = "torch legacy" if legacy else "torch zip"
        hooked = _saved({"w": _tensor_with(hooks=bad)}, legacy=legacy)
        found += [
            Hostile(f"{name}, a weight", kind, _saved({"w": bad, **STATE}, legacy=legacy), with_torch),
            Hostile(f"{name}, the whole file", kind, _saved(bad, legacy=legacy), with_torch),
            Hostile(f"{name}, a tensor's hooks", kind, hooked, with_torch, reads=True),
        ]
    legacy_file, payload = _saved(STATE, legacy=True), pickle.dumps(bad, 2)
    spliced = legacy_file[:15] + payload + legacy_file[21:]
    return [*found, Hostile("torch legacy, the version", kind, spliced, with_torch, reads=True)]


def _sources() -> list[Hostile]:
    """The source that every honest file of NVIDIA's brings along, and that their libraries run."""
    generator = containers.nvidia_pickle({"G_ema": network(STATE)})
    variables = {"lod": np.float32(0)}
    return [
        Hostile("module_src", "Python source beside the weights", generator, with_sources, reads=True),
        *(
            Hostile(
                f"build_module_src of version {version}",
                "Python source beside the weights",
                containers.tensorflow_pickle(variables, {}, version=version, python2=version is None),
                with_sources,
                reads=True,
            )
            for version in (None, 2, 3, 4, 5)
        ),
    ]


# --- bombs: small files that claim or make much ----------------------------------------------------------------------


def _lists(levels: int, width: int) -> Any:
    content: Any = torch.zeros(1)
    for _ in range(levels):
        content = [content] * width
    return content


def _shared_numbers() -> bytes:
    """Hundreds of arrays of a megabyte, all on one and the same megabyte of the file."""
    function, data = np.zeros(1).__reduce__()[0], bytes(2**20)
    dtype = np.dtype("u1")
    state = (1, (2**20,), dtype, False, data)
    return pickle.dumps({str(index): Calls(function, np.ndarray, (0,), b"b", then=(state,)) for index in range(400)}, 4)


def _colliding() -> bytes:
    """Fill a table of Python's hashes, 2**18 places, along the path of its probes, and walk that again and again.

    Small numbers stand at the place that they say. The last number's own probes all end where something stands, and
    then early on the path.
    """
    last = 2**18 - 1
    path = [0]
    while len(path) < 170_000:
        path.append((5 * path[-1] + 1) & last)
    far = 618_166_433
    return (
        b"N"
        + b"".join(b"r" + struct.pack("<I", place) for place in [*path, far])
        + (b"j" + struct.pack("<I", far)) * 100_000
    )


def _bombs() -> list[Hostile]:
    huge8, huge4 = struct.pack("<Q", 2**62), struct.pack("<I", 2**32 - 1)
    deep = 100_000
    bodies: dict[str, bytes] = {
        "BINBYTES8 beyond the file": b"\x8e" + huge8,
        "BINBYTES beyond the file": b"B" + huge4,
        "BYTEARRAY8 beyond the file": b"\x96" + huge8,
        "BINUNICODE8 beyond the file": b"\x8d" + huge8,
        "BINSTRING of a negative length": b"T" + struct.pack("<i", -5),
        "a frame beyond the file": b"\x95" + huge8,
        "LONG4 of megabytes": b"\x8b" + struct.pack("<i", 2**22) + b"\x7f" * 2**22,
        "LONG4 of a negative length": b"\x8b" + struct.pack("<i", -1),
        "INT of thousands of digits": b"I" + b"9" * 4000 + b"\n",
        "LONG without end": b"L" + b"9" * 2**20,
        "a place in memory far away": b"Nr" + huge4 + b"0]",
        "a place in memory without end": b"Np" + b"9" * 3000 + b"\n0]",
        "places in memory that collide": _colliding(),
        "lists in lists": b"]" * deep + b"a" * (deep - 1),
        "tuples in tuples": b")" + b"\x85" * deep,
        "dictionaries in dictionaries": (b"}" + text("a")) * deep + b"}" + b"s" * deep,
        "records in records": (SYSTEM + b")") * deep + b"R" * deep,
        "a tuple as a key": b"}" + b")" + b"\x85" * deep + b"Ns",
        "marks without end": b"(" * deep,
        "a list of itself": b"}" + text("w") + b"]\x94h\x00as",
        "a dictionary of itself": b"}\x94" + text("w") + b"h\x00s",
        "a module of itself": named("a.Thing") + b")\x81\x94}" + text("_modules") + b"}" + text("m") + b"h\x00ssb",
        "a million instructions": b"N0" * 500_000 + b"N",
        "dictionaries by the million": b"(" + b"}" * 1_000_000 + b"l",
        "doubled lists": b"]\x94"
        + b"".join(b"(" + b"h" + bytes([level]) + b"h" + bytes([level]) + b"l\x94" for level in range(200)),
        "names of megabytes": b"}"
        + text("a" * 2**20)
        + b"}("
        + b"".join(b"M" + struct.pack("<H", i) + b"N" for i in range(60_000))
        + b"us",
    }
    unnamed = b"}(" + b"K\x01N" * 100_000 + b"u"
    empty = b"}(" + text("_modules") + b"}" + text("_buffers") + b"}(" + (text("b") + b"N") * 50_000 + b"uu"
    for name, state in {"unnamed attributes": unnamed, "a module of empty buffers": empty}.items():
        thing = named("a.Thing") + b")\x81" + state + b"b"
        bodies[f"{name}, many times"] = b"}" + text("w") + b"]\x94(" + thing + b"\x94" + b"h\x01" * 9000 + b"es"
    bodies["a name of megabytes, many times"] = text("a" * 2**21) + b"\x94" + b"h\x00h\x00\x930" * 60_000
    parameter = named("torch._utils._rebuild_parameter") + b"\x94"
    bodies["a parameter of a parameter"] = parameter + b"h\x00" * 30_000 + b"N" + b"\x85R" * 30_000
    function = np.zeros(1).__reduce__()[0]
    zeros, numbers = np.float32(0).__reduce__()[0], np.zeros(1).__reduce_ex__(5)[0]
    contents: dict[str, Any] = {
        "lists of the same list": {"w": _lists(12, 30)},
        "a lattice of tuples": {"w": tuple(_lists(9, 60))},
        "an array of terabytes": _array_with(shape=(2**40, 2)),
        "an array of more axes than numpy knows": _array_with(shape=(1,) * 100),
        "an array of a negative shape": _array_with(shape=(-2,)),
        "an array of a shape of floats": _array_with(shape=(2.0,)),
        "an array of endless numbers": _array_with(shape=(10**4000,)),
        "an array made large and empty": Calls(function, np.ndarray, (2**40,), b"b"),
        "an array from a buffer of too few bytes": Calls(numbers, b"1234", np.dtype("f4"), (2**40,), "C"),
        "a scalar of too few bytes": Calls(zeros, np.dtype("f8"), b"1234"),
        "a scalar of too many bytes": Calls(zeros, np.dtype("f4"), bytes(4096)),
        "a tensor of terabytes": _tensor_with(size=(2**40,), stride=(1,)),
        "a tensor of one number, repeated": _tensor_with(size=(2**40,), stride=(0,)),
        "a tensor far beyond its storage": _tensor_with(offset=2**47),
        "a tensor before its storage": _tensor_with(offset=-4),
        "a tensor of negative strides": _tensor_with(stride=(-3, -1)),
        "an array of endless empty axes": _array_with(shape=(2**40, 2**40, 0), data=b""),
        "a tensor of endless empty axes": _tensor_with(size=(2**40, 2**40, 0), stride=(1, 1, 1)),
        "a tensor of wide strides": _tensor_with(size=(2, 1), stride=(2**40, 1)),
        "a bytearray of gigabytes": Calls(bytearray, 2**40),
        "a range of a range": Calls(list, Calls(range, 2**40)),
        "a text of gigabytes": Calls(operator.mul, "a", 2**40),
        "a power of powers": Calls(pow, 10, 10**9),
        "a tensor allocated": Calls(torch.empty, 2**40),
    }
    lying = _saved(torch.ones(6)._typed_storage(), legacy=True).replace(b"K\x06", b"J\x00\x00\x00\x7f", 1)
    contents["a storage that claims gigabytes"] = _tensor_with(storage=Calls(torch.storage._load_from_bytes, lying))
    found = {name: program(body) for name, body in bodies.items()}
    found |= {
        name: pickle.dumps(value if isinstance(value, dict) else {"w": value}, 4) for name, value in contents.items()
    }
    found["arrays on the same bytes"] = _shared_numbers()
    found["a file within a file, many times"] = _nested_files()
    return [Hostile(name, BOMB, content, None) for name, content in found.items()]


def _nested_files() -> bytes:
    """Thousands of storages, each a file within the file, each of which is the same bytes full of instructions."""
    honest = _saved(torch.ones(6)._typed_storage(), legacy=True)
    inner = honest[:15] + program(b"N0" * 50_000 + b"N", 2) + honest[21:]
    load = torch.storage._load_from_bytes
    return pickle.dumps({f"w{index}": _tensor_with(storage=Calls(load, inner)) for index in range(3000)}, 4)


# --- tricks with types, references and archives -----------------------------------------------------------------------


def _types() -> list[Hostile]:
    structure = np.zeros(2, dtype=[("a", "f4"), ("b", "O")])
    values: dict[str, Any] = {
        "objects": np.array([None, 1], dtype=object),
        "a structure with objects": structure,
        "a structure": np.zeros(2, dtype=[("a", "f4")]),
        "text": np.array(["a", "b"]),
        "bytes": np.array([b"a", b"b"]),
        "dates": np.zeros(2, "M8[s]"),
        "void": np.zeros(2, "V8"),
        "long doubles": np.zeros(2, np.longdouble),
        "a masked array": np.ma.masked_array([1.0, 2.0], [True, False]),
        "a dtype by another name": _array_with(dtype=Calls(np.dtype, "f4,O")),
        "a dtype that is text": _array_with(dtype="f4"),
        "pointers as bytes": _array_with(dtype=np.dtype("O"), data=bytes(16)),
        "a quantized tensor": Calls(
            torch._utils._rebuild_qtensor, torch.ones(2), 0, (2,), (1,), (torch.per_tensor_affine, 0.1, 0), False
        ),
        "a sparse tensor": torch.eye(2).to_sparse(),
        "a tensor of no device": torch.ones(2, device="meta"),
    }
    return [
        Hostile(name, "values of unexpected types", pickle.dumps({"w": value}, 4), None)
        for name, value in values.items()
    ]


def _references() -> list[Hostile]:
    bodies = {
        "a persistent text": b"}" + text("w") + b"Pstorage\ns",
        "a persistent tuple": b"}" + text("w") + text("storage") + b"\x85Qs",
        "a buffer from outside": b"\x97",
        "a buffer made read-only": b"N\x98",
        "a number of no class": b"\x84\x01\x00\x00\x00",
        "a name with a line break": text("po\nsix") + text("system") + b"\x93",
        "a name of kilobytes": text("a" * 5000) + text("b") + b"\x93",
        "a name that is a number": b"K\x01K\x02\x93",
        "a call of a number": b"K\x01)R",
        "arguments that are a list": SYSTEM + b"]R",
        "a state for a list": b"]Nb",
        "items for a number": b"K\x01NNs",
        "a number appended to": b"K\x01Na",
        "an odd number of items": b"}(Nu",
        "nothing on the stack": b"0",
        "no mark": b"t",
        "beyond a mark": b"N(b",
        "a place never written": b"h\x07",
        "an unknown instruction": b"\xff",
        "no end": b"N" * 50,
        "text that is no text": b"X\x02\x00\x00\x00\xff\xfe",
    }
    found = [Hostile(name, "a malformed pickle", program(body), None) for name, body in bodies.items()]
    found[-2] = Hostile("no end", "a malformed pickle", program(b"N" * 50)[:-1], None)
    persistent = containers.nvidia_pickle({"G_ema": network(STATE)})
    versions = {"version seven": (b"K\x06", b"K\x07"), "another type": (b"\x05class", b"\x05glass")}
    found += [
        Hostile(f"a persistent object of {name}", "a malformed pickle", persistent.replace(*change), None)
        for name, change in versions.items()
    ]
    return found


def _zip(members: Mapping[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in members.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = method
            info.external_attr = (0o120777 << 16) if name.endswith("link") else 0o644 << 16
            archive.writestr(info, content)
    return buffer.getvalue()


def _archives() -> list[Hostile]:
    buffer = io.BytesIO(_saved({"w": torch.ones(4)}))
    with zipfile.ZipFile(buffer) as archive:
        honest = {name: archive.read(name) for name in archive.namelist()}
    root = next(iter(honest)).partition("/")[0]
    pickled, numbers = f"{root}/data.pkl", f"{root}/data/0"
    escaped = honest[pickled].replace(b"X\x01\x00\x00\x000", text("../../PWNED"))
    twice = io.BytesIO(_zip(honest))
    with zipfile.ZipFile(twice, "a") as archive:
        archive.filelist.append(archive.filelist[0])
        archive.filelist.extend(archive.filelist * 20)
        archive._didModify = True  # type: ignore[attr-defined]
    contents = {
        "a storage by a path out of the archive": _zip({**honest, pickled: escaped}),
        "members out of the archive": _zip(
            {**{f"../../{name}": body for name, body in honest.items()}, f"../{PWNED}": b""}
        ),
        "an absolute member": _zip(
            {f"/tmp/{PWNED}": b"", "/x/data.pkl": honest[pickled], "/x/data/0": honest[numbers]}
        ),
        "a link as a member": _zip({**honest, f"{root}/link": b"/etc/passwd"}),
        "a link in place of a storage": _zip({**honest, numbers: b"/etc/passwd"}),
        "compressed members": _zip({**honest, numbers: bytes(2**24)}, zipfile.ZIP_DEFLATED),
        "compressed members of a plain size": _zip(honest, zipfile.ZIP_DEFLATED),
        "a storage that is not there": _zip({name: body for name, body in honest.items() if name != numbers}),
        "a storage that is too short": _zip({**honest, numbers: b"1234"}),
        "a storage that is too long": _zip({**honest, numbers: bytes(4096)}),
        "a big-endian file": _zip({**honest, f"{root}/byteorder": b"big"}),
        "a TorchScript archive": _zip({**honest, f"{root}/constants.pkl": b"N."}),
        "members listed many times": twice.getvalue(),
        "no pickle": _zip({numbers: honest[numbers]}),
        "an encrypted member": _encrypted(_zip(honest)),
        "a wrong checksum": _zip(honest).replace(honest[numbers], b"\x01" * len(honest[numbers])),
    }
    contents["members by the ten thousand"] = _zip({**honest, **{f"{root}/{index}": b"" for index in range(21_000)}})
    fine = {"members out of the archive", "an absolute member", "a link as a member", "members listed many times"}
    return [Hostile(name, "manipulated archives", content, None, name in fine) for name, content in contents.items()]


def _encrypted(content: bytes) -> bytes:
    changed = bytearray(content)
    changed[6] |= 1
    changed[changed.index(b"PK\x01\x02") + 8] |= 1
    return bytes(changed)


@functools.cache
def corpus() -> Sequence[Hostile]:
    """Every hostile file there is."""
    return (
        *_routes(),
        *_functions(),
        *_places(),
        *_sources(),
        *_bombs(),
        *_types(),
        *_references(),
        *_archives(),
    )


# --- what becomes of them, in a process of its own --------------------------------------------------------------------


def trust_all() -> None:
    """Load every program in this folder as somebody does who trusts it; print the names of those that ran."""
    warnings.simplefilter("ignore")
    ran = []
    for hostile in corpus():
        if hostile.live is not None:
            with suppress(Exception):
                hostile.live(hostile.content)
            if os.path.lexists(PWNED):
                ran.append(hostile.id)
                shutil.rmtree(PWNED) if Path(PWNED).is_dir() and not Path(PWNED).is_symlink() else Path(PWNED).unlink()
    print(json.dumps(ran))


def read_bombs(megabytes: int) -> None:
    """Read every bomb in this folder within this much memory; print the outcome and processor time of each."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    limit = pages * resource.getpagesize() + megabytes * 2**20
    bombs = [hostile for hostile in corpus() if hostile.kind == BOMB]
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    outcomes = {}
    for bomb in bombs:
        Path("file").write_bytes(bomb.content)
        start = time.process_time()
        try:
            outcome = f"read: {read_checkpoint(Path('file')).container}"
        except CheckpointError as error:
            outcome = str(error)
        outcomes[bomb.id] = outcome, time.process_time() - start
    print(json.dumps(outcomes))
