"""The names of classes: ``imagenet`` as a word, and labels by name in any case."""

from pathlib import Path

import pytest
import torch
import yaml
from zoo_adapters.biggan.adapter import BigGAN

import zoo
from tests.support.golden import Golden
from tests.support.hostile import card, eyes_state
from tests.support.linear import model_of
from zoo.cli import run
from zoo.core.class_names import imagenet_names, parse_class_names
from zoo.errors import CardError, UnknownNameError, few_names
from zoo.models.choices import OpeningChoices
from zoo.models.model import Model
from zoo.registry.card_files import added_folder, read_cards


def test_the_thousand_names() -> None:
    names = imagenet_names()
    assert len({name.casefold() for name in names}) == 1000
    assert [names[index] for index in (0, 207, 388, 999)] == [
        "tench",
        "golden retriever",
        "giant panda",
        "toilet tissue",
    ]
    assert parse_class_names("imagenet") == names
    assert parse_class_names("a,b") == parse_class_names(["a", "b"]) == ("a", "b")


def test_labels_by_name() -> None:
    tiny = BigGAN.tiny(0)
    tiny.classes = ("Cat", "dog", *map(str, range(len(tiny.classes) - 2)))
    model = Model(model_of(tiny).card, tiny, "", "", OpeningChoices(""))
    assert [model.label_index(label) for label in ("Cat", "cat", "DOG", 1, "1")] == [0, 0, 1, 1, 1]
    with pytest.raises(UnknownNameError, match="did you mean dog"):
        model.label_index("dogg")


def test_long_lists_of_names_are_shortened() -> None:
    assert [few_names(names) for names in ((), ("a", "b"))] == ["none", "a, b"]
    tiny = BigGAN.tiny(0)
    tiny.classes = imagenet_names()
    shown = Model(model_of(tiny).card, tiny, "", "", OpeningChoices(""))._repr_html_()
    assert "tench, goldfish, " in shown
    assert ", … (1000 in all)" in shown


def test_a_card_may_say_imagenet(tmp_path: Path) -> None:
    card = {
        "name": "biggan.mine",
        "adapter": "biggan",
        "summary": "Mine.",
        "resolution": 128,
        "space": "z",
        "dim": 120,
        "classes": "imagenet",
        "weights": {"sources": [{"url": "mine.pth"}]},
        "licence": {"weights": "CC0"},
    }
    (tmp_path / "registry.yaml").write_text(yaml.safe_dump({"models": [card]}))
    assert read_cards(tmp_path / "registry.yaml")[0].classes == imagenet_names()


def test_a_card_names_classes_even_if_the_architecture_has_no_option_for_them(tmp_path: Path) -> None:
    torch.save(eyes_state(), tmp_path / "eyes.pth")
    names = ["first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth"]
    mine = card("dcgan.mine", "eyes.pth", resolution=8, dim=100, classes=names)
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump({"models": [mine]}))
    model = zoo.load("dcgan.mine", registry=[tmp_path / "mine.yaml"], device="cpu")
    labels = model.sample(2, label="seventh").labels
    assert labels is not None
    assert labels.tolist() == [6, 6]
    assert model.code_name(model.sample(1, label=1), 0) == "code 0, second"
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump({"models": [{**mine, "classes": names[:7]}]}))
    with pytest.raises(CardError, match=r"its card names 7 classes, but .*eyes.pth holds 8: mend the card"):
        zoo.load("dcgan.mine", registry=[tmp_path / "mine.yaml"], device="cpu")


def test_zoo_add_takes_names_of_classes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ZOO_CONFIG", str(tmp_path / "config"))
    golden = Golden.read("biggan_ajbrock")
    names = [f"class {index}" for index in range(len(golden.state["shared.weight"]))]
    torch.save(golden.state, tmp_path / "G_ema.pth")
    add = ["add", str(tmp_path / "G_ema.pth"), "--name", "biggan.mine"]
    assert run([*add, "-o", f"classes={','.join(names)}"]) == 0
    [card] = read_cards(added_folder() / "biggan.mine.yaml")
    assert card.classes == tuple(names)
    capsys.readouterr()
    assert run(["sample", "biggan.mine", "--samples", "1", "--label", "CLASS 1", "--out", str(tmp_path / "run")]) == 0
