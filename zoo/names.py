"""Names that were meant: suggestions for near misses."""

from collections.abc import Iterable
from difflib import get_close_matches

from zoo.errors import UnknownNameError


def unknown_name(kind: str, asked: str, known: Iterable[str]) -> UnknownNameError:
    """Build the error for a name that nobody bears: it names near misses, or all there are when they are few."""
    names = sorted(set(known))
    near = get_close_matches(asked, names, n=3, cutoff=0.6) or [name for name in names if asked and asked in name][:3]
    if near:
        hint = f"did you mean {' or '.join(near)}?"
    elif names:
        shown = ", ".join(names[:12])
        hint = f"there are: {shown}{', …' if len(names) > 12 else ''}"
    else:
        hint = "there are none"
    return UnknownNameError(f"no {kind} is called {asked!r}: {hint}")
