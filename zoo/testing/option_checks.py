"""Checks of the options of analyzers and projectors."""

from __future__ import annotations

from zoo.core.options import Options, parse_options
from zoo.errors import ContractError, OptionError
from zoo.plugins.entries import AnalyzerPlugin, ProjectorPlugin
from zoo.testing.assertions import require


def check_options(entry: AnalyzerPlugin | ProjectorPlugin) -> None:
    """Options are a pydantic model in which each has a default and a description, and unknown ones are refused."""
    schema = entry.schema()
    require(issubclass(schema, Options), "options are a subclass of zoo.Options", schema.__name__)
    for name, option in schema.model_fields.items():
        require(not option.is_required(), "every option has a default", f"{name} has none")
        require(bool(option.description), "every option has a description for zoo info", f"{name} has none")
    try:
        parse_options(entry.name, schema, {"no_such_option": 1})
    except OptionError:
        return
    raise ContractError("the contract is: an unknown option is an OptionError; seen: it was accepted")
