"""Names: those that every model knows, and suggestions for near misses."""

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from functools import cache
from pathlib import Path

from zoo.errors import UnknownNameError

COMMON_REGIONS: Mapping[str, str] = {
    "all": "box:0.0,0.0,1.0,1.0",
    "center": "box:0.25,0.25,0.5,0.5",
    "left": "box:0.0,0.0,1.0,0.5",
    "right": "box:0.0,0.5,1.0,0.5",
    "top": "box:0.0,0.0,0.5,1.0",
    "bottom": "box:0.5,0.0,0.5,1.0",
}
"""The regions that every model has."""

_FEW = 12
_FILE_ENDINGS = {".pt", ".pth", ".tar", ".bin", ".ckpt", ".safetensors", ".pkl"}


@cache
def imagenet_names() -> tuple[str, ...]:
    """Name the 1000 classes of ImageNet in the order of their numbers, each by a lemma of its own (WordNet 3.0).

    WordNet is Princeton University's, and free to use with that said.
    """
    return tuple(Path(__file__).with_name("imagenet.txt").read_text(encoding="utf-8").splitlines())


def names_of(classes: str | Iterable[str]) -> tuple[str, ...]:
    """Read names of classes: themselves, a text with commas, or the word ``imagenet`` for its thousand."""
    if isinstance(classes, str):
        return imagenet_names() if classes == "imagenet" else tuple(classes.split(","))
    return tuple(classes)


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


def is_file_name(name: str) -> bool:
    """Say whether a model was named by a path to a file rather than by its card."""
    path = Path(name)
    return "/" in name or "\\" in name or path.suffix in _FILE_ENDINGS
