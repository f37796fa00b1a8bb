"""Every error that zoo raises on purpose.

::

    ZooError                   one line: what was asked, what there is, what to do (exit code 2)
    ├── UnknownNameError       no model, adapter, analyzer, scorer, label or region has that name
    ├── OptionError            an option is unknown, of another type, or out of range
    ├── RegionError            a region cannot be read, leaves the image, or holds no pixel
    ├── LayersError            a layer range cannot be read, or names layers that do not exist
    ├── CodesError             latent codes have another shape or space, or are not finite
    ├── DirectionsError        a directions file cannot be read, or belongs to another space
    ├── CardError              a registry file or one of its cards is wrong
    ├── WeightsError           weights cannot be fetched, or are not those that their card names
    ├── CheckpointError        a weights file cannot be read safely, or fits no known layout
    ├── CapabilityError        the model cannot do what the analysis needs
    ├── SweepError             a sweep's file is wrong, or some of its cells are, or have failed
    ├── OutputError            results cannot be written where they were asked for
    ├── InterruptedSearchError Ctrl-C ended a search; what it had found is written (exit code 130)
    ├── PluginError            a plugin cannot be imported, or claims a name that is taken
    └── ContractError          an adapter, analyzer or scorer breaks the contract (a bug in it; exit code 1)

Any other exception that reaches the command line is a bug in zoo itself (exit code 1).
"""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

# The longest message that is printed whole.
_MAX_LENGTH = 900

# How many names a message lists.
_MAX_NAMES = 12


class ZooError(Exception):
    """The base class: a message of one line that the user can act on."""

    exit_code = 2

    def __str__(self) -> str:
        """Return the message on one line; it may quote untrusted file names."""
        return one_line(super().__str__())


class AnalysisWarning(UserWarning):
    """An analysis did less than was asked for, such as a projection that removed nothing."""


class UnknownNameError(ZooError):
    """No model, adapter, analyzer, scorer, label, region or direction has that name."""


class OptionError(ZooError):
    """An option is unknown, of another type, or out of range."""


class RegionError(ZooError):
    """A region cannot be read, leaves the image, or holds no pixel."""


class LayersError(ZooError):
    """A layer range cannot be read, or names layers that do not exist."""


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


class SweepError(ZooError):
    """The file of a sweep is wrong, or some of its cells are, or have failed."""


class EngineError(ZooError):
    """Processes or a cluster cannot carry out what they were asked to."""


class OutputError(ZooError):
    """Results cannot be written where they were asked for."""


class InterruptedSearchError(ZooError):
    """Ctrl-C ended a search; what it had found is written."""

    exit_code = 130


class PluginError(ZooError):
    """A plugin cannot be imported, or claims a name that is taken."""


class ContractError(ZooError):
    """An adapter, analyzer or scorer breaks the contract: a bug in it, not a mistake of the user."""

    exit_code = 1


def printable(text: str) -> str:
    """Replace what could do more than be read: the one place that makes a text from a file safe to show.

    An escape sign recolours or overwrites what stands on a terminal, a bidirectional control turns the rest of a line
    round, there and on a page, and a lone surrogate cannot be written at all.

    Args:
        text: any text.

    Returns:
        The text on one line, with a space for each break and a question mark for each other sign that is not printable.

    """
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else " " if sign.isspace() else "?" for sign in text)


def one_line(message: str) -> str:
    """Put a message on one printable line.

    Args:
        message: any text; it may quote untrusted file names.

    Returns:
        The text with single spaces, without control characters, and with its middle cut out if it is very long.

    """
    line = printable(" ".join(message.split()))
    return line if len(line) <= _MAX_LENGTH else f"{line[: _MAX_LENGTH * 2 // 3]} … {line[-_MAX_LENGTH // 3 :]}"


def message_of(error: BaseException) -> str:
    """Return an exception's own message.

    Args:
        error: any exception; a plugin's may fail to say what it is.

    Returns:
        The message; empty if asking for it fails.

    """
    try:
        return str(error)
    except BaseException:  # it may exit, too
        return ""


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an exception means that the machine or its accelerator has run out of memory.

    Args:
        error: any exception.

    Returns:
        True for Python's, CUDA's and torch's CPU allocator's errors.

    """
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or "can't allocate memory" in message_of(error)
    )


def few_names(names: Sequence[str]) -> str:
    """List names for a message.

    Args:
        names: the names, in the order to list them.

    Returns:
        The names with commas, "none" without any; of many the first ones and the total.

    """
    shown = ", ".join(names[:_MAX_NAMES])
    return f"{shown}, … ({len(names)} in all)" if len(names) > _MAX_NAMES else shown or "none"


def unknown_name(kind: str, asked: str, known: Iterable[str]) -> UnknownNameError:
    """Build the error for a name that does not exist.

    Args:
        kind: what was looked up, such as "model".
        asked: the name.
        known: the names that exist.

    Returns:
        The error, to be raised by the caller; it suggests near misses, or lists names without any.

    """
    names = sorted(set(known))
    near = get_close_matches(asked, names, n=3, cutoff=0.6) or [name for name in names if asked and asked in name][:3]
    if near:
        hint = f"did you mean {' or '.join(near)}?"
    elif names:
        hint = f"there are: {few_names(names)}"
    else:
        hint = "there are none"
    return UnknownNameError(f"no {kind} is called {asked!r}: {hint}")
