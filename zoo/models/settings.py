"""What a weights file says of a network beside its tensors, with types and bounds, before any network is built."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from zoo.checkpoints.layouts import DetectedCheckpoint
from zoo.core.adapter import Adapter
from zoo.core.options import Options, Settings
from zoo.errors import CheckpointError, ContractError, one_line

_ASSUMED = "assumed"
_IN_DOUBT = "in_doubt"


def typed_settings(
    detected: DetectedCheckpoint, adapter: type[Adapter], options: type[Options], path: Path
) -> dict[str, Any]:
    """Check the settings of a file by the schemas of its architecture.

    Args:
        detected: What the file was detected as.
        adapter: Its architecture, whose `settings` have types and bounds.
        options: The architecture's options, which a file may state too.
        path: The file, for messages.

    Returns:
        The settings, each of the type that its schema gives it.

    Raises:
        CheckpointError: If a converted file has a setting that neither schema has, or one out of bounds.
        ContractError: If the architecture itself gives a setting that it does not declare.
    """
    config = dict(detected.config)
    assumed = config.pop(_ASSUMED, {})
    in_doubt = config.pop(_IN_DOUBT, [])
    chosen = {name: config.pop(name) for name in list(config) if name in options.model_fields}
    unknown = {name: config.pop(name) for name in list(config) if name not in adapter.settings.model_fields}
    if unknown and detected.metadata:
        raise CheckpointError(
            f"{path} has the setting {min(unknown)!r:.80}, and a {detected.family} has no such setting: convert the "
            "original file again"
        )
    if unknown and adapter.settings is not Settings:
        raise _undeclared(detected, min(unknown))
    # What an adapter without settings makes of another project's file goes to it as it is.
    typed = {**unknown, **_parse(path, adapter.settings, config), **_parse(path, options, chosen)}
    if not isinstance(assumed, Mapping) or not all(map(_is_scalar, assumed.values())):
        raise CheckpointError(f"{path} has the setting {_ASSUMED}, which is not one value for each name of a setting")
    if not isinstance(in_doubt, list) or not all(isinstance(name, str) for name in in_doubt):
        raise CheckpointError(f"{path} has the setting {_IN_DOUBT}, which is not a list of names of settings")
    noted = {_ASSUMED: dict(assumed), _IN_DOUBT: in_doubt}
    return {**typed, **{name: value for name, value in noted.items() if value}}


def require_declared(detected: DetectedCheckpoint, adapter: type[Adapter], options: type[Options]) -> None:
    """Refuse to write settings that nobody could check when the file is read.

    Args:
        detected: What is to be written.
        adapter: Its architecture.
        options: The architecture's options.

    Raises:
        ContractError: If the architecture gives a setting that it does not declare.
    """
    known = {_ASSUMED, _IN_DOUBT, *options.model_fields, *adapter.settings.model_fields}
    if unknown := sorted(detected.config.keys() - known):
        raise _undeclared(detected, unknown[0])


def _undeclared(detected: DetectedCheckpoint, name: str) -> ContractError:
    return ContractError(
        f"the adapter {detected.family} gives the setting {name!r}, which its class attribute `settings` does not "
        "declare"
    )


def _parse(path: Path, schema: type[BaseModel], values: Mapping[str, Any]) -> dict[str, Any]:
    """Validate values; None stands for a setting that the file does not tell, unless the schema knows better."""
    told = {name: value for name, value in values.items() if value is not None or _takes_none(schema, name)}
    try:
        return schema.model_validate(told).model_dump(exclude_unset=True)
    except (ValidationError, RecursionError) as error:
        if isinstance(error, RecursionError):
            raise CheckpointError(f"{path} has settings that are nested too deeply") from None
        first = error.errors(include_url=False)[0]
        name = ".".join(str(part) for part in first["loc"]) or "settings"
        value = one_line(repr(first["input"]))
        raise CheckpointError(f"{path} has the setting {name:.80}={value:.80}: {first['msg']}") from None


def _is_scalar(value: Any) -> bool:
    """Whether a value is one that a message can show; no network reads what was assumed."""
    return value is None or isinstance(value, bool | int | float | str)


def _takes_none(schema: type[BaseModel], name: str) -> bool:
    field = schema.model_fields[name]
    return field.annotation is not None and type(None) in getattr(field.annotation, "__args__", ())
