"""Write Python signatures and Google-style docstrings as Markdown."""

from __future__ import annotations

import importlib
import inspect
import logging
import re
from collections.abc import Iterator
from types import FunctionType
from typing import Any

import griffe

# In the order in which a reader meets them. A name is described under the first one that has it.
FACES = (
    "zoo",
    "zoo.core",
    "zoo.jacobian",
    "zoo.linalg",
    "zoo.nn",
    "zoo.checkpoints",
    "zoo.editing",
    "zoo.bench",
    "zoo.registry",
    "zoo.testing",
    "zoo.conformance",
)
MOST_COLUMNS = 100  # of a signature on one line
INDENT = "    "  # of a nested list: Python-Markdown wants four spaces

griffe.logger.setLevel(logging.ERROR)


def table(columns: list[str], rows: list[list[str]]) -> str:
    """Set a Markdown table; a bar inside of a cell is escaped."""
    lines = [columns, ["---"] * len(columns), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def code(text: str) -> str:
    """Set text as code; nothing stays nothing."""
    return f"`{text}`" if text else ""


def vars_of(package: str) -> dict[str, Any]:
    """Return the public names of a package with what they stand for."""
    module = importlib.import_module(package)
    return {name: getattr(module, name) for name in module.__all__}


# Docstrings


class Docstring:
    """The sections of a Google-style docstring, as Markdown."""

    def __init__(self, subject: object) -> None:
        self._sections = griffe.Docstring(_docstring_of(subject)).parse("google", warnings=False)

    @property
    def text(self) -> str:
        """What stands outside of any section."""
        return "\n\n".join(_prose(str(part.value)) for part in self._of("text"))

    @property
    def summary(self) -> str:
        """The first paragraph, on one line."""
        return one_line(self.text.split("\n\n")[0])

    def items(self, kind: str) -> dict[str, str]:
        """Return what a section such as ``parameters`` or ``attributes`` says of each name."""
        return {item.name: _sentence(item.description) for part in self._of(kind) for item in part.value}

    @property
    def notes(self) -> list[str]:
        """What is returned and raised, and the sections without a kind of their own: a line for each."""
        lines = []
        for part in self._sections:
            if part.kind.value in {"returns", "yields"}:
                lines += [f"*{part.kind.value.title()}:* {_sentence(item.description)}" for item in part.value]
            elif part.kind.value == "raises":
                lines += [
                    f"*Raises* {code(str(item.annotation))}: {_sentence(item.description)}" for item in part.value
                ]
            elif part.kind.value == "admonition":
                lines.append(f"*{part.title or part.value.kind.title()}:* {one_line(str(part.value.contents))}")
            elif part.kind.value == "examples":
                lines += [_prose(str(text)) for _, text in part.value]
        return lines

    def _of(self, kind: str) -> list[Any]:
        return [part for part in self._sections if part.kind.value == kind]


def _docstring_of(subject: object) -> str:
    """Return the docstring of a thing itself, not that of a class that it inherits from or is an instance of."""
    own = inspect.unwrap(getattr(subject, "__func__", subject))  # type: ignore[arg-type]  # of a cached function, too
    if not isinstance(own, type | FunctionType | property):
        return ""
    text = own.__doc__ or ""
    return "" if text.startswith(f"{getattr(own, '__name__', '')}(") else inspect.cleandoc(text)


def _prose(text: str) -> str:
    return text.replace("``", "`").replace("::\n\n", ":\n\n")


def one_line(text: str) -> str:
    """Set a text on one line."""
    return " ".join(_prose(text).split())


def _sentence(text: str) -> str:
    line = one_line(text)
    return line[:1].upper() + line[1:]


# Signatures


def signature(name: str, subject: Any, most_columns: float = MOST_COLUMNS) -> str:
    """Write how a function or a class is called, one parameter a line where it does not fit on one."""
    try:
        parsed = inspect.signature(subject)
    except (TypeError, ValueError):
        return name
    words = list(_parameters(parsed))
    returned = parsed.return_annotation
    result = "" if returned is inspect.Signature.empty or inspect.isclass(subject) else f" -> {_annotation(returned)}"
    line = f"{name}({', '.join(words)}){result}"
    if len(line) <= most_columns:
        return line
    return "\n".join([f"{name}(", *(f"{INDENT}{word}," for word in words), f"){result}"])


def _parameters(parsed: inspect.Signature) -> Iterator[str]:
    """Write each parameter, with the lone star before keyword-only ones."""
    starred = False
    for parameter in parsed.parameters.values():
        if parameter.name in {"self", "cls"}:
            continue
        if parameter.kind is parameter.VAR_POSITIONAL:
            starred = True
        elif parameter.kind is parameter.KEYWORD_ONLY and not starred:
            starred = True
            yield "*"
        yield _parameter(parameter)


def _parameter(parameter: inspect.Parameter) -> str:
    text = str(parameter.replace(annotation=parameter.empty, default=parameter.empty))  # with its stars
    if parameter.annotation is not parameter.empty:
        text += f": {_annotation(parameter.annotation)}"
    return text if parameter.default is parameter.empty else f"{text} = {value_text(parameter.default)}"


def _annotation(annotation: object) -> str:
    text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    return re.sub(r"\b(?:collections\.abc|typing|pathlib|torch(?:\.nn)?|zoo[a-z_.]*)\.(?=[A-Z])", "", text.strip("'"))


def value_text(value: object) -> str:
    """Write a default as code: by its name where it has a public one, else as it is represented."""
    if isinstance(value, type | FunctionType):
        return value.__qualname__
    text = repr(value)
    if "<" in text or len(text) > MOST_COLUMNS:
        named = (word for face in FACES for word, constant in vars_of(face).items() if constant is value)
        return next(named, "…")
    return text
