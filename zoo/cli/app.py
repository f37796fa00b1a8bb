"""The commands assembled into one command line, and what becomes of the exceptions that they raise."""

from __future__ import annotations

import codecs
import io
import os
import pkgutil
import sys
import traceback
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer
from typer.core import TyperCommand

from zoo._version import __version__
from zoo.cli import INTERRUPTED, received, refused, say
from zoo.cli.console import Settings
from zoo.cli.help import WIDTH, Command, Group, take_global
from zoo.cli.torch_import import import_torch_quickly
from zoo.errors import PluginError, ZooError, is_out_of_memory, message_of, one_line
from zoo.plugins.discovery import load_plugins
from zoo.plugins.manager import Plugins
from zoo.plugins.skipped import PluginWarning

# Where each command is, in the order of ``zoo --help``.
COMMANDS = {
    "list": "zoo.cli.commands.browse:list_",
    "info": "zoo.cli.commands.browse:info",
    "plugins": "zoo.cli.commands.browse:plugins",
    "sample": "zoo.cli.commands.verbs:sample",
    "analyze": "zoo.cli.commands.analyses:analyze",
    "edit": "zoo.cli.commands.verbs:edit",
    "compare": "zoo.cli.commands.verbs:compare",
    "score": "zoo.cli.commands.verbs:score",
    "find": "zoo.cli.commands.finding:find",
    "bench": "zoo.cli.commands.bench:bench",
    "name": "zoo.cli.commands.naming:name",
    "pick": "zoo.cli.commands.naming:pick",
    "push": "zoo.cli.commands.hub:push",
    "search-directions": "zoo.cli.commands.hub:search_directions",
    "sweep": "zoo.cli.commands.sweeps:sweep",
    "project": "zoo.cli.commands.pictures:project",
    "studio": "zoo.cli.commands.studio:studio",
    "pull": "zoo.cli.commands.weights:pull",
    "cache": "zoo.cli.commands.weights:cache",
    "add": "zoo.cli.commands.weights:add",
    "convert": "zoo.cli.commands.weights:convert",
    "remove": "zoo.cli.commands.weights:remove",
    "new": "zoo.cli.commands.plugin_authors:new",
    "check": "zoo.cli.commands.plugin_authors:check",
}
# The groups of `zoo --help`, by the module that its commands are in.
_GROUPS = {
    "zoo.cli.commands.browse": "Look things up",
    "zoo.cli.commands.verbs": "Work with a model",
    "zoo.cli.commands.analyses": "Work with a model",
    "zoo.cli.commands.bench": "Work with a model",
    "zoo.cli.commands.finding": "Work with a model",
    "zoo.cli.commands.naming": "Work with a model",
    "zoo.cli.commands.hub": "Share directions",
    "zoo.cli.commands.sweeps": "Work with a model",
    "zoo.cli.commands.pictures": "Work with a model",
    "zoo.cli.commands.studio": "Work with a model",
    "zoo.cli.commands.weights": "Weights files, and models of your own",
    "zoo.cli.commands.plugin_authors": "Write plugins",
}
# The variable by which shells ask typer for proposals.
_COMPLETING = "_ZOO_COMPLETE"
# What stands for signs that zoo prints itself, where an encoding lacks them; any other becomes a question mark.
_PLAIN = {"–": "-", "−": "-", "…": "...", "·": "-", "²": "^2", "×": "x", "±": "+-", "✓": "ok", "✗": "no", "’": "'"}
_PLAIN_ERRORS = "zoo.plain"
_INTERRUPTED_MESSAGE = (
    "interrupted; no partial output is left, and the next fetch or bench goes on where this one stopped"
)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"zoo {__version__}")
        raise typer.Exit


def _settings(
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", callback=take_global, help="No progress and no tables.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
    registry: Annotated[
        list[Path] | None,
        # Eager, so that the models of these cards are known to what looks at a model's name.
        typer.Option(metavar="FILE", callback=take_global, is_eager=True, help="Read further model cards."),
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and stop.")
    ] = False,
) -> None:
    """Find meaning in GANs: directions that turn a head, open a mouth, change a style."""


def build_app(plugins: Plugins, only: str | None = None, *, listed: bool = False) -> typer.Typer:
    """Assemble the command line, including the commands of plugins.

    Typer reads the signatures of all commands that it is given, which takes longer than ``zoo list`` itself.

    Args:
        plugins: the loaded plugins.
        only: one of `COMMANDS`: leave zoo's other commands out.
        listed: whether zoo's commands are listed and none of them is called, so that no signature need be read.

    Returns:
        The command line.

    Raises:
        PluginError: a command's name is claimed twice, and `only` is not ``plugins``.

    """
    app = typer.Typer(
        cls=Group,
        add_completion=only is None,  # its options are looked at only where no command is named
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": WIDTH},
    )
    app.callback()(_settings)
    for name in COMMANDS if only is None else [only]:
        module = COMMANDS[name].partition(":")[0]
        command = pkgutil.resolve_name(COMMANDS[name])
        app.command(name, rich_help_panel=_GROUPS[module])(_described(command) if listed else command)
    try:
        plugins.add_commands(app, COMMANDS)
    except PluginError as error:
        if only != "plugins":
            raise
        warnings.warn(str(error), PluginWarning, stacklevel=2)  # that command shows what to uninstall
    for command in app.registered_commands:
        if command.cls is TyperCommand:
            command.cls = Command
    return app


def _described(command: Callable[..., None]) -> Callable[[], None]:
    """Make a command without parameters that `Group` describes as the given one."""

    def description() -> None:
        raise AssertionError(f"{command.__name__} was only to be listed")

    description.__doc__ = command.__doc__
    return description


def run(arguments: Sequence[str]) -> int:
    """Run the command line. Each error and each warning is one line on standard error.

    Args:
        arguments: the words after ``zoo``.

    Returns:
        The exit code: 0, or 2 for a mistake of the user, 1 for a bug, 130 after Ctrl-C.

    """
    with warnings.catch_warnings():
        warnings.simplefilter("always", PluginWarning)
        warnings.showwarning = _print_warning
        return _run(arguments)


def _run(arguments: Sequence[str]) -> int:
    try:
        plugins = load_plugins()
        arguments = list(arguments) or ["--help"]
        named = _find_command(arguments)
        app = build_app(plugins, named, listed=named is None and _COMPLETING not in os.environ)
        code = app(arguments, standalone_mode=False, prog_name="zoo", obj=Settings(plugins))
        if code == INTERRUPTED:  # typer returns this code after Ctrl-C and prints nothing
            raise KeyboardInterrupt
        return code if isinstance(code, int) else 0
    except ZooError as error:
        return _fail(_with_notes(error), error.exit_code, arguments)
    except (KeyboardInterrupt, typer.Abort):
        return _fail(_INTERRUPTED_MESSAGE, INTERRUPTED, ())
    except BrokenPipeError:
        return 0
    except SystemExit as error:
        unread = isinstance(error.__context__, BrokenPipeError)  # typer makes this of it
        if not unread and _find_command(arguments) is None:  # a plugin's own command may end as it likes
            raise
        return 0 if unread else _fail_unexpectedly(error, arguments)
    except BaseException as error:  # code of plugins may raise anything, also what is no Exception
        return _fail_unexpectedly(error, arguments)


def _find_command(arguments: Sequence[str]) -> str | None:
    """Find the first word that is neither a global option nor the value of one; None where zoo has no such command."""
    words = iter(arguments)
    for word in words:
        if word == "--registry":
            next(words, None)
        elif not word.startswith("-"):
            return word if word in COMMANDS else None
    return None


def _fail_unexpectedly(error: BaseException, arguments: Sequence[str]) -> int:
    """Report a usage error, which click raises with a method `format_message`, a lack of memory, or a bug."""
    format_usage = getattr(error, "format_message", None)
    if format_usage is not None:
        message = format_usage().rstrip(".")
        context = getattr(error, "ctx", None)
        path = context.command_path if context is not None else "zoo"
        return _fail(f"{message}; see '{path} --help'", 2, ()) if message else 2
    if received:  # a library has turned the interruption into an error of its own
        return _fail(_INTERRUPTED_MESSAGE, INTERRUPTED, ())
    if any(error is one for one in refused):
        return _fail(f"cannot write to standard output: {refused[0].strerror}", 2, arguments)
    if is_out_of_memory(error):
        notes = "".join(f"; {note}" for note in getattr(error, "__notes__", ()))
        advice = "try fewer --samples, a smaller -o chunk=…, or --device cpu"
        return _fail(f"out of memory: {advice}{notes}", 2, arguments)
    return _fail(f"internal error, please report it: {type(error).__name__}: {_with_notes(error)}", 1, arguments)


def _with_notes(error: BaseException) -> str:
    """Tell an error with what was said of it later, such as where results are."""
    return "; ".join([message_of(error), *getattr(error, "__notes__", ())])


def start(arguments: Sequence[str]) -> int:
    """Run the command line as a process of its own.

    Args:
        arguments: the words after ``zoo``.

    Returns:
        The exit code of `run`.

    """
    if _COMPLETING in os.environ:  # the shell asks while a command is typed: warnings would be in the middle of it
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - open until the process ends
    # OpenMP threads that wait for each other spin by default. Where another program uses the same cores, that makes
    # everything about ten times as slow. torch reads the variable when it is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # Large maps are given back to the system after each layer, and it clears their pages of 4 kB for the next one. With
    # pages of 2 MB, a network takes a fifth less time. torch reads the variable when it first needs memory; systems
    # other than Linux ignore it.
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    import_torch_quickly()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_PLAIN_ERRORS)
    return run(arguments)


def _replace_signs(error: UnicodeError) -> tuple[str, int]:
    """Put plain signs in place of those that an encoding lacks."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(_PLAIN.get(sign, "?") for sign in error.object[error.start : error.end]), error.end


codecs.register_error(_PLAIN_ERRORS, _replace_signs)


def _fail(message: str, code: int, arguments: Sequence[str]) -> int:
    if "--debug" in arguments:
        traceback.print_exc()
    say(f"zoo: {one_line(message)}")
    return code


def _print_warning(message: Warning | str, *_: object, **__: object) -> None:
    say(f"zoo: warning: {one_line(str(message))}")
