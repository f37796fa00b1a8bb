"""Every third-party import is a declared dependency, and every declared dependency is imported."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
# What users may add to zoo; the other extras are for those who work on it.
OPTIONAL = [name for extra in EXTRAS.keys() - {"dev", "docs"} for name in EXTRAS[extra]]
SHIPPED = ("zoo", "adapters", "analyzers", "scorers")
OTHER = ("benchmarks", "docs", "recipes", "tests")
EXAMPLES = sorted(path.parent for path in ROOT.glob("examples/*/pyproject.toml"))
# No file imports these: they are run as commands, or read by other tools.
COMMANDS = {"hatchling", "import-linter", "mkdocs-material", "mypy", "pytest-xdist", "ruff"}
# examples/zoo-lightweight-gan, the scorer of words and one-step diffusion find these by their names in strings.
NAMED_IN_STRINGS = {"lightweight-gan", "open-clip-torch", "diffusers", "transformers"}

# Where statements hold statements.
BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")

pytestmark = pytest.mark.skipif(not (ROOT / ".git").exists(), reason="a checkout is needed")


def canonical(requirement: str) -> str:
    """Return the name of a requirement as package indices compare names."""
    found = re.match(r"[\w.-]+", requirement)
    assert found is not None, requirement
    return re.sub(r"[-_.]+", "-", found[0]).lower()


def declared(requirements: Iterable[str]) -> set[str]:
    return {canonical(requirement) for requirement in requirements}


@cache
def distributions() -> Mapping[str, list[str]]:
    return packages_distributions()


@cache
def imports_of(path: Path) -> frozenset[str]:
    return frozenset(imported_modules(path.read_text(encoding="utf-8")))


def imported_modules(source: str) -> Iterator[str]:
    """List the top-level names that a file imports anywhere, functions included."""
    found: list[ast.AST] = [ast.parse(source)]
    for node in found:  # statements alone, as ast.walk visits expressions too, which takes most of its time
        found += [one for block in BLOCKS for one in getattr(node, block, ())]
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.partition(".")[0]


def imported_distributions(*folders: Path) -> dict[str, str]:
    """Map each distribution that files in these folders import to one of those files."""
    own = {
        path.name for folder in (*SHIPPED, "examples", "tests/third_party") for path in ROOT.glob(f"{folder}/**/zoo*")
    }
    own |= {*SHIPPED, *OTHER}
    providers = distributions()
    found = {}
    for path in (path for folder in folders for path in sorted(folder.rglob("*.py"))):
        siblings = {other.stem for other in path.parent.glob("*.py")} if path.parent.parent == ROOT else set()
        for module in imports_of(path):
            if module not in own | siblings | sys.stdlib_module_names:
                found[canonical(providers.get(module, [module])[0])] = str(path.relative_to(ROOT))
    return found


def undeclared(found: dict[str, str], allowed: set[str]) -> dict[str, str]:
    return {name: path for name, path in found.items() if name not in allowed}


def test_imports_of_the_wheel_are_dependencies() -> None:
    found = imported_distributions(*(ROOT / name for name in SHIPPED))
    allowed = declared([*PROJECT["dependencies"], *OPTIONAL])
    assert {"torch", "numpy", "pillow", "pyyaml"} <= set(found)
    assert undeclared(found, allowed) == {}


@pytest.mark.long
def test_imports_of_the_checkout_are_dependencies_or_extras() -> None:
    extras = [name for extra in EXTRAS.values() for name in extra]
    found = imported_distributions(*(ROOT / name for name in OTHER))
    assert undeclared(found, declared([*PROJECT["dependencies"], *extras])) == {}


def test_every_dependency_is_imported() -> None:
    found = set(imported_distributions(*(ROOT / name for name in SHIPPED)))
    assert declared([*PROJECT["dependencies"], *OPTIONAL]) - found - NAMED_IN_STRINGS == set()


def test_every_extra_is_imported_or_a_command() -> None:
    folders = [*(ROOT / name for name in (*SHIPPED, *OTHER)), *EXAMPLES]
    used = set(imported_distributions(*folders)) | COMMANDS | {"latent-zoo"}
    extras = declared(name for extra in EXTRAS.values() for name in extra)
    assert {name for name in extras - used - NAMED_IN_STRINGS if not name.startswith("types-")} == set()


@pytest.mark.parametrize("folder", EXAMPLES, ids=lambda folder: folder.name)
def test_an_example_declares_what_it_imports(folder: Path) -> None:
    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    [package] = folder.glob("zoo_*")
    used, tested = imported_distributions(package), imported_distributions(folder / "tests")
    dependencies = declared(project["dependencies"])
    assert undeclared(used, dependencies) == {}
    assert dependencies - set(used) - NAMED_IN_STRINGS - {"latent-zoo"} == set()
    extras = [name for extra in project["optional-dependencies"].values() for name in extra]
    assert undeclared(tested, dependencies | declared(extras)) == {}


def test_an_import_that_is_not_declared_is_found(tmp_path: Path) -> None:
    source = "import os\ndef late():\n    from yaml import safe_load\n    import numpy.linalg\n"
    assert sorted(imported_modules(source)) == ["numpy", "os", "yaml"]
    assert undeclared({"pyyaml": "a.py", "numpy": "b.py"}, declared(["NumPy >= 1.26"])) == {"pyyaml": "a.py"}
