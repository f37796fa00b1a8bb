"""Options of analyzers and adapters: pydantic models, read from ``-o name=value`` or keyword arguments."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from zoo.core.class_names import names_of
from zoo.errors import OptionError, unknown_name


class Options(BaseModel):
    """The base of every options model: immutable, closed to unknown names, never infinite or NaN."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, defer_build=True)


ClassNames = Annotated[
    tuple[str, ...], BeforeValidator(lambda value: names_of(value) if isinstance(value, str) else value)
]
"""Names of classes in their order: a list in a card, a text with commas on the command line, or ``imagenet``."""


def name_classes(given: Sequence[str], count: int) -> tuple[str, ...]:
    """Name the classes of a network of `count`: as given, or by their numbers where nothing is.

    Raises `OptionError` unless there is one name a class, each another.
    """
    names = tuple(given) or tuple(str(index) for index in range(count))
    if len(names) != count or len(set(names)) != count:
        raise OptionError(f"option classes: {len(set(names))} different names, but the network has {count} classes")
    return names


AnyOptions = TypeVar("AnyOptions", bound=Options)


def parse_options(owner: str, schema: type[AnyOptions], values: Mapping[str, Any]) -> AnyOptions:
    """Read option values, given as text or as Python values.

    Raises `OptionError` that names the owner, the option, what was given and what is allowed.
    """
    for name in values:
        if name not in schema.model_fields:
            raise OptionError(str(unknown_name(f"option of {owner}", name, schema.model_fields)))
    try:
        return schema.model_validate(dict(values))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = ".".join(str(part) for part in first["loc"]) or "options"
        raise OptionError(f"{owner}: option {name}={first['input']!r}: {first['msg']}") from None


def parse_pairs(pairs: list[str]) -> dict[str, str]:
    """Split ``name=value`` texts. Raises `OptionError` for a text without ``=`` or a name given twice."""
    values: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise OptionError(f"-o {pair}: an option is written name=value")
        if name in values:
            raise OptionError(f"-o {pair}: {name} was given twice")
        values[name] = value
    return values


def describe_options(schema: type[Options]) -> list[tuple[str, str, str]]:
    """List (name, default, description) of every option, in the order of declaration."""
    return [(name, repr(field.default), field.description or "") for name, field in schema.model_fields.items()]
