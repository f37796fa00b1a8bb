"""What is behind every command: help in groups, and global options after the command's name as well as before it."""

from __future__ import annotations

from collections.abc import Iterable
from copy import copy
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperCommand, TyperGroup

from zoo.registry.cards import is_file_name

if TYPE_CHECKING:
    from zoo.plugins.entries import AdapterPlugin, AnalyzerPlugin
    from zoo.registry.registry import Installation

# Options of the program that are accepted after the command too.
_LATE = ("quiet", "debug", "registry", "version")
# Help is set in so many columns at most; longer lines are hard to read.
WIDTH = 100
_GLOBAL = "Global options"
# The groups of options, in the order in which help prints them; those of a plugin's command come before the last.
_GROUPS = ("Arguments", "Options", "Codes", "Network", "Output")
# Where a context keeps the words after the command.
_WORDS = "zoo.cli.help.words"

# A term and its description.
Record = tuple[str, str]


class Group(TyperGroup):
    """The program: it prints its commands in groups, each with its whole description."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the options, and then the commands."""
        _write_groups(formatter, _records(self, ctx, "Options"))
        self.format_commands(ctx, formatter)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the commands, by group. Descriptions are wrapped; click would cut them."""
        commands = {name: self.commands[name] for name in self.list_commands(ctx) if not self.commands[name].hidden}
        width = max(map(len, commands), default=0)
        _write_groups(
            formatter,
            (
                (getattr(command, "rich_help_panel", None) or "Commands", (name.ljust(width), _summary(command)))
                for name, command in commands.items()
            ),
        )


class Command(TyperCommand):
    """A command that takes the global options too, and prints its options in groups."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Add those global options whose flags the command does not use itself."""
        own = super().get_params(ctx)
        taken = {flag for param in own for flag in param.opts}
        return [*own, *(option for option in _global_options(ctx) if not taken & set(option.opts))]

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Keep the words for `format_options`: ``--help`` is carried out before other options are read."""
        ctx.meta[_WORDS] = list(args)
        return super().parse_args(ctx, args)

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Write what is optional in brackets, and dots behind what may be repeated."""
        arguments = (param for param in self.get_params(ctx) if param.param_type_name == "argument")
        return [self.options_metavar or "", *map(usage_of_argument, arguments)]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write arguments, options by group, and the options of the plugins that were named."""
        _write_groups(formatter, _records(self, ctx, _GLOBAL))
        if any("-o" in param.opts for param in self.params):
            _write_groups(formatter, _plugin_options(ctx))


def take_global(context: typer.Context, param: typer.CallbackParam, value: Any) -> Any:
    """Apply a global option, before the command's name or after it.

    Args:
        context: The context, whose object is the `Settings`.
        param: The option.
        value: What was given.

    Returns:
        The value.
    """
    if value:
        context.obj = context.obj.with_option(param.name, value)
    return value


def words_by_name(ctx: Any) -> dict[str, Any]:
    """Sort the words after a command by its parameters, before any of them is read.

    Args:
        ctx: The context of the command.

    Returns:
        The texts by the parameters' names. An option at the end that still lacks its value is left out.
    """
    words = list(ctx.meta.get(_WORDS, ()))
    if ctx.resilient_parsing and words[-1:] and words[-1].startswith("-"):
        del words[-1]
    found: dict[str, Any] = ctx.command.make_parser(ctx).parse_args(words)[0]
    return found


def usage_of_argument(argument: Any) -> str:
    """Write an argument as the usage line has it.

    Args:
        argument: The argument, of typer's own kind.

    Returns:
        Its name; in brackets if it may be left out, followed by dots if it may be repeated.
    """
    text = str(argument.metavar or argument.name.upper()).strip("[]") + ("..." if argument.nargs == -1 else "")
    return text if argument.required else f"[{text}]"


def value_of_option(option: Any) -> str:
    """Write what follows an option's flag.

    Args:
        option: The option, of typer's own kind.

    Returns:
        The name of its value, followed by dots if the option may be repeated; empty for a flag.
    """
    if option.is_flag:
        return ""
    return f"{option.metavar or option.type.name.upper()}{'...' if option.multiple else ''}"


def _global_options(ctx: Any) -> list[Any]:
    """Copy the program's options for a command, which does not get their values as arguments."""
    options = []
    for option in ctx.find_root().command.params:
        if option.name in _LATE:
            late = copy(option)
            late.expose_value, late.rich_help_panel = False, _GLOBAL
            options.append(late)
    return options


def _records(command: Any, ctx: Any, group_of_help: str) -> list[tuple[str, Record]]:
    """Describe a command's parameters, each with the title of its group."""
    described = []
    for param in command.get_params(ctx):
        usual = group_of_help if param.name == "help" else "Options"
        title = "Arguments" if param.param_type_name == "argument" else getattr(param, "rich_help_panel", None) or usual
        record = _record(param, ctx)
        if record is not None:
            described.append((title, record))
    return described


def _record(param: Any, ctx: Any) -> Record | None:
    """Describe a parameter, with dots where it may be repeated."""
    record = param.get_help_record(ctx)
    if record is None:
        return None
    if param.param_type_name == "argument":
        return usage_of_argument(param), param.help or ""
    flags = " / ".join(", ".join(flags) for flags in (sorted(param.opts, key=len), param.secondary_opts) if flags)
    return f"{flags} {value_of_option(param)}".strip(), record[1]


def _summary(command: Any) -> str:
    """Return the first paragraph of a command's description, on one line."""
    return " ".join((command.help or command.short_help or "").split("\n\n")[0].split())


def _write_groups(formatter: Any, records: Iterable[tuple[str, Record]]) -> None:
    """Write a section for each group: those of `_GROUPS` first, the global options last."""
    groups: dict[str, list[Record]] = {}
    for title, record in records:
        groups.setdefault(title, []).append(record)
    for title in sorted(groups, key=_place):
        with formatter.section(title):
            formatter.write_dl(groups[title])


def _place(title: str) -> int:
    last = len(_GROUPS)
    return _GROUPS.index(title) if title in _GROUPS else last + (title == _GLOBAL)


def _plugin_options(ctx: Any) -> list[tuple[str, Record]]:
    """Describe the options of the analyzer and of the model that the words after the command name."""
    chosen = words_by_name(ctx)
    return [
        (f"Options of {entry.name}, written -o NAME=VALUE", record)
        for entry in _named_entries(ctx.obj.installation, chosen.get("analyzer"), chosen.get("model"))
        for record in _describe(entry)
    ]


def _named_entries(
    installation: Installation, analyzer: str | None, model: str | None
) -> list[AdapterPlugin | AnalyzerPlugin]:
    """Look up an analyzer, and the architecture of a model that has a card."""
    entries: list[AdapterPlugin | AnalyzerPlugin] = []
    if analyzer is not None:
        entries.append(installation.plugins.analyzer(analyzer))
    if model is not None and not is_file_name(model):
        entries.append(installation.plugins.adapter(installation.registry.resolve(model).adapter))
    return entries


def _describe(entry: AdapterPlugin | AnalyzerPlugin) -> list[Record]:
    from zoo.core.options import describe_options

    return [
        (name, text if default in {None, ()} else f"{text}  [default: {default}]")
        for name, default, text in describe_options(entry.schema())
    ]
