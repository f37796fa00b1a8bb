"""The values of `zoo info` in words, as people read them."""

from __future__ import annotations

from typing import Any

from zoo.cli.listings import Values
from zoo.core.channels import describe_channels
from zoo.core.layers import describe_layers
from zoo.errors import few_names


def in_words(values: Values) -> dict[str, Any]:
    """Put what `zoo.cli.listings.describe` tells into words.

    Args:
        values: Its result.

    Returns:
        Texts and lists of texts, by the names of the facts.
    """
    kind = values["kind"]
    writers = {
        "model": _model,
        "adapter": _adapter,
        "analyzer": _analyzer,
        "scorer": _scorer,
        "projector": _projector,
    }
    return {kind: values["name"], "summary": values["summary"], **writers[kind](values)}


def codes_in_words(model: Values) -> str:
    """Write a model's space and the shape of a code, such as ``z 100`` or ``w 18x512``.

    Args:
        model: The model, as `zoo.cli.listings.models` lists it.

    Returns:
        The text.
    """
    rows = f"{model['layers']}x" if model["layers"] > 1 else ""
    return f"{model['space']} {rows}{model['dim']}"


def _model(model: Values) -> dict[str, Any]:
    licence = model["licence"]
    remembered = f"not in the card; {model['remembered_sha256']} is remembered from the first fetch"
    facts = {
        "adapter": model["adapter"],
        "resolution": f"{model['resolution']} x {model['width']}",
        "channels": describe_channels(model["channels"]),
        "space": codes_in_words(model),
        **({"layers": describe_layers(model["layer_names"])} if model["layer_names"] else {}),
        "classes": few_names(model["classes"]),
        "licence of the weights": licence["weights"],
        "licence of the data": licence["data"] or "not stated",
        "data set": model["dataset"] or "not stated",
        "origin": model["origin"] or "not stated",
        "paper": model["paper"] or "not stated",
        "weights": model["where"],
        "sources": model["sources"] or f"by hand: {model['obtain']}",
        "sha256": model["sha256"] or (remembered if model["remembered_sha256"] else "not pinned"),
        "size": f"{model['bytes'] / 2**20:.1f} MiB" if model["bytes"] else "unknown",
        "verified": "yes" if model["verified"] else "no: nobody has checked the file behind this card",
        "regions": [f"{region} = {text}" for region, text in model["regions"].items()],
        "common regions": ", ".join(model["common_regions"]),
        "alignment of faces": model["alignment"],
        "analyzers": [f"{name}: {obstacle or 'yes'}" for name, obstacle in model["obstacles"].items()],
    }
    return {**facts, "see also": f"zoo info {model['see_also']}"} if "see_also" in model else facts


def _adapter(entry: Values) -> dict[str, Any]:
    return {
        "provides": entry["provides"],
        **{f"provides in {space}": capabilities for space, capabilities in entry["spaces"].items()},
        "options": _options(entry),
        "models": entry["models"] or f"none: add a weights file with 'zoo add FILE --name {entry['name']}.mine'",
    }


def _analyzer(entry: Values) -> dict[str, Any]:
    return {
        "requires": entry["requires"] or "nothing",
        "region": "one with a complement, never the whole image" if entry["local"] else "any",
        "options": _options(entry),
    }


def _scorer(entry: Values) -> dict[str, Any]:
    return {
        "attributes": [
            f"{attribute}: {', '.join(values)}" if values else attribute
            for attribute, values in entry["attributes"].items()
        ]
    }


def _projector(entry: Values) -> dict[str, Any]:
    return {"options": _options(entry), "use": f"zoo project MODEL PICTURE… --projector {entry['name']}"}


def _options(entry: Values) -> list[str] | str:
    return [f"{each['name']} = {each['default']!r}: {each['meaning']}" for each in entry["options"]] or "none"
