"""Describe public Python names in Markdown: their signatures, and what their docstrings say, in Google style."""

from __future__ import annotations

import ast
import importlib
import inspect
import math
from collections.abc import Callable
from pathlib import Path
from types import FunctionType
from typing import Any, get_args, get_origin

from python_signatures import FACES, INDENT, Docstring, code, one_line, signature, table, value_text, vars_of

import zoo
from zoo.errors import ZooError
from zoo.plugins import HOOKS, hookspecs

# What the hooks exchange with zoo, in the order in which the author of a plugin meets it.
TYPES: tuple[type, ...] = (
    *(zoo.AdapterPlugin, zoo.AnalyzerPlugin, zoo.ScorerPlugin, zoo.ProjectorPlugin),
    *(zoo.Adapter, zoo.Layout, zoo.Projection, zoo.LatentSpace, zoo.Codes, zoo.Region),
    *(zoo.Analyzer, zoo.Probe, zoo.Directions, zoo.Options, zoo.Scorer, zoo.Projector, zoo.Pictures),
)


# Names


def face(name: str) -> str:
    """Describe every public name of a package, and name those that an earlier one describes."""
    package = importlib.import_module(name)
    homes = {word: _first_face(word, getattr(package, word)) for word in names_of(name)}
    public = {word: getattr(package, word) for word in homes}
    subjects = {
        word: getattr(one, "__wrapped__", one) if inspect.ismodule(one) else one for word, one in public.items()
    }
    parts = [_described(name, word, subjects[word]) for word, home in homes.items() if home == name]
    shared = [f"[{word}](#{_anchor(home, word)})" for word, home in homes.items() if home != name]
    if shared:
        parts.append(f"Described above, and imported from here too: {', '.join(shared)}.")
    return "\n\n".join(parts)


def _first_face(name: str, subject: object) -> str:
    """Return the first package that has a name for this very thing."""
    return next(face for face in FACES if vars_of(face).get(name) is subject)


def names_of(package: str) -> list[str]:
    """List the public names of a package: functions first, then classes and values; errors have their own page."""
    module = importlib.import_module(package)
    names = [name for name in module.__all__ if not name.startswith("__") and not _is_error(getattr(module, name))]
    return sorted(names, key=lambda name: (name[0].isupper(), name))


def _is_error(subject: object) -> bool:
    return isinstance(subject, type) and issubclass(subject, ZooError)


def _is_function(subject: Any) -> bool:
    return isinstance(getattr(subject, "__wrapped__", subject), FunctionType)


def _anchor(package: str, name: str) -> str:
    """Return the anchor of a name's heading, as GitHub and MkDocs both make it."""
    return f"{package}.{name}".replace(".", "").lower()


def _described(package: str, name: str, subject: Any) -> str:
    heading = f"### {package}.{name}"
    if isinstance(subject, type):
        return "\n\n".join([heading, *_class(name, subject)])
    if _is_function(subject):
        return "\n\n".join([heading, *_function(name, subject)])
    return "\n\n".join([heading, *_constant(package, name, subject)])


def _function(name: str, function: Any) -> list[str]:
    docstring = Docstring(function)
    meanings = docstring.items("parameters")
    parts = [f"```text\n{signature(name, function)}\n```", docstring.text]
    if meanings:
        parts.append(table(["argument", "meaning"], [[code(word), text] for word, text in meanings.items()]))
    return [part for part in [*parts, *docstring.notes] if part]


def _class(name: str, kind: type) -> list[str]:
    docstring = Docstring(kind)
    parts = [f"```text\n{_class_signature(name, kind)}\n```", docstring.text]
    meanings = docstring.items("parameters") | docstring.items("attributes")
    if meanings:
        parts.append(table(["name", "meaning"], [[code(word), text] for word, text in meanings.items()]))
    fields = {*meanings, *_annotations(kind)}
    methods = [_method(kind, word) for word in members(kind) if word not in fields and _is_described(kind, word)]
    return [part for part in [*parts, *docstring.notes, "\n".join(methods)] if part]


def _class_signature(name: str, kind: type) -> str:
    has_init = "__init__" in vars(kind)
    bases = [base.__name__ for base in kind.__bases__ if base.__module__ not in {"abc", "builtins", "typing"}]
    bases = [base for base in bases if not base.startswith("_")]
    line = f"class {name}({', '.join(bases)})" if bases else f"class {name}"
    return f"{line}\n\n{signature(name, kind)}" if has_init and not inspect.isabstract(kind) else line


def _is_described(kind: type, name: str) -> bool:
    member = inspect.getattr_static(kind, name, None)
    return isinstance(member, property) or callable(getattr(member, "__func__", member))


def _method(kind: type, name: str) -> str:
    """Write a method as an item of a list, its arguments below it; in bold where a subclass has to define it."""
    member = inspect.getattr_static(kind, name)
    docstring = Docstring(member)
    if isinstance(member, property):
        return f"- {code(name)}: {docstring.summary}"
    function = getattr(member, "__func__", member)
    call = _bound(kind, signature(name, function, most_columns=math.inf))
    marks = f"**{code(call)}**" if is_required(kind, name) else code(call)
    parts = [f"- {marks}: {docstring.summary}" if docstring.summary else f"- {marks}"]
    parts += [f"{INDENT}- {code(word)}: {text}" for word, text in docstring.items("parameters").items()]
    return "\n".join([*parts, *(f"{INDENT}- {note}" for note in docstring.notes)])


def _constant(package: str, name: str, constant: object) -> list[str]:
    text = value_text(constant) if isinstance(constant, str | int | float | tuple) else ""
    meaning = _comment_on(_home(package, name), name) or Docstring(type(constant)).summary
    return [part for part in (code(f"{name} = {text}") if text else "", meaning[:1].upper() + meaning[1:]) if part]


def _comment_on(module: str, name: str) -> str:
    """Return the comment above or beside a constant, or the string literal below it, where it is defined."""
    source = Path(str(importlib.import_module(module).__file__)).read_text(encoding="utf-8")
    lines, body = source.splitlines(), ast.parse(source).body
    for node, after in zip(body, [*body[1:], None], strict=True):
        if isinstance(node, ast.ImportFrom) and name in {alias.name for alias in node.names}:
            return _comment_on(str(node.module), name)
        targets = [*getattr(node, "targets", []), getattr(node, "target", None)]
        if name in {getattr(target, "id", None) for target in targets}:
            if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
                return one_line(str(after.value.value))
            return _comment_before(lines[: node.lineno - 1]) or lines[node.lineno - 1].partition("  # ")[2]
    return ""


def _comment_before(lines: list[str]) -> str:
    comment: list[str] = []
    while lines and lines[-1].startswith("#"):
        comment.insert(0, lines.pop().lstrip("# "))
    return one_line(" ".join(comment))


def _home(package: str, name: str) -> str:
    """Return the module that defines a name of a package: its stub tells."""
    stub = Path(str(importlib.import_module(package).__file__)).with_suffix(".pyi")
    if stub.exists():
        for node in ast.parse(stub.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ImportFrom) and name in {alias.name for alias in node.names}:
                return f"{package}.{node.module}"
    return package


# The types of the contract


def types(_: str) -> str:
    """List each type that plugins meet: what it is, and its members."""
    return "\n\n".join(_type(kind) for kind in TYPES)


def _type(kind: type) -> str:
    docstring = Docstring(kind)
    meanings = docstring.items("parameters") | docstring.items("attributes")
    rows = [[_member(kind, name), meanings.get(name) or _member_summary(kind, name)] for name in members(kind)]
    more = f"[In full](python.md#{_anchor('zoo', kind.__name__)})."
    about = f"{docstring.text} {more}" if "\n\n" not in docstring.text else f"{docstring.text}\n\n{more}"
    return "\n\n".join([f"### zoo.{kind.__name__}", about, *([table(["member", ""], rows)] if rows else [])])


def members(kind: type) -> list[str]:
    """Name what a type and its private bases declare and define, its fields first."""
    declared = [name for name in _annotations(kind) if not name.startswith("_")]
    defined = [name for part in _with_private_bases(kind) for name in vars(part) if not name.startswith("_")]
    return [*declared, *(name for name in dict.fromkeys(defined) if name not in {*declared, "model_config"})]


def _with_private_bases(kind: type) -> list[type]:
    private = [one for one in kind.__mro__[1:] if one.__name__.startswith("_") and one.__module__.startswith("zoo.")]
    return [*reversed(private), kind]


def _annotations(kind: type) -> dict[str, Any]:
    """Return the annotations of fields, those of private bases first."""
    return {name: text for part in _with_private_bases(kind) for name, text in inspect.get_annotations(part).items()}


def _bound(kind: type, text: str) -> str:
    """Put what a private generic base was given into a signature of its methods."""
    for base in vars(kind).get("__orig_bases__", ()):
        if get_origin(base) in _with_private_bases(kind):
            [variable], [given] = get_origin(base).__parameters__, get_args(base)
            text = text.replace(variable.__name__, getattr(given, "__forward_arg__", str(given)))
    return text


def is_required(kind: type, name: str) -> bool:
    """Say whether a subclass has to define a member."""
    member = inspect.getattr_static(kind, name, None)
    return name in getattr(kind, "__abstractmethods__", ()) or (inspect.isabstract(kind) and member is None)


def _member(kind: type, name: str) -> str:
    """Write a field with its type, or a method with its parameters; in bold what has to be defined."""
    member = inspect.getattr_static(kind, name, None)
    if _is_described(kind, name) and not isinstance(member, property):
        parameters = inspect.signature(getattr(member, "__func__", member)).parameters
        text = f"{name}({', '.join(word for word in parameters if word not in {'self', 'cls'})})"
    else:
        annotation = _annotations(kind).get(name)
        text = name if annotation is None else f"{name}: {annotation}".replace(" | ", " or ")
    return f"**{code(text)}**" if is_required(kind, name) else code(text)


def _member_summary(kind: type, name: str) -> str:
    return Docstring(inspect.getattr_static(kind, name, None)).summary if _is_described(kind, name) else ""


def hooks(_: str) -> str:
    """List the hooks with their signatures."""
    rows = []
    for name in HOOKS:
        hook = getattr(hookspecs, name)
        text = str(inspect.signature(hook)).replace("typer.Typer", "Typer").replace("'", "")
        rows.append([code(f"{name}{text}"), " ".join((hook.__doc__ or "").replace("``", "`").split())])
    return table(["hook", "what it does"], rows)


KINDS: dict[str, Callable[[str], str]] = {"face": face, "types": types, "hooks": hooks}
