from pathlib import Path

import numpy as np
import pytest

from zoo import CardError, PluginError, UnknownNameError
from zoo.core.region import parse_region
from zoo.registry.card_files import built_in_file, read_cards
from zoo.registry.plain_yaml import dump_plain_yaml
from zoo.registry.registry import Registry, load_installation

CARD: dict[str, object] = {
    "name": "dcgan.mine",
    "adapter": "dcgan",
    "summary": "mine",
    "resolution": 16,
    "space": "z",
    "dim": 12,
    "weights": {"sources": [{"url": "mine.pt"}]},
    "licence": {"weights": "CC0"},
}


def write(folder: Path, *cards: dict[str, object]) -> Path:
    file = folder / "cards.yaml"
    file.write_text(dump_plain_yaml({"models": list(cards)}))
    return file


def test_the_built_in_file_is_valid_although_listing_does_not_validate_it() -> None:
    validated = read_cards(built_in_file())
    quick = load_installation().registry.cards
    assert {card.name for card in validated} <= set(quick)
    for card in validated:
        listed = quick[card.name]
        assert {**vars(card), "file": None} == {**vars(listed), "file": None}


def test_built_in_cards_are_licensed_their_regions_parse_and_those_that_were_tried_are_pinned() -> None:
    for card in read_cards(built_in_file()):
        if card.weights.verified:
            assert card.weights.sha256
            assert card.weights.size
        assert all(source.archive_sha256 for source in card.weights.sources if source.scheme == "pypi")
        assert card.licence.weights
        assert card.licence.data
        for text in card.regions.values():
            assert not parse_region(text, (card.resolution, card.resolution), card.regions).whole


def test_one_default_an_architecture() -> None:
    registry = load_installation().registry
    for architecture in {card.architecture for card in registry.cards.values()}:
        assert sum(card.default for card in registry.cards.values() if card.architecture == architecture) == 1
        assert registry.resolve(architecture).default


def test_a_users_file_is_read_too(tmp_path: Path) -> None:
    registry = load_installation([write(tmp_path, CARD)]).registry
    assert registry.resolve("dcgan.mine").paths() == [tmp_path / "mine.pt"]
    assert registry.resolve("dcgan").name == "dcgan.digiface64"
    assert [card.name for card in registry.match("dcgan.m*")] == ["dcgan.mine"]
    assert len(registry.match(None)) == len(registry.cards)


def test_a_name_claimed_twice_names_both_owners(tmp_path: Path) -> None:
    file = write(tmp_path, {**CARD, "name": "dcgan.celeba64"})
    with pytest.raises(PluginError, match=rf"zoo itself and {file}"):
        _ = load_installation([file]).registry


def test_two_defaults_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CardError, match=r"dcgan\.digiface64 and dcgan\.mine"):
        _ = load_installation([write(tmp_path, {**CARD, "default": True})]).registry


def test_unknown_names_are_suggested() -> None:
    with pytest.raises(UnknownNameError, match=r"did you mean dcgan\.digiface64"):
        load_installation().registry.resolve("dcgan.digifaces")


def test_an_empty_registry_says_so() -> None:
    with pytest.raises(UnknownNameError, match="there are none"):
        Registry({}).resolve("a.b")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": "Mine"}, "field the card: .*architecture.variant"),
        ({"resolution": "big"}, "field resolution"),
        ({"resolution": 0}, "above 0"),
        ({"colour": "red"}, "field colour"),
        ({"licence": {}}, r"field licence\.weights"),
        ({"licence": {"weights": "CC0", "wieghts": "x"}}, r"field licence\.wieghts"),
        ({"weights": {"sources": []}}, "at least one source"),
        ({"weights": {"sources": [{"url": "ftp://a/b"}]}}, "ftp://"),
        ({"weights": {"sources": [{"url": "http://a/b"}]}}, "need a sha256"),
        ({"weights": {"sources": [{"url": "pypi://a/b"}]}}, "write pypi://distribution==version"),
        ({"weights": {"sources": [{"url": "hf://owner/repo"}]}}, "write hf://owner/repo/file@revision"),
        ({"weights": {"sources": [{"url": "gdrive://x"}]}}, "write gdrive://ID"),
        ({"weights": {"sources": [{"url": "bundled:../x.pt"}]}}, "write bundled:file"),
        ({"weights": {"sources": [{"url": "https://"}]}}, "write https://host/path"),
        ({"weights": {"sources": [{"url": "a.pt"}], "sha256": "xyz"}}, "64 lower-case"),
        ({"licence": {"weights": "CC0\x1b[2J"}}, "without control characters"),
        ({"summary": "one\ntwo"}, "without control characters"),
        ({"regions": {"left": "top"}}, "is taken"),
        ({"regions": {"a+b": "top"}}, "letters"),
        ({"alignment": "dlib"}, "there are ffhq, celeba, points:… and none"),
    ],
)
def test_errors_name_file_card_and_field(tmp_path: Path, change: dict[str, object], words: str) -> None:
    file = write(tmp_path, {**CARD, **change})
    with pytest.raises(CardError, match=rf"{file}, card .*{words}"):
        read_cards(file)


def test_an_architecture_without_models_says_how_to_add_one() -> None:
    found = load_installation()
    few = {name: card for name, card in found.registry.cards.items() if card.adapter == "dcgan"}
    registry = Registry(few, found.plugins)
    for name in ("stylegan2", "stylegan2.ffhq1024", "stylegan2*"):
        with pytest.raises(UnknownNameError, match=r"'zoo add FILE --name stylegan2\.mine'"):
            raise registry.unknown(name)
    assert "zoo add" not in str(registry.unknown("dcgan.digifaces"))


def test_the_cards_of_public_weights_are_complete() -> None:
    """They are not verified and say so, each has an installed architecture, and terms."""
    installation = load_installation()
    public = [card for card in installation.registry.cards.values() if not card.weights.verified]
    assert len(public) >= 25
    for card in public:
        assert "not verified" in card.terms
        assert card.adapter in installation.plugins.adapters
        assert card.name.startswith(f"{card.adapter}.")
        assert card.dataset and card.paper and card.origin and card.licence.data
        assert card.weights.remote or card.weights.obtain
        assert not any("odegeasslbc" in source.url for source in card.weights.sources)  # taken over by a stranger
    families = {card.architecture for card in public}
    assert families == {
        card.architecture for card in public if installation.registry.resolve(card.architecture).default
    }


def test_published_boxes_are_where_they_were_published() -> None:
    """At 256 x 256 pixels: centre, then size; the origin is the centre less half of the size, rounded down."""
    cards = load_installation().registry.cards
    mouth = parse_region("mouth", (256, 256), cards["stylegan2.ffhq1024"].regions)
    rows, columns = np.nonzero(mouth.mask)
    assert (rows.min(), rows.max() + 1, columns.min(), columns.max() + 1) == (169, 199, 92, 162)
    head = parse_region("head", (256, 256), cards["biggan.imagenet128"].regions)
    rows, columns = np.nonzero(head.mask)
    assert (rows.min(), rows.max() + 1, columns.min(), columns.max() + 1) == (65, 114, 80, 150)
