"""The page on how zoo is built says what is so, and the script behind its figures counts what it says."""

import re
import tomllib
from pathlib import Path

import zoo
from benchmarks.walk import changes, package, without_layers

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


def test_the_page_shows_the_layers_that_are_checked() -> None:
    [contract, *_] = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = [re.sub(r"\w+", lambda name: f"zoo.{name[0]}", layer) for layer in contract["layers"]]
    [shown] = re.findall(r"^```text\n(zoo.*?)```$", PAGE, flags=re.DOTALL | re.MULTILINE)
    assert shown.splitlines() == [layer for layer in layers if layer != "zoo.__main__"]


def test_the_page_names_every_package() -> None:
    packages = {f"zoo.{path.parent.name}" for path in Path(zoo.__file__).parent.glob("*/__init__.py")}
    assert set(re.findall(r"^\| `(zoo\.\w+)` \|", PAGE, flags=re.MULTILINE)) == packages


def test_changes_between_modules_and_packages() -> None:
    calls = ["zoo.api", "zoo.core.codes", "zoo.core.codes", "zoo.core.region", "zoo.api", "zoo.errors"]
    assert changes(calls).total() == 4
    assert changes([package(module) for module in calls]) == {("zoo", "zoo.core"): 1, ("zoo.core", "zoo"): 1}


def test_the_modules_of_networks_count_as_one() -> None:
    calls = ["zoo.nn.window", "zoo.nn.residual_block", "zoo.core.codes", "zoo.blocks", "zoo.window"]
    assert changes(without_layers(calls)).total() == 2
