"""Which calls in a file make plain values, so that they may be left out where they lie beside weights."""

from __future__ import annotations

import re
import sys
from typing import Any

from zoo.checkpoints.unpickle.records import Record

# Calls of the standard library, of torch and of numpy that make plain values. Any other of their functions has no place
# in a file of weights. Calls of other modules are those of an author's own classes.
_VALUE_MODULES = (
    *(
        "datetime.",
        "collections.",
        "decimal.",
        "fractions.",
        "uuid.",
        "zoneinfo.",
        "ipaddress.",
        "array.",
        "random.Random",
    ),
    *("argparse.Namespace", "types.SimpleNamespace", "copyreg._reconstructor", "copy_reg._reconstructor"),
    *("_codecs.encode", "pathlib.Pure", "pathlib.Path", "pathlib.PosixPath", "pathlib.WindowsPath", "enum."),
    *("numpy.dtype", "numpy.ndarray", "numpy.core.multiarray.", "numpy._core.multiarray.", "numpy.random._pickle."),
    *("torch.Size", "torch.device", "torch.Generator", "torch.storage._load_from_bytes", "torch._utils._rebuild_"),
)
_VALUE_CALLS = {
    *("functools.partial", "logging.getLogger", "re._compile", "types.GenericAlias", "zoneinfo.ZoneInfo._unpickle"),
    *(f"{module}.{name}" for module in ("operator", "_operator") for name in ("attrgetter", "getitem", "itemgetter")),
    *("numpy.ma.core._mareconstruct", "torch._C.Generator", "torch.serialization._get_layout"),
    "numpy.random.bit_generator.__pyx_unpickle_SeedSequence",
}
_VALUE_BUILTINS = {
    *("bytes", "bytearray", "complex", "dict", "float", "frozenset", "int", "list", "object", "range", "set", "slice"),
    *("str", "tuple", "xrange", "bool"),
}
_GUARDED_MODULES = sys.stdlib_module_names | {
    *("__builtin__", "copy_reg", "cPickle", "commands", "numpy", "torch", "nt", "posix", "pip", "setuptools"),
    *("dill", "cloudpickle", "joblib", "IPython", "pandas", "scipy", "torchvision", "timm"),
}

# A class, and a name inside it.
_METHOD = re.compile(r"\.[A-Z]\w*\.\w")


def is_harmless(value: Any) -> bool:
    """Say whether a value is not a call, or one that makes a plain value or an object of an author's own class.

    Args:
        value: Anything from a file.
    """
    if not isinstance(value, Record) or not value.called:
        return True
    if "(" in value.path:  # what a call returned was called
        return False
    module, _, name = value.path.rpartition(".")
    if module in {"builtins", "__builtin__"}:
        return name in _VALUE_BUILTINS
    if value.path in _VALUE_CALLS:
        return True
    if value.path.startswith(_VALUE_MODULES):
        # A class or a function; not a method, such as `pathlib.Path.touch`.
        return value.path.count(".") <= 4 and not _METHOD.search(value.path)
    return value.path.partition(".")[0] not in _GUARDED_MODULES
