"""The checks that read the code instead of running it, so that one command checks everything.

They are collected first (tests/conftest.py), so that one process of ``pytest -n auto`` makes them beside other tests.
"""

import os
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

import pytest

from zoo.plugins import load_plugins
from zoo.plugins.scaffold import KINDS, new_package

ROOT = Path(__file__).parents[1]
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]
CHECKED: list[str] = SETTINGS["mypy"]["files"]
SHIPPED: list[str] = SETTINGS["hatch"]["build"]["targets"]["wheel"]["packages"]


def check(*command: str | Path, folder: Path = ROOT) -> None:
    """Run a tool of this environment; it must find nothing."""
    tool = [sys.executable, *map(str, command)]
    done = subprocess.run(tool, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def scaffolds(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A new package of every kind."""
    folder = tmp_path_factory.mktemp("scaffolds")
    return [new_package(kind, f"my-{kind}", folder / kind, plugins=load_plugins()) for kind in KINDS]


@pytest.mark.parametrize("files", [SHIPPED, pytest.param(CHECKED, marks=pytest.mark.long)], ids=["shipped", "all"])
def test_types(scaffolds: list[Path], files: Sequence[str]) -> None:
    """Strictly, in the scaffolds too, and in one run, as a run reads the types of torch first."""
    modules = [module for scaffold in scaffolds for module in scaffold.glob("zoo_*")]
    # To write a cache takes a fifth of the time; only who runs mypy himself gains by one.
    cache = [] if (ROOT / ".mypy_cache").exists() else ["--cache-dir", os.devnull]
    check("-m", "mypy", *cache, *files, *modules)


def test_imports() -> None:
    check("-c", "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports())")


def test_style() -> None:
    check("-m", "ruff", "check", ".")
    check("-m", "ruff", "format", "--check", ".")


def test_style_of_scaffolds(scaffolds: list[Path]) -> None:
    """By the settings that they ship."""
    for scaffold in scaffolds:
        check("-m", "ruff", "check", "--no-cache", ".", folder=scaffold)
        check("-m", "ruff", "format", "--no-cache", "--check", ".", folder=scaffold)
