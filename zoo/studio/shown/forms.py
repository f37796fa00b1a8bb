"""Forms of options: what pydantic says of each, in the few words that a page needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zoo.core.options import Options

_KINDS = {"integer": "int", "number": "float", "boolean": "bool", "string": "text"}
# Bounds of JSON schemas, by the attribute of a form that stands for them.
_BOUNDS = {"minimum": "min", "exclusiveMinimum": "above", "maximum": "max", "exclusiveMaximum": "below"}


def fields_of(schema: type[Options]) -> list[dict[str, Any]]:
    """Describe the options of a plugin as the fields of a form.

    Options that name files are left out, since a page names none; and those of other shapes than a number or a text.

    Args:
        schema: The pydantic model.

    Returns:
        The fields, in the order of declaration.
    """
    properties = schema.model_json_schema().get("properties", {})
    fields = [_field(name, described) for name, described in properties.items()]
    return [field for field in fields if field is not None]


def _field(name: str, described: Mapping[str, Any]) -> dict[str, Any] | None:
    alternatives = described.get("anyOf", [described])
    given = [one for one in alternatives if one.get("type") != "null"]
    if len(given) != 1 or given[0].get("format") == "path":
        return None
    [value] = given
    kind = "choice" if "enum" in value or "const" in value else _KINDS.get(value.get("type", ""))
    if kind is None:
        return None
    field = {
        "name": name,
        "kind": kind,
        "default": described.get("default"),
        "optional": len(given) < len(alternatives),
        "help": described.get("description", ""),
    }
    if kind == "choice":
        field["choices"] = value.get("enum", [value.get("const")])
    return {**field, **{ours: value[theirs] for theirs, ours in _BOUNDS.items() if theirs in value}}
