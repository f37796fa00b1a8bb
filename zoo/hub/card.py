"""The card of a set of directions: README.md of its repository, whose first lines the Hub and `zoo` search."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import yaml

from zoo._utils.html_repr import plain
from zoo.core.directions import Directions
from zoo.hub.terms import OTHER
from zoo.registry.cards import Licence

LIBRARY = "latent-zoo"

# The key of what the card says to zoo.
OWN_KEY = "latent_zoo"

_MOST_LISTED = 50


def model_tag(model: str) -> str:
    """Return the tag by which the sets of a model are found.

    Args:
        model: The full name of the model.
    """
    return f"{LIBRARY}:{model}"


@dataclass(frozen=True, kw_only=True, eq=False)
class CardFacts:
    """What the card of a set is written from.

    Attributes:
        repo: The repository, ``owner/name``.
        directions: The directions, with their record.
        model: The name of their model.
        licence: The licence of the directions, a name of the Hub.
        terms: The terms of weights and data.
        base_model: The repository of the weights on the Hub, if they lie there.
        files: The names of the files beside the card.
        space: The name of their space, where it is not the one in which the model is usually opened.
    """

    repo: str
    directions: Directions
    model: str
    licence: str
    terms: Licence
    base_model: str | None
    files: tuple[str, ...]
    space: str | None = None


def write_card(facts: CardFacts) -> str:
    """Write a card.

    Args:
        facts: What it says.

    Returns:
        The text of README.md.
    """
    front = yaml.safe_dump(_front_matter(facts), sort_keys=False, allow_unicode=True)
    sections = [_summary(facts), _use(facts), _table(facts), _origin(facts), _licences(facts)]
    return f"---\n{front}---\n\n" + "\n\n".join(filter(None, sections)) + "\n"


def _front_matter(facts: CardFacts) -> dict[str, Any]:
    record = facts.directions.provenance
    named = {"license_name": "as-the-weights"} if facts.licence == OTHER else {}
    base = {"base_model": facts.base_model, "base_model_relation": "adapter"} if facts.base_model else {}
    own = {
        "model": facts.model,
        "weights_sha256": record.get("weights_sha256"),
        "space": facts.directions.space.as_json(),
        "directions": len(facts.directions),
        "analyzer": record.get("analyzer"),
        "region": record.get("region"),
        "names": [name for name in _names(facts.directions)[:_MOST_LISTED] if name],
    }
    return {
        "library_name": LIBRARY,
        "license": facts.licence,
        **named,
        **base,
        "tags": [LIBRARY, "gan", "latent-directions", model_tag(facts.model)],
        OWN_KEY: {key: plain(value) if isinstance(value, str) else value for key, value in own.items() if value},
    }


def _names(directions: Directions) -> list[str]:
    """Name each direction as it was named, else by its attribute, else as its analysis suggested."""
    kinds = (directions.given_names or (), directions.attributes or (), directions.suggested_names)
    return [
        next((plain(kind[index]) for kind in kinds if index < len(kind) and kind[index]), "")
        for index in range(len(directions))
    ]


def _summary(facts: CardFacts) -> str:
    record, directions = facts.directions.provenance, facts.directions
    count = f"{len(directions)} direction{'s' if len(directions) != 1 else ''}"
    found = f", found by `{_code(record['analyzer'])}`" if isinstance(record.get("analyzer"), str) else ""
    region = f" for the region `{_code(record['region'])}`" if found and isinstance(record.get("region"), str) else ""
    text = f"# {facts.repo.partition('/')[2]}\n\n{count} of the latent space {directions.space} of `{facts.model}`"
    return f"{text}{found}{region}." + ("\n\n![Pictures](sheet.png)" if "sheet.png" in facts.files else "")


def _use(facts: CardFacts) -> str:
    address = f"hf://{facts.repo}"
    space = "" if facts.space is None else f" --space {facts.space}"
    return (
        f"## Use\n\n```sh\npip install {LIBRARY}\nzoo edit {facts.model} {address}:0{space}\n```\n\n"
        f'In Python: `zoo.Directions.load("{address}")`.'
    )


def _table(facts: CardFacts) -> str:
    directions = facts.directions
    rows = [
        f"| {index} | {_cell(name) or '–'} | {float(score):.3g} |"
        for index, (name, score) in enumerate(zip(_names(directions), directions.scores, strict=True))
    ]
    more = f"\n\nThe file holds {len(rows) - _MOST_LISTED} more." if len(rows) > _MOST_LISTED else ""
    return (
        "\n".join(["## Directions\n", "| direction | name | score |", "| --- | --- | --- |", *rows[:_MOST_LISTED]])
        + more
    )


def _origin(facts: CardFacts) -> str:
    record = facts.directions.provenance
    lines = []
    if isinstance(record.get("command"), str):
        lines.append(f"```sh\n{_code(record['command'], whole=True)}\n```")
    told = {"weights, sha256": record.get("weights_sha256"), "zoo": record.get("zoo_version")}
    lines += [f"{key}: `{_code(value)}`" for key, value in told.items() if isinstance(value, str)]
    if "report.html" in facts.files:
        lines.append("`report.html` has all measurements and pictures; download it to read it.")
    return "\n\n".join(["## How they were found", *lines]) if lines else ""


def _licences(facts: CardFacts) -> str:
    own = "those of the weights" if facts.licence == OTHER else facts.licence
    data = f"\n- data that the model was trained on: {_cell(facts.terms.data)}" if facts.terms.data else ""
    return (
        f"## Licences\n\n- directions: {own}\n- weights of `{facts.model}`, which are not part of this repository: "
        f"{_cell(facts.terms.weights)}{data}"
    )


def _code(value: str, *, whole: bool = False) -> str:
    """Make a text safe within backquotes."""
    return (" ".join(value.split()) if whole else plain(value)).replace("`", "'")


def _cell(value: str) -> str:
    """Make a text safe in a line of Markdown."""
    return re.sub(r"([\\`*_\[\]<>|#!])", r"\\\1", " ".join(value.split()))
