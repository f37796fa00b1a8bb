"""What the documents say is tried."""

import json
import re
import shutil
from pathlib import Path

import pytest
import yaml
from zoo_adapters.dcgan.adapter import DCGAN

import zoo
from tests.linear import model_of
from zoo.cards import Card
from zoo.registry import load_zoo, read_cards

ROOT = Path(__file__).parents[1]
FORMATS = (ROOT / "docs" / "formats.md").read_text()


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


@pytest.mark.parametrize("analyzer", ["sefa", "lowrank", "nullspace"])
def test_the_formats_page_reads_a_run_and_names_every_key(
    analyzer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    zoo.analyze(model_of(DCGAN.tiny(0)), analyzer, region="center", out=tmp_path / "run")
    monkeypatch.chdir(tmp_path / "run")
    [code] = blocks(FORMATS, "python")
    names: dict[str, object] = {}
    exec(code, names)
    card = names["card"]
    assert isinstance(card, dict)
    json.dumps(card)
    unnamed = [key for key in card if f"`{key}`" not in FORMATS]
    assert not unnamed


def test_the_formats_page_names_every_key_of_a_comparison() -> None:
    model = model_of(DCGAN.tiny(0))
    told = zoo.compare(zoo.analyze(model), zoo.analyze(model), model=model).as_json()
    keys = [*told, *told["a"], *told["nearest_of_a"][0], *told["pictures"]]
    assert not [key for key in keys if f"`{key}`" not in FORMATS]


def test_the_example_of_a_registry_is_one(tmp_path: Path) -> None:
    [text] = blocks(FORMATS, "yaml")
    (tmp_path / "cards.yaml").write_text(text)
    [card] = read_cards(tmp_path / "cards.yaml")
    assert card.name == "dcgan.mine"
    told = set(yaml.safe_load(text)["models"][0]) | set(re.findall(r"`(\w+)`", FORMATS))
    assert set(Card.__dataclass_fields__) - {"file"} <= told


@pytest.mark.real
def test_the_readme_in_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    [code] = blocks((ROOT / "README.md").read_text(), "python")
    exec(code, {})
    assert {file.name for file in (tmp_path / "edited").iterdir()} >= {"sheet.png", "edit.gif"}
    shutil.rmtree(tmp_path / "edited")


def test_the_readme_lists_every_model_and_analysis() -> None:
    text = (ROOT / "README.md").read_text()
    found = load_zoo()
    for name in [*found.registry.cards, *found.plugins.analyzers]:
        assert f"`{name}`" in text
