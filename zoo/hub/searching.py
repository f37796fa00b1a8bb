"""Searching the Hub for sets of directions, by their cards; what strangers wrote there is checked value by value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

from zoo._utils.html_repr import plain
from zoo.errors import DirectionsError, ZooError
from zoo.hub.card import LIBRARY, OWN_KEY, model_tag
from zoo.hub.client import cause_of, hub_api
from zoo.models.limits import check_count
from zoo.registry.registry import Installation
from zoo.weights.known_hashes import expected_sha256

_MOST_NAMES = 50


@dataclass(frozen=True, kw_only=True)
class FoundSet:
    """A set of directions on the Hub, as its card describes it.

    Attributes:
        address: ``hf://owner/name``.
        model: The name of its model.
        directions: How many there are; None where the card does not say.
        analyzer: What found them, or "".
        region: The region that they were found for, or "".
        names: Names of directions.
        licence: The licence of the directions, or "".
        same_weights: Whether they were found in the weights of the model's card here; None where that is not known.
    """

    address: str
    model: str
    directions: int | None
    analyzer: str
    region: str
    names: tuple[str, ...]
    licence: str
    same_weights: bool | None

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


def search(words: str | None, model: str | None, installation: Installation, *, limit: int = 20) -> list[FoundSet]:
    """Search the Hub.

    Args:
        words: What the names of the repositories contain; None is anything.
        model: The model that the directions are of; None is any.
        installation: The plugins and the registry.
        limit: How many sets are listed at most.

    Returns:
        The sets, in the order of the Hub.

    Raises:
        UnknownNameError: If there is no such model.
        DirectionsError: If the Hub does not answer, or its answer makes no sense.
    """
    check_count("--limit", limit)
    card = None if model is None else installation.registry.resolve(model)
    tags = [LIBRARY, *([model_tag(card.name)] if card else [])]
    try:
        with hub_api() as api:
            found = list(islice(api.list_models(filter=tags, search=words, cardData=True, limit=limit), limit))
            sets = [_read(one) for one in found]
    except ZooError as error:
        raise DirectionsError(f"cannot search the Hub: {error}") from None
    except Exception as error:
        raise DirectionsError(f"cannot search the Hub: {cause_of(error)}") from error
    cards = installation.registry.cards
    return [
        FoundSet(**one, same_weights=_compare(sha256, expected_sha256(cards[name]) if name in cards else None))
        for one, sha256, name in ((one, sha256, one["model"]) for one, sha256 in sets)
    ]


def _read(info: Any) -> tuple[dict[str, Any], str]:
    """Take what has the type that it must have from what the Hub says of a set; also return the hash of the weights."""
    card = info.card_data.to_dict() if info.card_data is not None else {}
    own = card.get(OWN_KEY)
    own = own if isinstance(own, Mapping) else {}
    count, names = own.get("directions"), own.get("names")
    prefix = model_tag("")
    tagged = [tag.removeprefix(prefix) for tag in info.tags or () if isinstance(tag, str) and tag.startswith(prefix)]
    values = {
        "address": f"hf://{plain(info.id)}",
        "model": _text(own.get("model")) or plain(next(iter(tagged), "")),
        "directions": count if type(count) is int else None,
        "analyzer": _text(own.get("analyzer")),
        "region": _text(own.get("region")),
        "names": tuple(_text(name) for name in names[:_MOST_NAMES]) if isinstance(names, list) else (),
        "licence": _text(card.get("license")),
    }
    return values, _text(own.get("weights_sha256"))


def _text(value: Any) -> str:
    return plain(value) if isinstance(value, str) else ""


def _compare(sha256: str, expected: str | None) -> bool | None:
    return sha256 == expected if sha256 and expected else None
