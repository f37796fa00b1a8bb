"""What the documents say of files, models, analyses and Python names agrees with the code."""

import importlib
import json
import pkgutil
import re
import subprocess
from pathlib import Path

import pytest
import torch
import yaml
from zoo_adapters.dcgan.adapter import DCGAN

import zoo
from tests.support import fork_server
from tests.support.linear import model_of
from tests.support.marks import mostly_long
from tests.test_public_names import PUBLIC
from zoo.registry.card_files import read_cards
from zoo.registry.cards import Card
from zoo.registry.registry import load_installation

ROOT = Path(__file__).parents[1]
FORMATS = (ROOT / "docs" / "formats.md").read_text()


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


WITHOUT_ZOO = "import sys\nsys.modules['zoo'] = None\n"


@pytest.mark.parametrize("analyzer", mostly_long(["sefa", "lowrank", "nullspace", "resefa"], ("lowrank",)))
def test_the_formats_page_is_enough_to_read_a_run_without_zoo(analyzer: str, tmp_path: Path) -> None:
    """The page's own code reads the files and moves a code as zoo does, and the page names every key of the card."""
    model = model_of(DCGAN.tiny(0))
    run = tmp_path / "runs" / "dcgan.digiface64-nullspace-mouth"
    directions = zoo.analyze(model, analyzer, region="center", out=run)
    code = WITHOUT_ZOO + "".join(blocks(FORMATS, "python")) + "print(json.dumps(card))"
    done = subprocess.run([fork_server.python(), "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    card = json.loads(done.stdout.splitlines()[-1])
    assert not [key for key in card if f"`{key}`" not in FORMATS]
    moved = model.read_codes(tmp_path / "moved.safetensors")
    wanted = model.adapter.move(model.read_codes(run / "codes.safetensors"), 2 * directions.vectors[0].float())
    assert torch.allclose(moved.latents, wanted.latents, atol=1e-6)  # float32 rounding of one addition


def test_the_formats_page_names_every_key_of_a_comparison() -> None:
    model = model_of(DCGAN.tiny(0))
    told = zoo.compare(zoo.analyze(model), zoo.analyze(model), model=model).as_json()
    keys = [*told, *told["a"], *told["nearest_of_a"][0], *told["pictures"]]
    assert not [key for key in keys if f"`{key}`" not in FORMATS]


def test_the_formats_page_names_every_key_of_scores() -> None:
    class Shade(zoo.Scorer):
        attributes = ("shade",)

        def fits(self, card: Card) -> bool:
            return True

        def score(self, images: torch.Tensor) -> torch.Tensor:
            return images.mean(dim=(1, 2, 3))[:, None]

    model = model_of(DCGAN.tiny(0))
    told = zoo.score(model, zoo.analyze(model), scorer=Shade(), samples=2, step=1.0).as_json()
    [attribute, *_], [direction, *_] = told["attributes"], told["directions"]
    keys = [*told, *attribute, *direction, *direction["effects"][0]]
    assert not [key for key in keys if f"`{key}`" not in FORMATS]


def test_the_example_of_a_registry_is_one(tmp_path: Path) -> None:
    [text] = blocks(FORMATS, "yaml")
    (tmp_path / "cards.yaml").write_text(text)
    [card] = read_cards(tmp_path / "cards.yaml")
    assert card.name == "dcgan.mine"
    told = set(yaml.safe_load(text)["models"][0]) | set(re.findall(r"`(\w+)`", FORMATS))
    assert set(Card.__dataclass_fields__) - {"file"} <= told


def test_the_readme_lists_every_model_that_was_tried_and_every_analysis() -> None:
    text = (ROOT / "README.md").read_text()
    installation = load_installation()
    tried = [card.name for card in installation.registry.cards.values() if card.weights.verified]
    for name in [*tried, *installation.plugins.adapters, *installation.plugins.analyzers]:
        assert f"`{name}`" in text


def test_the_readme_opens_with_two_commands_of_one_line() -> None:
    text = (ROOT / "README.md").read_text()
    opening = text.partition("\n## ")[0]
    first, second = blocks(opening, "sh")
    assert "pip install" in first and "zoo analyze biggan --analyzer lowrank" in first
    assert "pip install" in second and "pytest" in second
    assert first.count("\n") == second.count("\n") == 1
    assert text.count("\n") <= 90


def test_the_licences_page_lists_every_model() -> None:
    text = (ROOT / "docs" / "licences.md").read_text().partition("\n## Licences\n")[2]
    for card in load_installation().registry.cards.values():
        [row] = [line for line in text.splitlines() if line.startswith(f"| `{card.name}` |")]
        assert f"| {card.licence.weights} |" in row
        assert not card.licence.data or f"| {card.licence.data} |" in row


@pytest.mark.parametrize("package", sorted(PUBLIC))
def test_the_python_page_describes_every_public_name(package: str) -> None:
    """Under the package, or under another one that has the same name; errors have a page of their own."""
    section = (ROOT / "docs" / "python.md").read_text().partition(f"\n## {package}\n")[2].partition("\n## ")[0]
    module = importlib.import_module(package)
    for name in module.__all__:
        if not name.startswith("__") and not name.endswith("Error"):
            assert f"\n### {package}.{name}\n" in section or f"[{name}](#zoo" in section, name


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))], ids=lambda page: page.stem
)
def test_python_names_on_a_page_exist(page: Path) -> None:
    for name in set(re.findall(r"`(zoo(?:\.[A-Za-z_]\w*)+)", page.read_text())):
        assert pkgutil.resolve_name(name) is not None, name
    for name in set(re.findall(r"^ *from (zoo(?:\.\w+)*) import", page.read_text(), flags=re.MULTILINE)):
        assert name.startswith("zoo.testing.") or name in PUBLIC, f"{page.name} imports from {name}"
