"""What is chosen when a model is opened: where and in which type it computes, and its options."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from zoo.errors import OptionError

if TYPE_CHECKING:
    import torch

DTYPES = ("float32", "float64")


@dataclass(frozen=True)
class OpeningChoices:
    """What was chosen when a model was opened.

    Attributes:
        name: What it was opened by: the full name of its card, or the path of a weights file.
        space: The latent space that was asked for; None stands for the architecture's usual one.
        options: The architecture's options that the caller chose.
        settings: All options that the architecture was given, by the card and by the caller, validated.
        tuned: The path of the tuned weights, as it was given; None for none.
    """

    name: str
    space: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    tuned: str | None = None


def choose_device(name: str) -> torch.device:
    """Turn a device's name into a device.

    Args:
        name: A device of torch, or ``auto``: CUDA if there is a GPU, else the CPU.

    Returns:
        A device that tensors can be made on.

    Raises:
        OptionError: If it cannot be used.
    """
    import torch

    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).cpu()  # fails for `meta` and the like, whose tensors hold no numbers
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = " ".join(str(error).split())[:90]
        raise OptionError(f"--device {name}: not usable here ({reason}); try cpu or auto") from None
    return device


def check_dtype(name: str) -> None:
    """Refuse a dtype that no network computes in.

    Args:
        name: Its name.

    Raises:
        OptionError: If it is neither ``float32`` nor ``float64``.
    """
    if name not in DTYPES:
        raise OptionError(f"--dtype {name}: there are {' and '.join(DTYPES)}")


def choose_dtype(name: str) -> torch.dtype:
    """Turn a dtype's name into a dtype.

    Args:
        name: ``float32`` or ``float64``.

    Returns:
        The dtype of torch.

    Raises:
        OptionError: For any other name.
    """
    import torch

    check_dtype(name)
    return {"float32": torch.float32, "float64": torch.float64}[name]
