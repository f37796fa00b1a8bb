"""The public names of packages: faces are consistent, and plugins import nothing else."""

from __future__ import annotations

import ast
import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest

import zoo

ROOT = Path(__file__).parents[1]
PACKAGE = Path(zoo.__file__).parent
STUBS = sorted(PACKAGE.rglob("__init__.pyi"))
# The packages that plugins import from. The names in any other package may change without notice.
PUBLIC = {
    "zoo",
    "zoo.bench",
    "zoo.checkpoints",
    "zoo.conformance",
    "zoo.core",
    "zoo.editing",
    "zoo.jacobian",
    "zoo.linalg",
    "zoo.nn",
    "zoo.registry",
    "zoo.testing",
}

PLUGINS = [
    *(ROOT / "adapters" / "zoo_adapters").glob("*/"),
    *(ROOT / "analyzers" / "zoo_analyzers").glob("*/"),
    *(ROOT / "scorers" / "zoo_scorers").glob("*/"),
    *(ROOT / "examples").glob("zoo-*/"),
    *(ROOT / "tests" / "third_party").glob("*/"),
]


def package_of(stub: Path) -> str:
    return ".".join(["zoo", *stub.parent.relative_to(PACKAGE).parts])


def names_of(stub: Path) -> Iterator[tuple[str, str]]:
    """List (module, name) of every import in a stub."""
    for node in ast.parse(stub.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom):
            assert node.level == 1
            for alias in node.names:
                assert alias.asname == alias.name, "type checkers take only 'x as x' for an export"
                yield str(node.module), alias.name


@pytest.mark.parametrize("stub", STUBS, ids=package_of)
def test_every_name_of_a_face_is_that_of_its_module(stub: Path) -> None:
    package = importlib.import_module(package_of(stub))
    found = list(names_of(stub))
    assert sorted(name for _, name in found) == sorted(package.__all__)
    for module, name in found:
        own = getattr(importlib.import_module(f"{package_of(stub)}.{module}"), name)
        assert inspect.unwrap(getattr(package, name)) is inspect.unwrap(own)


@pytest.mark.parametrize("stub", STUBS, ids=package_of)
def test_no_name_of_a_face_is_also_a_module(stub: Path) -> None:
    """Importing such a module would replace the name by the module."""
    for _, name in names_of(stub):
        assert not (stub.parent / f"{name}.py").exists(), name
        if (stub.parent / name).exists():  # a package that is called as the function stands for both
            assert callable(importlib.import_module(f"{package_of(stub)}.{name}")), name


@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda path: path.name)
def test_plugins_import_public_names_only(plugin: Path) -> None:
    """The rule is the same for built-ins, examples and the sample plugin."""
    files = list(plugin.rglob("*.py"))
    assert files or plugin.name == "__pycache__"
    for file in files:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                assert not any(alias.name.startswith("zoo.") for alias in node.names), file.name
            if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "zoo":
                assert node.module in PUBLIC, f"{file.name} imports from {node.module}"
                known = importlib.import_module(node.module).__all__
                assert {alias.name for alias in node.names} <= set(known), f"{file.name} imports from {node.module}"
