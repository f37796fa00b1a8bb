"""Write what the code says into the pages.

    python docs/generate.py            write
    python docs/generate.py --check    say what is stale, and exit with 1 if anything is

A page holds pairs of comments, ``<!-- generated: KIND NAME -->`` and ``<!-- end -->``. This script replaces what stands
between them. A command, analysis, architecture, error or public package without a section gets one.
"""

from __future__ import annotations

import inspect
import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import bench_tables
import bundled_tables
import python_reference
import typer
from python_signatures import FACES, code, table

import zoo
from zoo import errors
from zoo.cli import build_app
from zoo.cli.help import usage_of_argument, value_of_option
from zoo.conformance import CONTRACTS
from zoo.core import COMMON_REGIONS
from zoo.plugins import CAPABILITIES, AdapterPlugin, AnalyzerPlugin, load_plugins
from zoo.registry.registry import load_registry

FOLDER = Path(__file__).parent
PLUGINS = load_plugins()
LAST = "\n## Where to go next"
_BLOCK = re.compile(r"<!-- generated: ([\w-]+)(?: ([^\n>]*?))? -->\n.*?<!-- end -->", flags=re.DOTALL)


# Commands


def leaves(command: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """List every command with its full name, those of groups too."""
    if not hasattr(command, "commands"):
        yield name, command
        return
    for word, part in command.commands.items():
        yield from leaves(part, f"{name} {word}".strip())


APP: Any = typer.main.get_command(build_app(PLUGINS))
COMMANDS = dict(leaves(APP))


def command(name: str) -> str:
    """Describe one command: its summary, usage, arguments and options."""
    described = COMMANDS[name]
    arguments = [part for part in described.params if part.param_type_name == "argument"]
    usage = " ".join([f"zoo {name} [OPTIONS]", *map(usage_of_argument, arguments)])
    parts = [inspect.cleandoc(described.help or ""), f"```text\n{usage}\n```"]
    if arguments:
        rows = [[code(usage_of_argument(part)), part.help or ""] for part in arguments]
        parts.append(table(["argument", "meaning"], rows))
    return "\n\n".join([*parts, options_of(described)]).rstrip()


def options_of(described: Any) -> str:
    """Set the options of a command as a table."""
    options = [part for part in described.params if part.param_type_name == "option" and not part.hidden]
    rows = [[_flags(part), code(_default(part)), part.help or ""] for part in options]
    return table(["option", "default", "meaning"], rows) if rows else "It has no options."


def _flags(part: Any) -> str:
    value = value_of_option(part)
    return ", ".join(
        f"`{flag} {value}`" if value and flag == part.opts[0] else f"`{flag}`"
        for flag in [*part.opts, *part.secondary_opts]
    )


def _default(part: Any) -> str:
    return "" if part.is_flag or part.default is None else str(part.default)


# Analyses, architectures, models, scorers


def analyzer(name: str) -> str:
    """Describe one analysis: its summary, what it requires, its options."""
    entry = PLUGINS.analyzer(name)
    needs = ", ".join(f"`{word}`" for word in sorted(entry.requires)) or "nothing"
    where = "a region with a complement, never the whole image" if entry.local else "any, `all` by default"
    return f"*{entry.summary}*. Requires: {needs}. Region: {where}.\n\n{schema_of(entry)}"


def adapter(name: str) -> str:
    """Describe one architecture: its summary, what it provides, its options."""
    entry = PLUGINS.adapter(name)
    provides = ", ".join(f"`{word}`" for word in sorted(entry.provides)) or "nothing"
    return f"*{entry.summary}*. Provides: {provides}.\n\n{schema_of(entry)}"


def layouts(name: str) -> str:
    """List the public formats of one architecture, or of all of them."""
    families = [name] if name else sorted(PLUGINS.adapters)
    rows = [
        [*([] if name else [code(family)]), code(layout.name), layout.about, ", ".join(map(code, layout.required_keys))]
        for family in families
        for layout in PLUGINS.adapter(family).resolve().layouts
    ]
    first = [] if name else ["architecture"]
    return table([*first, "format", "whose files", "recognised by"], rows)


def openings(_: str) -> str:
    """Show in what a network of each architecture may lie; ``python -m tests.support.wrappings`` opened the files."""
    rows = json.loads((FOLDER / "openings.json").read_text(encoding="utf-8"))
    families = list(next(iter(rows.values())))
    cells = [[row, *("yes" if opened[family] else "no" for family in families)] for row, opened in rows.items()]
    return table(["the network lies in", *map(code, families)], cells)


def attacks(_: str) -> str:
    """Count attacks and what came of them; ``python -m tests.attack --write`` made them."""
    rows = json.loads((FOLDER / "attacks.json").read_text(encoding="utf-8"))["rows"]
    cells = [
        [
            *(row["reader"], row["attack"] + (", at random" if row.get("fuzzed") else ""), f"{row['count']:,}"),
            *(f"{row['outcomes'].get(outcome, 0):,}" for outcome in ("read", "refused")),
            *(f"{row['seconds']:.1f} s", f"{row['megabytes']:,} MB"),
        ]
        for row in rows
    ]
    chance = sum(row["count"] for row in rows if row.get("fuzzed"))
    others = sum(row["count"] for row in rows) - chance
    counted = f"The table counts {others:,} attacks and {chance:,} inputs that were made at random."
    return f"{counted}\n\n" + table(
        ["read by", "attack", "inputs", "read", "refused", "longest", "highest peak"], cells
    )


def schema_of(entry: AdapterPlugin | AnalyzerPlugin) -> str:
    """Set the options of an entry as a table, read from their pydantic model."""
    fields = entry.schema().model_json_schema().get("properties", {})
    rows = [
        [code(name), _allowed(field), code(_plain(field.get("default"))), field.get("description", "")]
        for name, field in fields.items()
    ]
    return table(["option", "values", "default", "meaning"], rows) if rows else "It has no options."


def _allowed(field: dict[str, Any]) -> str:
    """Say in words what a field of a JSON schema takes."""
    alternatives = [schema for schema in field.get("anyOf", [field]) if schema.get("type") != "null"]
    return " or ".join(_values_of(schema) for schema in alternatives)


def _values_of(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema["enum"])
    bounds = {"exclusiveMinimum": "above", "minimum": "from", "exclusiveMaximum": "below", "maximum": "up to"}
    limits = [f"{word} {schema[key]:g}" for key, word in bounds.items() if key in schema]
    names = {"boolean": "`true` or `false`", "string": "path" if schema.get("format") == "path" else "text"}
    json_type = schema.get("type", "value")
    return " ".join([names.get(json_type, json_type), *limits])


def _plain(value: Any) -> str:
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def models(_: str) -> str:
    """List the models of the registry."""
    rows = [
        [
            *(code(card.name), card.summary, card.pixels, code(card.codes)),
            "yes" if card.weights.verified else "no",
        ]
        for card in load_registry(PLUGINS).match(None)
    ]
    return table(["model", "images", "size", "codes", "tried"], rows)


def licences(_: str) -> str:
    """List the terms of each model's weights, and of the data that it was trained on."""
    rows = [
        [code(card.name), card.licence.weights, card.licence.data or "not stated"]
        for card in load_registry(PLUGINS).match(None)
    ]
    return table(["model", "weights", "data"], rows)


def matrix(_: str) -> str:
    """Show which analysis runs on which architecture."""
    names = sorted(PLUGINS.analyzers)
    rows = [
        [code(name), *(PLUGINS.analyzers[each].obstacle(entry) or "yes" for each in names)]
        for name, entry in sorted(PLUGINS.adapters.items())
    ]
    return table(["", *map(code, names)], rows)


def capabilities(_: str) -> str:
    """List the words of `provides` and `requires`."""
    return table(["word", "the architecture …"], [[code(word), text] for word, text in CAPABILITIES.items()])


def regions(_: str) -> str:
    """List the regions that every model has."""
    return table(["region", "is"], [[code(name), code(text)] for name, text in COMMON_REGIONS.items()])


# The contract


def checks(kind: str) -> str:
    """List the checks of a kind of thing, each with an anchor, to which a failure leads."""
    rows = [[f'<a id="{kind}-{name}"></a>{code(name)}', contract.text] for name, contract in CONTRACTS[kind].items()]
    return table(["check", "the contract"], rows)


def contract(_: str) -> str:
    """Say which version of the contract this is."""
    return f"This zoo has contract {'.'.join(map(str, zoo.CONTRACT))} (`zoo.CONTRACT`)."


# Errors


def _tree(kind: type[Exception]) -> Iterator[type[Exception]]:
    yield kind
    for child in kind.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from _tree(child)


ERRORS = {kind.__name__: kind for kind in _tree(errors.ZooError)}


def error(name: str) -> str:
    """Say what an error means and which exit code it leads to."""
    kind = ERRORS[name]
    return f"{inspect.cleandoc(kind.__doc__ or '')} Exit code {getattr(kind, 'exit_code', 2)}."


def error_tree(_: str) -> str:
    """Show the tree of errors as their module draws it."""
    drawing = (errors.__doc__ or "").split("::\n", 1)[1].split("\nAnything else", 1)[0]
    return f"```text\n{inspect.cleandoc(drawing)}\n```"


KINDS: dict[str, Callable[[str], str]] = {
    "command": command,
    "global-options": lambda _: options_of(APP),
    "analyzer": analyzer,
    "adapter": adapter,
    "layouts": layouts,
    "openings": openings,
    "attacks": attacks,
    "models": models,
    "licences": licences,
    "matrix": matrix,
    "capabilities": capabilities,
    "regions": regions,
    "checks": checks,
    "contract": contract,
    "error": error,
    "error-tree": error_tree,
    **bundled_tables.KINDS,
    **bench_tables.KINDS,
    **python_reference.KINDS,
}
# Pages that have a section for each of something: the kind of block, the heading, and the names.
SECTIONS: dict[str, tuple[str, str, list[str]]] = {
    "commands.md": ("command", "zoo {}", list(COMMANDS)),
    "architectures.md": ("adapter", "{}", sorted(PLUGINS.adapters)),
    "analyses.md": ("analyzer", "{}", list(PLUGINS.analyzers)),
    "errors.md": ("error", "{}", [name for name in ERRORS if name != "ZooError"]),
    "python.md": ("face", "{}", list(FACES)),
}


def written(page: Path) -> str:
    """Return a page's text as it should be."""
    text = page.read_text(encoding="utf-8")
    kind, heading, names = SECTIONS.get(page.name, ("", "", []))
    for name in names:
        mark = f"<!-- generated: {kind} {name} -->"
        if mark not in text:
            before, last, after = text.partition(LAST)
            text = f"{before.rstrip()}\n\n## {heading.format(name)}\n\n{mark}\n<!-- end -->\n{last}{after}"
    return _BLOCK.sub(_filled, text)


def _filled(block: re.Match[str]) -> str:
    head = block[0].partition("\n")[0]
    return f"{head}\n\n{KINDS[block[1]](block[2] or '')}\n\n<!-- end -->"


def main(arguments: list[str]) -> int:
    """Write every page, or with ``--check`` name those that are stale; return the exit code."""
    stale = [page for page in sorted(FOLDER.glob("*.md")) if written(page) != page.read_text(encoding="utf-8")]
    if "--check" in arguments:
        for page in stale:
            print(f"docs/{page.name} is stale: run 'python docs/generate.py'", file=sys.stderr)
        return 1 if stale else 0
    for page in stale:
        page.write_text(written(page), encoding="utf-8")
        print(f"wrote docs/{page.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
