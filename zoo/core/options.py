"""Options of analyzers and adapters: pydantic models, filled from ``-o name=value`` or from keyword arguments."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from zoo.core.class_names import parse_class_names
from zoo.errors import OptionError, unknown_name

# The option of every architecture that names one of several networks in a file.
NETWORK_OPTION = "network"
# The option of every architecture that multiplies the limits on what one image may cost; a card cannot give it.
LIMIT_OPTION = "image_limit"
# The option that names the architecture of a file, where the layouts of several fit it.
ADAPTER_OPTION = "adapter"
GENERAL_OPTIONS = (NETWORK_OPTION, LIMIT_OPTION, ADAPTER_OPTION)


class Options(BaseModel):
    """The base class of every options model: immutable, without infinity and NaN, and closed to unknown names."""

    # defer_build: pydantic builds the validator on first use, which keeps `zoo info` fast.
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, defer_build=True)


class Settings(BaseModel):
    """The base class of what an architecture reads of a file beside the weights: immutable, and closed to other names.

    Values come from files of strangers, so that every field needs a type and bounds.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, defer_build=True)


# An option of names of classes: a list in a card, a text with commas on the command line, or the word ``imagenet``.
ClassNames = Annotated[
    tuple[str, ...], BeforeValidator(lambda value: parse_class_names(value) if isinstance(value, str) else value)
]

# An option of several names: a list in a card, a text with commas on the command line.
Names = Annotated[
    tuple[str, ...],
    BeforeValidator(
        lambda given: tuple(part.strip() for part in given.split(",")) if isinstance(given, str) else given
    ),
]


# A positive number, or "none".
PositiveOrNone = Annotated[
    float | None, Field(gt=0), BeforeValidator(lambda value: None if value in ("none", "None") else value)
]


def name_classes(given: Sequence[str], count: int) -> tuple[str, ...]:
    """Name the classes of a conditional network.

    Args:
        given: the names that the user or the card gave; empty for none.
        count: the number of classes of the network.

    Returns:
        The given names, or ``"0"``, ``"1"``, … without any.

    Raises:
        OptionError: there are not exactly `count` different names.

    """
    names = tuple(given) or tuple(str(index) for index in range(count))
    if len(names) != count or len(set(names)) != count:
        raise OptionError(f"option classes: {len(set(names))} different names, but the network has {count} classes")
    return names


AnyOptions = TypeVar("AnyOptions", bound=Options)


def parse_options(owner: str, schema: type[AnyOptions], values: Mapping[str, Any]) -> AnyOptions:
    """Validate option values.

    Args:
        owner: whose options they are; error messages name it.
        schema: the options model.
        values: the values by name, as text or as Python values.

    Returns:
        The validated options.

    Raises:
        OptionError: there is no such option, or its value is not allowed.

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
    """Split the texts of ``-o name=value``.

    Args:
        pairs: the texts.

    Returns:
        The values by name, as text.

    Raises:
        OptionError: a text has no ``=``, or a name is given twice.

    """
    values: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise OptionError(f"-o {pair}: an option is written name=value")
        if name in values:
            raise OptionError(f"-o {pair}: {name} was given twice")
        values[name] = value
    return values


def describe_options(schema: type[Options]) -> list[tuple[str, Any, str]]:
    """List the options of a model.

    Args:
        schema: the options model.

    Returns:
        (name, default, description) of each option, in the order of declaration; the default of one that must be
        given is None.

    """
    return [
        (name, None if field.is_required() else field.get_default(call_default_factory=True), field.description or "")
        for name, field in schema.model_fields.items()
    ]
