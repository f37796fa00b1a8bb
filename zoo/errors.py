"""Every error that zoo raises on purpose.

::

    ZooError                   one line: what was asked, what there is, what to do (exit code 2)
    ├── UnknownNameError       no model, adapter, analyzer, scorer, label or region bears that name
    ├── OptionError            an option is unknown, of another type, or out of range
    ├── RegionError            a region's text cannot be read, or leaves the image
    ├── LayersError            a layer range cannot be read, or names layers that are not there
    ├── CodesError             latent codes of another shape or space, or not finite
    ├── DirectionsError        a directions file that cannot be read, or belongs to another space
    ├── CardError              a registry file or one of its cards is wrong
    ├── WeightsError           weights cannot be fetched, or are not those that their card names
    ├── CheckpointError        a weights file that cannot be read safely, or fits no known layout
    ├── CapabilityError        the model cannot do what the analysis needs
    ├── OutputError            results cannot be written where they were wanted
    ├── PluginError            a plugin cannot be imported, or claims a name that another one has
    └── ContractError          an adapter or analyzer broke the contract (a fault of its author; exit code 1)

Anything else that escapes is a fault of zoo's own (exit code 1).
"""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

_LONGEST = 900


class ZooError(Exception):
    """The root of the tree: a single line that the person at the keyboard can act on."""

    exit_code = 2

    def __str__(self) -> str:
        """Tell it in one line: names in it may be those of a file from strangers."""
        return one_line(super().__str__())


class UnknownNameError(ZooError):
    """No model, adapter, analyzer, scorer, label or region bears that name."""


class OptionError(ZooError):
    """An option is unknown, of another type, or out of range."""


class RegionError(ZooError):
    """A region's text cannot be read, or it leaves the image, or holds no pixel."""


class LayersError(ZooError):
    """A layer range cannot be read, or names layers that are not there."""


class CodesError(ZooError):
    """Latent codes have another shape, belong to another space, or are not finite."""


class DirectionsError(ZooError):
    """Directions cannot be read, are not unit rows, or belong to another space."""


class CardError(ZooError):
    """A registry file, or one of its cards, is wrong."""


class WeightsError(ZooError):
    """Weights cannot be fetched, or are not those that their card names."""


class CheckpointError(ZooError):
    """A weights file cannot be read safely, is broken, or fits no known layout."""


class CapabilityError(ZooError):
    """The model cannot do what the analysis needs."""


class OutputError(ZooError):
    """Results cannot be written where they were wanted."""


class PluginError(ZooError):
    """A plugin cannot be imported, or claims a name that another one has."""


class ContractError(ZooError):
    """An adapter or analyzer broke the contract: its author's fault, not the caller's."""

    exit_code = 1


def one_line(message: str) -> str:
    """Make one line of a message, without signs that steer a terminal, its middle cut out where it is endless."""
    line = "".join(sign if sign.isprintable() else "?" for sign in " ".join(message.split()))
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST * 2 // 3]} … {line[-_LONGEST // 3 :]}"


def is_out_of_memory(error: BaseException) -> bool:
    """Say whether an exception means that the machine or its accelerator has no memory left."""
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or "can't allocate memory" in str(error)
    )


_FEW = 12


def few_names(names: Sequence[str]) -> str:
    """List names with commas, of many the first ones and how many there are; "none" for none."""
    shown = ", ".join(names[:_FEW])
    return f"{shown}, … ({len(names)} in all)" if len(names) > _FEW else shown or "none"


def unknown_name(kind: str, asked: str, known: Iterable[str]) -> UnknownNameError:
    """Build the error for a name that nobody bears: it names near misses, or all there are when they are few."""
    names = sorted(set(known))
    near = get_close_matches(asked, names, n=3, cutoff=0.6) or [name for name in names if asked and asked in name][:3]
    if near:
        hint = f"did you mean {' or '.join(near)}?"
    elif names:
        hint = f"there are: {few_names(names)}"
    else:
        hint = "there are none"
    return UnknownNameError(f"no {kind} is called {asked!r}: {hint}")
