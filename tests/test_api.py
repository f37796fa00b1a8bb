from pathlib import Path

import pytest
import torch
import yaml

import zoo
from tests.registry.test_registry import CARD
from tests.support.toys import write_tiny
from zoo import OptionError


@pytest.fixture
def registry(tmp_path: Path) -> Path:
    write_tiny(tmp_path / "mine.safetensors")
    card = {**CARD, "name": "dcgan.own", "weights": {"sources": [{"url": "mine.safetensors"}]}}
    (tmp_path / "cards.yaml").write_text(yaml.safe_dump({"models": [card]}))
    return tmp_path / "cards.yaml"


def test_analyze_opens_a_model_as_load_does(registry: Path) -> None:
    found = zoo.analyze("dcgan.own", dtype="float64", device="cpu", registry=[registry], k=2)
    model = zoo.load("dcgan.own", dtype="float64", device="cpu", registry=[registry])
    assert found.provenance["dtype"] == "float64"
    assert torch.equal(found.vectors, zoo.analyze(model, k=2).vectors)


def test_an_open_model_is_not_opened_again(registry: Path) -> None:
    model = zoo.load("dcgan.own", registry=[registry])
    for change in ({"dtype": "float64"}, {"device": "cpu"}, {"space": "z"}, {"registry": [registry]}):
        with pytest.raises(OptionError, match=r"dcgan\.own is open already"):
            zoo.analyze(model, **change)
