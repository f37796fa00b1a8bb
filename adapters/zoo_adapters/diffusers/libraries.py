"""The two libraries that the networks are made of, imported when they are needed."""

from __future__ import annotations

import importlib
from typing import Any

from zoo import CapabilityError, CheckpointError

_INSTALL = "pip install 'latent-zoo[diffusers]'"


def library(name: str) -> Any:
    """Import a library.

    Args:
        name: "diffusers" or "transformers".

    Returns:
        The module.

    Raises:
        CapabilityError: if it cannot be imported; the message says how to install it.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        reason = "which is not installed" if isinstance(error, ModuleNotFoundError) else f"which fails: {error}"
        raise CapabilityError(f"one-step diffusion needs {name}, {reason}: {_INSTALL}") from error


def class_of(module: str, allowed: tuple[str, ...], name: object, what: str) -> Any:
    """Find a class by the name that a file gives, among those that zoo knows; a file names no other code.

    Args:
        module: the library that has the class.
        allowed: the names of the classes that may be taken.
        name: the name in the file.
        what: what is of that class, for the message.

    Returns:
        The class.

    Raises:
        CheckpointError: for any other name.
        CapabilityError: if the library cannot be imported, or is a version without the class.
    """
    if name not in allowed:
        raise CheckpointError(f"{what} is a {name!r:.60}; zoo opens {', '.join(allowed)}")
    found = getattr(library(module), str(name), None)
    if found is None:
        raise CapabilityError(f"the installed {module} has no {name}: {_INSTALL} --upgrade")
    return found
