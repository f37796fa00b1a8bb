"""Reading YAML that somebody else wrote: plain values, written out, and no more of them than a registry needs.

PyYAML's safe loader runs no code, but an alias makes one value stand in many places, so that a few hundred bytes can
become gigabytes as soon as something looks at all of them; a tag makes PyYAML convert what cannot be converted; and the
conversion of a long number takes the square of its length. None of these has a use in a card.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from zoo._utils.untrusted.opening import read_bounded

MAX_BYTES = 4 * 2**20
_MAX_NODES = 100_000
_MAX_DEPTH = 20
_MAX_DIGITS = 40


class _NotPlainError(ValueError):
    """The file holds what a registry never needs."""


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """PyYAML's safe loader, in C where there is one, which is much faster; it refuses long numbers."""


def _construct_number(loader: Any, node: yaml.ScalarNode) -> Any:
    if len(node.value) > _MAX_DIGITS:
        raise _NotPlainError(f"line {node.start_mark.line + 1}: a number has {len(node.value):,} characters")
    return yaml.SafeLoader.yaml_constructors[node.tag](loader, node)


for _kind in ("int", "float"):
    _Loader.add_constructor(f"tag:yaml.org,2002:{_kind}", _construct_number)


class _Dumper(yaml.SafeDumper):
    """PyYAML's safe dumper, which would write an alias where one object stands in two places."""

    def ignore_aliases(self, _: object) -> bool:
        return True


def dump_plain_yaml(content: Any) -> str:
    """Write what `load_plain_yaml` reads.

    Args:
        content: dictionaries, lists, texts, numbers, truth values and None.

    Returns:
        The text, with keys in their order.

    """
    return yaml.dump(content, Dumper=_Dumper, sort_keys=False)


def load_plain_yaml(path: Path, *, trusted: bool = False) -> Any:
    """Read a YAML file.

    Args:
        path: the file.
        trusted: whether the file is zoo's own, so that it need not be checked.

    Returns:
        Its content, of dictionaries, lists, texts, numbers, dates, truth values and None.

    Raises:
        ValueError: the file is not YAML, or holds more than plain values.
        OSError: the file cannot be read, is no regular file, or is too large.

    """
    try:
        text = read_bounded(path, MAX_BYTES).decode("utf-8")
        if not trusted:
            _check_events(text)
        return yaml.load(text, Loader=_Loader)
    except _NotPlainError:
        raise
    # What looks like a date or a number and is none makes PyYAML raise whatever its conversion raises.
    except (yaml.YAMLError, ValueError, ArithmeticError, LookupError, TypeError, RecursionError) as error:
        raise ValueError(f"it is not YAML: {error}") from None


def _check_events(text: str) -> None:
    """Raise ValueError for aliases, tags, and more values or levels than are allowed, before any value is made."""
    depth = 0
    events: Iterator[Any] = yaml.parse(text, Loader=_Loader)
    for count, event in enumerate(events):
        where = f"line {event.start_mark.line + 1}"
        if isinstance(event, yaml.AliasEvent):
            raise _NotPlainError(f"{where}: the alias *{event.anchor} stands for another value; write that out")
        if getattr(event, "tag", None) is not None:
            tag = event.tag.replace("tag:yaml.org,2002:", "!!")
            raise _NotPlainError(f"{where}: the tag {tag} has no meaning here; write the value without it")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _MAX_DEPTH:
            raise _NotPlainError(f"{where}: the values are nested more than {_MAX_DEPTH} levels deep")
        if count > _MAX_NODES:
            raise _NotPlainError(f"{where}: it holds more than {_MAX_NODES:,} values")
