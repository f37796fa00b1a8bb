"""The scorer of words: its network in the box, words and lists, networks of open_clip, and which models it names."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from zoo_scorers.text import zoo_scorers
from zoo_scorers.text.bundled import WEIGHTS, read_card
from zoo_scorers.text.encoders import BundledEncoder
from zoo_scorers.text.lists import AVATARS, words_of_card, words_of_list
from zoo_scorers.text.options import TextOptions
from zoo_scorers.text.scorer import Text
from zoo_scorers.text.tokenizer import PADDING, tokenize, unknown_words, words_of

import zoo
from recipes.captions import PHRASES, caption, vocabulary
from tests.scorers.test_avatars import DATA
from zoo.cli import run
from zoo.plugins import load_plugins
from zoo.registry.cards import Card
from zoo.registry.registry import load_installation
from zoo.registry.words import Opposites, parse_opposites, read_words
from zoo.scoring import chance
from zoo.scoring.choosing import ScorerChoice, choose_scorers, fitting_scorers


@pytest.fixture(scope="module")
def images() -> Tensor:
    return torch.from_numpy(np.load(DATA)["images"]).permute(0, 3, 1, 2).float() / 127.5 - 1


def card(name: str) -> Card:
    return load_installation().registry.resolve(name)


def test_the_network_in_the_box_matches_pictures_and_captions(images: Tensor) -> None:
    """The best caption of each attribute is true of nearly all test pictures; chance is below a half everywhere."""
    encoder, labels = BundledEncoder(), np.load(DATA)["labels"]
    placed = encoder.images(images)
    for index, (attribute, values) in enumerate(PHRASES.items()):
        told = encoder.texts([phrases[0] for phrases in values.values()])
        right = (placed @ told.T).argmax(dim=1).numpy() == labels[:, index]
        assert right[labels[:, index] != 255].mean() >= 0.9, attribute


def test_scores_are_differences_of_cosines_and_can_be_differentiated(images: Tensor) -> None:
    scorer, encoder = Text(), BundledEncoder()
    shown = images[:3].clone().requires_grad_()
    scores = scorer.score(shown)
    assert scores.shape == (3, len(scorer.attributes))
    high, *low = encoder.texts(["a smiling face", "a serious face", "a face with an open mouth"])
    torch.testing.assert_close(scores[:, 0], encoder.images(images[:3]) @ (high - torch.stack(low).mean(dim=0)))
    scores[:, 0].sum().backward()
    assert shown.grad is not None and float(shown.grad.abs().max()) > 0


def test_it_is_small_and_says_what_it_is_made_of() -> None:
    about = read_card()
    assert WEIGHTS.stat().st_size <= 3_000_000
    assert about["licence"]["weights"] == "CC BY 4.0" and "Micah Lanier" in about["licence"]["data"]
    assert min(about["accuracy"].values()) > 0.99
    assert about["words"] == vocabulary()


def test_words_become_numbers() -> None:
    assert words_of("A big-smile FACE, 3 times!") == ["a", "big", "smile", "face", "times"]
    assert tokenize(["face a", "nothing"], ["a", "face"]).tolist() == [[2, 1], [PADDING, PADDING]]
    assert unknown_words("a nice face", ["a", "face"]) == ["nice"]
    assert torch.isfinite(BundledEncoder()._on(torch.device("cpu")).text(tokenize(["?"], ["a"]))).all()


def test_captions_are_true_of_their_images() -> None:
    labels = np.array([[3, 0, 1, 2, 4, 1, 0, 0], [3, 0, 1, 3, 4, 1, 0, 0]], np.uint8)
    found = caption(labels.repeat(200, axis=0), np.random.default_rng(0))
    assert found.true_of(labels)[0, :200].all() and found.true_of(labels)[1, 200:].all()
    blond = [" blond" in f" {text}" for text in found.texts]
    assert any(blond[:200]) and not any(blond[200:])
    assert not found.true_of(labels)[1, :200].all()


def test_opposites_are_read() -> None:
    assert parse_opposites("smile: a smiling face /  a serious face") == Opposites(
        "smile", ("a smiling face",), ("a serious face",)
    )
    several = parse_opposites("red hair / blond hair | black  hair")
    assert several.low == ("blond hair", "black hair") and several.poles is None
    assert parse_opposites("An open mouth / the closed mouth").name == "open mouth"
    assert parse_opposites("x: an old man / a boy").poles == ("boy", "old man")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a smiling face", "no opposites"),
        ("a / b / c", "no opposites"),
        ("a face / A face", "two different"),
        ("a / b | ", "no opposites"),
        ("a / ", "no opposites"),
        (": a / b", "no opposites"),
        ("3 people / 4 people", "cannot be the name"),
        ("a, b / c", "cannot be the name"),
    ],
)
def test_what_is_no_pair_of_opposites_is_refused(text: str, told: str) -> None:
    with pytest.raises(zoo.OptionError, match=told):
        parse_opposites(text)


def test_a_file_of_words(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_text("# faces\n\nsmile: a smiling face / a serious face\na mohawk / short hair\n")
    assert [pair.name for pair in read_words(path)] == ["smile", "mohawk"]
    assert Text(TextOptions(words=path)).attributes == ("smile", "mohawk")
    for content, told in [
        (b"", "holds 0 pairs"),
        (b"a / b\nwords", "line 2: 'words' are no opposites"),
        (b"a / b\na / c", "line 2: there are two pairs called 'a'"),
        (b"\xff / b", "no text in UTF-8"),
        (b"#" * 1_000_001, "larger than"),
    ]:
        path.write_bytes(content)
        with pytest.raises(zoo.OptionError, match=told):
            read_words(path)
    with pytest.raises(zoo.OptionError, match="cannot read the file of words"):
        read_words(tmp_path / "none.txt")


def test_every_card_names_words_that_there_are() -> None:
    for one in load_installation().registry.cards.values():
        assert words_of_card(one), one.name
    assert words_of_card(card("stylegan2.ffhq1024")) == words_of_list("faces")
    assert words_of_card(card("biggan.avatars32")) == words_of_list(AVATARS)
    assert words_of_card(card("r3gan.cifar10")) == words_of_list("general")
    with pytest.raises(zoo.UnknownNameError, match="list of words"):
        words_of_list("facs")


def test_it_is_asked_where_it_is_named_or_no_other_scorer_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    plugins = load_plugins()
    assert list(fitting_scorers(card("biggan"), plugins.scorers)) == ["avatars"]
    others = {name: plugin for name, plugin in plugins.scorers.items() if name != "avatars"}
    assert list(fitting_scorers(card("biggan"), others)) == ["text"]
    monkeypatch.setitem(sys.modules, "open_clip", None)  # as where it is not installed
    assert list(fitting_scorers(card("dcgan.celeba64"), plugins.scorers)) == []
    assert list(choose_scorers(card("biggan"), plugins, "text")) == ["text"]
    with pytest.raises(zoo.CapabilityError, match=r"pip install 'latent-zoo\[text\]'"):
        choose_scorers(card("dcgan.celeba64"), plugins, "text")
    with pytest.raises(zoo.CapabilityError, match=r"text does not fit dcgan\.celeba64"):
        choose_scorers(card("dcgan.celeba64"), plugins, ScorerChoice(name="text", options={"clip": "avatars"}))
    [entry] = zoo_scorers()
    assert entry.fallback and entry.attributes == tuple(entry.build().attributes)


def test_the_scorer_of_an_option_need_not_be_named() -> None:
    plugins = load_plugins()
    assert ScorerChoice(options={"words": "x"}).split({}, plugins)[0].name == "text"
    assert ScorerChoice(name="text").split({"clip": "RN50", "gain": 1}, plugins)[1] == {"gain": 1}
    with pytest.raises(zoo.OptionError, match="no scorer has an option nothing"):
        ScorerChoice(options={"nothing": 1}).split({}, plugins)


def test_words_that_the_network_does_not_know_are_refused(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("a face with sunglasses / a face with glasses\n")
    choice = ScorerChoice(options={"words": tmp_path / "words.txt"})
    with pytest.raises(zoo.OptionError, match="does not know 'sunglasses'"):
        choose_scorers(card("biggan"), load_plugins(), choice)
    with pytest.raises(zoo.OptionError, match="does not know 'grinning'"):
        Text().about("a grinning face")


def test_words_to_look_for() -> None:
    scorer = Text()
    assert scorer.about("Open  mouth").attributes == scorer.about("a face with an open mouth").attributes
    assert scorer.about("closed eyes").poles == {"closed eyes": ("face with open eyes", "face with closed eyes")}
    turned = scorer.about("a face with open eyes")  # the low side of a pair
    assert turned.poles == {"face with open eyes": ("face with closed eyes", "face with open eyes")}
    assert scorer.about("red hair / blue hair").poles == {"red hair": ("blue hair", "red hair")}
    assert scorer.about("asleep").attributes == ("asleep",)


class _Clip(nn.Module):
    """A network with the face of those of open_clip: colours and words become two numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.zeros(()))
        self.visual = nn.Identity()
        self.visual.image_size = (8, 8)  # type: ignore[assignment]

    def encode_image(self, pictures: Tensor) -> Tensor:
        placed: Tensor = self.scale * pictures.mean(dim=(2, 3))[:, ::2]
        return placed

    def encode_text(self, tokens: Tensor) -> Tensor:
        return tokens.float()


@pytest.fixture
def open_clip(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A stand-in for open_clip with one architecture, whose texts are red or blue, and a tag."""
    module: Any = ModuleType("open_clip")
    module.list_models = lambda: ["Small"]
    module.list_pretrained_tags_by_model = lambda name: ["of_url"]
    module.get_pretrained_cfg = lambda name, tag: {"url": "https://example.org/w.pt", "hf_hub": ""}
    module.OPENAI_DATASET_MEAN, module.OPENAI_DATASET_STD = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)
    module.create_model = lambda name, **_: _Clip()
    module.get_tokenizer = lambda name: lambda texts: torch.tensor([[int("red" in t), int("blue" in t)] for t in texts])
    monkeypatch.setitem(sys.modules, "open_clip", module)
    stand_in: ModuleType = module
    return stand_in


@pytest.mark.usefixtures("open_clip")
def test_a_network_of_open_clip_reads_weights_of_a_file(tmp_path: Path) -> None:
    save_file({"scale": torch.tensor(2.0)}, tmp_path / "weights.safetensors")
    options = {"clip": "Small", "pretrained": str(tmp_path / "weights.safetensors")}
    plugins, faces = load_plugins(), card("dcgan.celeba64")
    (tmp_path / "words.txt").write_text("colour: red / blue\n")
    choice = ScorerChoice(name="text", options={**options, "words": tmp_path / "words.txt"})
    scorer = choose_scorers(faces, plugins, choice)["text"]
    red, blue = torch.zeros(2, 3, 8, 8)
    red[0], blue[2] = 1, 1
    scores = scorer.score(torch.stack([red, blue]))
    assert scores[:, 0].tolist() == pytest.approx([1, -1])
    save_file({"scale": torch.tensor([2.0, 1.0])}, tmp_path / "weights.safetensors")
    with pytest.raises(zoo.CheckpointError, match="scale"):
        choose_scorers(faces, plugins, choice)["text"].score(red[None])


@pytest.mark.usefixtures("open_clip")
def test_what_open_clip_does_not_have_is_refused() -> None:
    plugins, faces = load_plugins(), card("dcgan.celeba64")

    def asking(**options: str) -> Callable[[], object]:
        return lambda: choose_scorers(faces, plugins, ScorerChoice(name="text", options=options))["text"].score(
            torch.zeros(1, 3, 8, 8)
        )

    for ask, error, told in [
        (asking(clip="Large"), zoo.OptionError, "clip=Large: open_clip has Small"),
        (asking(clip="none.json"), zoo.OptionError, "there is no such file"),
        (asking(clip="Small"), zoo.OptionError, "the tags of Small are of_url"),
        (asking(clip="Small", pretrained="of_url"), zoo.WeightsError, "not on the Hub"),
        (asking(clip="Small", pretrained="./none.pt"), zoo.CheckpointError, "none.pt"),
    ]:
        with pytest.raises(error, match=told):
            ask()
    assert list(fitting_scorers(faces, plugins.scorers)) == []  # nothing is fetched where it is not named


def test_a_real_network_of_open_clip(tmp_path: Path) -> None:
    """A small configuration with random weights; where open_clip is not installed, only the stand-in is tried."""
    open_clip = pytest.importorskip("open_clip")
    (tmp_path / "tiny.json").write_text(
        '{"embed_dim": 16, "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, '
        '"patch_size": 16}, "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 16, "heads": 2, '
        '"layers": 1}}'
    )
    open_clip.add_model_config(tmp_path / "tiny.json")
    network = open_clip.create_model("tiny", pretrained=None, load_weights=False)
    state = {key: value.contiguous().clone() for key, value in network.state_dict().items()}
    save_file(state, tmp_path / "tiny.safetensors")
    options = {"clip": str(tmp_path / "tiny.json"), "pretrained": str(tmp_path / "tiny.safetensors")}
    scorer = choose_scorers(card("dcgan.celeba64"), load_plugins(), ScorerChoice(name="text", options=options))["text"]
    scores = scorer.score(torch.rand(2, 3, 40, 40) * 2 - 1)
    assert scores.shape == (2, len(words_of_list("faces"))) and not torch.equal(scores[0], scores[1])


@pytest.mark.long
def test_analyze_and_score_name_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A direction that changes hair colour, found with the labels of the scorer of avatars."""
    monkeypatch.setattr(chance, "RANDOM_DIRECTIONS", 8)
    monkeypatch.chdir(tmp_path)
    model = zoo.load("biggan", device="cpu")
    found = zoo.analyze(model, "sefa", label="micah", show=2, scorer="text", out="run")
    names = found.provenance["names"]
    assert found.provenance["measured"]["codes"] == 64
    scores = zoo.score(model, "run", scorer="text", show=2)
    assert scores.samples == 64 and scores.names_as_json() == names
    assert "--scorer text" in found.provenance["command"]
    columns, rows = scores.table()
    assert len(columns) < 16 and ("z " in rows[0][-1] or "no name" in rows[0][-1])
    assert run(["score", "biggan", "run", "--scorer", "text", "--samples", "8"]) == 2
    assert "at least 64" in capsys.readouterr().err
