"""Write what the code says into the pages.

    python docs/generate.py            write
    python docs/generate.py --check    say what is stale, and exit with 1 if anything is

A page holds pairs of comments, ``<!-- generated: KIND NAME -->`` and ``<!-- end -->``; what stands between them is
written here. A command, analysis, error or public name that no page speaks of yet gets a section of its own.
"""

from __future__ import annotations

import inspect
import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import typer
from zoo_scorers.avatars.card import read_card

import zoo
from zoo import errors
from zoo.cli import build_app
from zoo.conformance import CONTRACTS
from zoo.core import COMMON_REGIONS
from zoo.plugins import CAPABILITIES, HOOKS, AdapterPlugin, AnalyzerPlugin, hookspecs, load_plugins
from zoo.registry.registry import load_registry

FOLDER = Path(__file__).parent
PLUGINS = load_plugins()
LAST = "\n## Where to go next"
_BLOCK = re.compile(r"<!-- generated: ([\w-]+)(?: ([^\n>]*?))? -->\n.*?<!-- end -->", flags=re.DOTALL)


def table(columns: list[str], rows: list[list[str]]) -> str:
    """Set a Markdown table; a bar inside of a cell is escaped."""
    lines = [columns, ["---"] * len(columns), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def code(text: str) -> str:
    """Set text as code; nothing stays nothing."""
    return f"`{text}`" if text else ""


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
    found = COMMANDS[name]
    arguments = [part for part in found.params if part.param_type_name == "argument"]
    usage = " ".join([f"zoo {name} [OPTIONS]", *(_argument(part) for part in arguments)])
    parts = [inspect.cleandoc(found.help or ""), f"```text\n{usage}\n```"]
    if arguments:
        rows = [[code(_metavar(part)), part.help or ""] for part in arguments]
        parts.append(table(["argument", "meaning"], rows))
    return "\n\n".join([*parts, options_of(found)]).rstrip()


def options_of(found: Any) -> str:
    """Set the options of a command as a table."""
    options = [part for part in found.params if part.param_type_name == "option" and not part.hidden]
    rows = [[_flags(part), code(_default(part)), part.help or ""] for part in options]
    return table(["option", "default", "meaning"], rows) if rows else "It has no options."


def _metavar(part: Any) -> str:
    return str(part.metavar or part.name.upper())


def _argument(part: Any) -> str:
    text = _metavar(part) + ("..." if part.nargs == -1 else "")
    return text if part.required else f"[{text}]"


def _flags(part: Any) -> str:
    value = "" if part.is_flag else f" {part.metavar or part.type.name.upper()}"
    return ", ".join(f"`{flag}{value if flag == part.opts[0] else ''}`" for flag in [*part.opts, *part.secondary_opts])


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
    kinds = [kind for kind in field.get("anyOf", [field]) if kind.get("type") != "null"]
    return " or ".join(_kind(kind) for kind in kinds)


def _kind(field: dict[str, Any]) -> str:
    if "enum" in field:
        return " or ".join(f"`{value}`" for value in field["enum"])
    bounds = {"exclusiveMinimum": "above", "minimum": "from", "exclusiveMaximum": "below", "maximum": "up to"}
    limits = [f"{word} {field[key]:g}" for key, word in bounds.items() if key in field]
    names = {"boolean": "`true` or `false`", "string": "path" if field.get("format") == "path" else "text"}
    kind = field.get("type", "value")
    return " ".join([names.get(kind, kind), *limits])


def _plain(value: Any) -> str:
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def models(_: str) -> str:
    """List the models of the registry."""
    cards = load_registry(PLUGINS).match(None)
    rows = [
        [
            *(code(card.name), card.summary, f"{card.resolution}²", code(card.codes)),
            "yes" if card.weights.verified else "no",
            str(card.licence),
        ]
        for card in cards
    ]
    return table(["model", "images", "size", "codes", "tried", "licence"], rows)


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


def avatars(_: str) -> str:
    """List what the scorer of avatars knows, and how well."""
    card = read_card()
    rows = [
        [
            code(name),
            ", ".join(values),
            f"{100 * card['accuracy'][name]:.2f} %",
            f"{100 * card['accuracy_spoiled'][name]:.2f} %",
        ]
        for name, values in card["attributes"].items()
    ]
    return table(["attribute", "values", "accuracy", "of spoiled pictures"], rows)


# The models in the box

MEASURED = FOLDER.parent / "recipes" / "measured"
REAL = "real pictures"


def _measured() -> dict[str, Any]:
    """Read what `recipes.evaluate` wrote of each model; the best comes first."""
    found = {file.stem: json.loads(file.read_text()) for file in MEASURED.glob("*.avatars32.json")}
    return dict(sorted(found.items(), key=lambda pair: float(pair[1]["frechet"])))


def bundled(_: str) -> str:
    """Show how good the models in the box are."""
    found, cards = _measured(), load_registry(PLUGINS).cards
    real = next(iter(found.values()))
    twins = min(style["closest_real"] for style in real["styles"].values())
    rows = [[REAL, "", *_likeness(real["real"]), "", f"{twins:.3f}"]]
    for name, told in found.items():
        styles = [style for style in told["styles"].values() if "closest" in style]
        recognized = f"{min(style['recognized'] for style in styles):.1%}".replace("%", " %") if styles else ""
        alike = f"{min(style['closest'] for style in styles):.3f}" if styles else ""
        size = f"{(cards[name].weights.size or 0) / 1e6:.1f} MB"
        rows.append([code(name), size, *_likeness(told), recognized, alike])
    columns = ["", "file", "distance", "precision", "recall", "to the nearest", "recognised", "twins"]
    return table(columns, rows)


def _likeness(told: dict[str, Any]) -> list[str]:
    return [
        f"{told['frechet']:.1f}",
        *(f"{told[key]:.2f}" for key in ("precision", "recall")),
        f"{told['nearest']['50%']:.1f}",
    ]


def bundled_shares(_: str) -> str:
    """Show how often each value of an attribute is seen."""
    found = _measured()
    shares: dict[str, Any] = next(iter(found.values()))["shares"]
    rows = [
        [
            f"{name.replace('_', ' ')}: {value}",
            f"{100 * real:.0f}",
            *(f"{100 * told['shares'][name][value][0]:.0f}" for told in found.values()),
        ]
        for name, values in shares.items()
        for value, (_, real) in values.items()
    ]
    return table(["", REAL, *(code(name.partition(".")[0]) for name in found)], rows)


def bundled_scores(_: str) -> str:
    """Show what the analyses find in the models in the box."""
    rows = json.loads((MEASURED / "scores.json").read_text())
    attributes = list(rows[0]["strengths"])
    columns = ["", "region", *(name.replace("_", " ") for name in attributes), "beside", "coverage"]
    parts = []
    for model in dict.fromkeys(row["model"] for row in rows):
        own = [row for row in rows if row["model"] == model]
        cells = [
            [
                code(row["analyzer"]) if row["analyzer"] in PLUGINS.analyzers else row["analyzer"],
                code(row["region"].rpartition("_")[2]),
                *(_two(row["strengths"][name]) for name in attributes),
                _two(median(row["outside"])) if None not in row["outside"] else "",
                _two(row["coverage"]),
            ]
            for row in own
        ]
        chance = ["*another picture*", "", *(_two(own[0]["chance"][name]) for name in attributes), "", ""]
        parts.append(f"### {model}\n\n{table(columns, [*cells, chance])}")
    return "\n\n".join(parts)


def _two(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


# Python


def hooks(_: str) -> str:
    """List the hooks with their signatures."""
    rows = []
    for name in HOOKS:
        hook = getattr(hookspecs, name)
        text = str(inspect.signature(hook)).replace("typer.Typer", "Typer").replace("'", "")
        rows.append([code(f"{name}{text}"), " ".join((hook.__doc__ or "").replace("``", "`").split())])
    return table(["hook", "what it does"], rows)


TYPES: tuple[type, ...] = (
    *(zoo.AdapterPlugin, zoo.AnalyzerPlugin, zoo.ScorerPlugin),
    *(zoo.Adapter, zoo.Layout, zoo.Projection, zoo.LatentSpace, zoo.Codes, zoo.Region),
    *(zoo.Analyzer, zoo.Probe, zoo.Directions, zoo.Options, zoo.Scorer),
)
"""What the hooks are about, in the order in which one meets it."""


def types(_: str) -> str:
    """List each type that plugins meet: what it is, and its members."""
    return "\n\n".join(_type(kind) for kind in TYPES)


def _type(kind: type) -> str:
    about = inspect.getdoc(kind) or ""
    rows = [[_member(kind, name), _first_line(inspect.getattr_static(kind, name, None))] for name in _members(kind)]
    return "\n\n".join([f"### zoo.{kind.__name__}", about, *([table(["member", ""], rows)] if rows else [])])


def _members(kind: type) -> list[str]:
    """Name what a type declares and defines itself, its fields first."""
    declared = [name for name in inspect.get_annotations(kind) if not name.startswith("_")]
    defined = [name for name in vars(kind) if not name.startswith("_") and name not in declared]
    return [*declared, *(name for name in defined if name != "model_config")]


def _member(kind: type, name: str) -> str:
    """Write a field with its type, or a method with its parameters; in bold what has to be defined."""
    found = inspect.getattr_static(kind, name, None)
    needed = name in getattr(kind, "__abstractmethods__", ()) or (inspect.isabstract(kind) and found is None)
    if isinstance(found, property) or not callable(getattr(found, "__func__", found)):
        noted = inspect.get_annotations(kind).get(name)
        text = name if noted is None else f"{name}: {noted}".replace(" | ", " or ")
    else:
        parameters = inspect.signature(getattr(found, "__func__", found)).parameters
        text = f"{name}({', '.join(word for word in parameters if word not in {'self', 'cls'})})"
    return f"**{code(text)}**" if needed else code(text)


def _first_line(found: object) -> str:
    """Return what a docstring says first; nothing where there is none of its own."""
    text = inspect.getdoc(found) if callable(getattr(found, "__func__", found)) or isinstance(found, property) else None
    return " ".join((text or "").split("\n\n")[0].replace("``", "`").split())


def checks(kind: str) -> str:
    """List the checks of a kind of thing, each with an anchor, to which a failure leads."""
    rows = [[f'<a id="{kind}-{name}"></a>{code(name)}', contract.text] for name, contract in CONTRACTS[kind].items()]
    return table(["check", "the contract"], rows)


def contract(_: str) -> str:
    """Say which version of the contract this is."""
    return f"This zoo has contract {'.'.join(map(str, zoo.CONTRACT))} (`zoo.CONTRACT`)."


def public_names(_: str) -> str:
    """List the public names but the errors, which have a page of their own."""
    names = [name for name in zoo.__all__ if name not in ERRORS and not name.startswith("__") and name != "CONTRACT"]
    return "\n\n".join(_reference(name) for name in sorted(names, key=lambda name: (name[0].isupper(), name)))


def _reference(name: str) -> str:
    """Ask mkdocstrings for a name, at the place of its definition, under the name that zoo gives it."""
    found = getattr(zoo, name)
    home = found.__module__ if inspect.isfunction(found) or inspect.isclass(found) else "zoo"
    return f"::: {home}.{name}\n    options:\n      heading: zoo.{name}\n      toc_label: {name}"


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
    "models": models,
    "matrix": matrix,
    "capabilities": capabilities,
    "regions": regions,
    "avatars": avatars,
    "bundled": bundled,
    "bundled-shares": bundled_shares,
    "bundled-scores": bundled_scores,
    "hooks": hooks,
    "types": types,
    "checks": checks,
    "contract": contract,
    "public-names": public_names,
    "error": error,
    "error-tree": error_tree,
}
SECTIONS: dict[str, tuple[str, str, list[str]]] = {
    "commands.md": ("command", "zoo {}", list(COMMANDS)),
    "architectures.md": ("adapter", "{}", sorted(PLUGINS.adapters)),
    "analyses.md": ("analyzer", "{}", list(PLUGINS.analyzers)),
    "errors.md": ("error", "{}", [name for name in ERRORS if name != "ZooError"]),
}
"""The pages that have a section for each of something: the kind of block, the heading, and the names."""


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
