"""Docstrings of public names are complete: parameters, attributes, results and zoo's own errors are all described.

Checked are the names that plugins may import, in Google style: `zoo.__all__` and the faces of the public packages.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from collections.abc import Iterable, Iterator
from dataclasses import fields, is_dataclass
from functools import cached_property
from types import FunctionType
from typing import Any

import griffe
import pytest

from tests.test_public_names import PUBLIC
from zoo import errors

SECTIONS = griffe.DocstringSectionKind
NOTHING = {"None", "NoReturn", "Iterator[None]", str(inspect.Signature.empty)}
ERRORS = {name for name, kind in vars(errors).items() if inspect.isclass(kind) and issubclass(kind, errors.ZooError)}


def sections_of(documented: object) -> dict[griffe.DocstringSectionKind, set[str]]:
    """Parse a docstring into its sections, each with the names that it describes."""
    docstring = griffe.Docstring(inspect.getdoc(documented) or "", lineno=1)
    parsed = griffe.parse_google(docstring, warnings=False)
    names: dict[griffe.DocstringSectionKind, set[str]] = {}
    for section in parsed:
        described = section.value if isinstance(section.value, list) else []
        found = {str(getattr(item, "name", "") or item.annotation) for item in described if item.description.strip()}
        names[section.kind] = names.get(section.kind, set()) | found
    return names


def functions_of(kind: type) -> Iterator[tuple[str, FunctionType]]:
    """List the public methods that a class defines; one that overrides a method of zoo's has that one's contract."""
    bases = [base for base in kind.__mro__[1:] if base.__module__.startswith("zoo.")]
    declared = inspect.get_annotations(kind)
    for name, member in list(vars(kind).items()):
        function = getattr(member, "__func__", member)
        own = name not in declared and not any(name in vars(base) for base in bases)
        if own and inspect.isfunction(function) and not name.startswith("_"):
            yield name, function


def raised_in(function: FunctionType) -> set[str]:
    """List the errors of zoo that the body of a function raises by name."""
    tree = ast.parse(inspect.cleandoc("\n" + inspect.getsource(inspect.unwrap(function))))
    calls = (node.exc for node in ast.walk(tree) if isinstance(node, ast.Raise) and node.exc is not None)
    raised = [call.func if isinstance(call, ast.Call) else call for call in calls]
    names = {getattr(each, "id", getattr(each, "attr", "")) for each in raised}
    return names & ERRORS | ({"UnknownNameError"} if "unknown_name" in names else set())


def faults_of_function(name: str, function: FunctionType) -> Iterator[str]:
    described = sections_of(function)
    signature = inspect.signature(function)
    parameters = [each.strip("*") for each in signature.parameters if each not in {"self", "cls"}]
    for missing in sorted(set(parameters) - {each.strip("*") for each in described.get(SECTIONS.parameters, ())}):
        yield f"{name}: parameter {missing}"
    for unknown in sorted({each.strip("*") for each in described.get(SECTIONS.parameters, ())} - set(parameters)):
        yield f"{name}: describes {unknown}, which is no parameter"
    returns = str(signature.return_annotation)
    results = {SECTIONS.returns, SECTIONS.yields} & described.keys()
    if returns not in NOTHING and not results:
        yield f"{name}: what it returns ({returns})"
    for missing in sorted(raised_in(function) - described.get(SECTIONS.raises, set())):
        yield f"{name}: raises {missing}"


def faults_of_class(name: str, kind: type) -> Iterator[str]:
    described = sections_of(kind)
    if is_dataclass(kind):
        declared = inspect.get_annotations(kind)
        own = {each.name for each in fields(kind) if each.name in declared and not each.name.startswith("_")}
        for missing in sorted(own - described.get(SECTIONS.attributes, set())):
            yield f"{name}: attribute {missing}"
    elif "__init__" in vars(kind) and not issubclass(kind, BaseException):
        parameters = list(inspect.signature(kind.__init__).parameters)[1:]
        own = described.get(SECTIONS.parameters, set()) | sections_of(kind.__init__).get(SECTIONS.parameters, set())
        for missing in sorted({each.strip("*") for each in parameters} - {each.strip("*") for each in own}):
            yield f"{name}: parameter {missing}"
    for method, function in functions_of(kind):
        yield from faults_of_function(f"{name}.{method}", function)
    for member, value in list(vars(kind).items()):
        getter = getattr(value, "fget", None) or (value.func if isinstance(value, cached_property) else None)
        if getter is not None and not member.startswith("_") and not getter.__doc__:
            yield f"{name}.{member}: has no docstring"


def faults_of(name: str, public: Any) -> Iterator[str]:
    if inspect.isclass(public):
        if not public.__doc__:
            yield f"{name}: has no docstring"
        yield from faults_of_class(name, public)
    elif inspect.isfunction(inspect.unwrap(public)):
        if not public.__doc__:
            yield f"{name}: has no docstring"
        yield from faults_of_function(name, inspect.unwrap(public))


def all_faults(packages: Iterable[str]) -> dict[str, list[str]]:
    """List the faults by the module in which a name is defined, each once."""
    faults: dict[str, list[str]] = {}
    seen: set[int] = set()
    for package in packages:
        module = importlib.import_module(package)
        for name in module.__all__:
            public = getattr(module, name)
            if id(public) not in seen:
                seen.add(id(public))
                home = getattr(public, "__module__", package) or package
                faults.setdefault(home, []).extend(faults_of(name, public))
    return {home: found for home, found in faults.items() if found and home.startswith("zoo")}


def test_public_docstrings_are_complete() -> None:
    faults = all_faults(sorted(PUBLIC))
    lines = [f"{home}: {fault}" for home, found in sorted(faults.items()) for fault in found]
    assert not lines, f"{len(lines)} docstrings are incomplete:\n" + "\n".join(lines)


# The check itself


def incomplete(count: int, *rest: str, named: int = 0) -> int:
    """Return a number.

    Args:
        count: described.

    Raises:
        OptionError: described.
    """
    if named:
        raise errors.CodesError("a")
    if rest:
        raise errors.OptionError("b")
    raise errors.unknown_name("c", "d", ())


class Incomplete:
    """Has a parameter that is not described."""

    def __init__(self, parameter: int) -> None:
        self.parameter = parameter

    @property
    def undocumented(self) -> int:
        return self.parameter


@pytest.mark.parametrize(
    ("public", "expected"),
    [
        (
            incomplete,
            [
                "x: parameter named",
                "x: parameter rest",
                "x: what it returns (int)",
                "x: raises CodesError",
                "x: raises UnknownNameError",
            ],
        ),
        (Incomplete, ["x: parameter parameter", "x.undocumented: has no docstring"]),
    ],
)
def test_what_is_missing_is_listed(public: Any, expected: list[str]) -> None:
    assert list(faults_of("x", public)) == expected


def test_names_in_the_text_of_a_section_do_not_count() -> None:
    assert re.search("count", incomplete.__doc__ or "")
    assert sections_of(incomplete)[SECTIONS.parameters] == {"count"}
