"""Avatars are what their labels say."""

from __future__ import annotations

import shutil
import sys
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from recipes.avatars import Avatars, licence_of, read
from recipes.avatars.__main__ import main
from recipes.avatars.data import write
from recipes.avatars.design import ATTRIBUTES, PARTS, STYLES, ImagePlan, drawings, plan
from recipes.avatars.making import draw
from recipes.avatars.rendering import modules_folder, render
from recipes.avatars.sheet import sheet
from zoo.errors import OptionError, ZooError

COUNTS = {"train": 2000, "val": 150, "test": 150}

drawing = pytest.mark.skipif(
    not (shutil.which("node") and modules_folder().exists()),
    reason="needs Node.js, and the packages that `python -m recipes.avatars DIR` installs",
)


@pytest.fixture(scope="module")
def held(data: Path) -> Avatars:
    return read(data / "avatars", "val")


@pytest.fixture(scope="module")
def plans() -> dict[str, ImagePlan]:
    return plan(COUNTS)


def colours(name: str) -> NDArray[np.uint8]:
    """The palette of an attribute, (values, 3)."""
    codes = [drawings("micah", name, value)[0] for value in ATTRIBUTES[name]]
    return np.array([list(bytes.fromhex(code)) for code in codes], np.uint8)


def column(avatars: Avatars, name: str) -> NDArray[np.uint8]:
    return avatars.labels[:, list(avatars.attributes).index(name)]


def test_every_style_is_free_and_has_every_value() -> None:
    for style, about in STYLES.items():
        assert about["artwork"]["licence"] in {"CC BY 4.0", "CC0 1.0"}
        assert about["artwork"]["author"] in licence_of()[1]
        assert all(drawings(style, name, value) for name, values in ATTRIBUTES.items() for value in values)


def test_colours_differ() -> None:
    """No two of them could be taken for one another: 50 of 255 levels apart, or more."""
    hair, background, skin = (colours(name).astype(float) for name in ("hair_colour", "background", "skin"))
    pairs = [pair for palette in (hair, background, skin) for pair in combinations(palette, 2)]
    pairs += [(one, other) for one in (*hair, *skin) for other in background]
    assert min(np.linalg.norm(one - other) for one, other in pairs) > 50


def test_values_are_uniform_and_independent(plans: dict[str, ImagePlan]) -> None:
    """Counts of values, and of pairs of them, lie within five standard deviations of a uniform draw."""
    labels = plans["train"].labels
    sizes = [len(values) for values in ATTRIBUTES.values()]
    for one, other in combinations(range(len(sizes)), 2):
        chance = 1 / (sizes[one] * sizes[other])
        found = np.bincount(labels[:, one] * sizes[other] + labels[:, other], minlength=sizes[one] * sizes[other])
        assert np.abs(found - len(labels) * chance).max() < 5 * np.sqrt(len(labels) * chance * (1 - chance))


def test_no_combination_is_in_two_splits(plans: dict[str, ImagePlan]) -> None:
    found = {split: {bytes(row) for row in whole.labels} for split, whole in plans.items()}
    assert not any(found[one] & found[other] for one, other in combinations(found, 2))
    for split in ("val", "test"):
        assert len(found[split]) == len(STYLES) * COUNTS[split]
        assert set(np.bincount(plans[split].labels[:, 0])) == {COUNTS[split]}


def test_variants_exist(plans: dict[str, ImagePlan]) -> None:
    """A row of labels and variants always names a drawing, and every drawing is used."""
    whole = plans["train"]
    for place, (name, values) in enumerate(ATTRIBUTES.items()):
        rows = np.stack([whole.labels[:, 0], whole.labels[:, place], whole.variants[:, place]], axis=1)
        wanted = {
            (number, label, variant)
            for number, style in enumerate(STYLES)
            for label, value in enumerate(values)
            if name != "style" or value == style
            for variant in range(len(drawings(style, name, value)))
        }
        assert {(int(style), int(label), int(variant)) for style, label, variant in rows} == wanted


def test_too_many_held() -> None:
    with pytest.raises(OptionError, match="--held 6480"):
        plan({"train": 1, "val": 3240, "test": 3240})


def test_pictures_show_their_labels(held: Avatars) -> None:
    """The background's colour is there exactly, and hair has more pixels of its own colour than of another."""
    assert held.images.shape == (24, 32, 32, 3)
    palette = colours("hair_colour").astype(float)
    for image, background, hair, masks in zip(
        held.images, column(held, "background"), column(held, "hair_colour"), held.masks, strict=True
    ):
        assert (image == colours("background")[background]).all(axis=-1).sum() > 50
        apart = np.linalg.norm(image[masks[PARTS.index("hair")]] - palette[:, None], axis=-1)
        assert (apart < 50).sum(axis=1).argmax() == hair


def test_masks_hold_what_is_there(held: Avatars) -> None:
    there = np.asarray(held.masks.any(axis=(2, 3)))
    assert there[:, :3].all()
    assert (there[:, PARTS.index("glasses")] == (column(held, "glasses") == 1)).all()
    heights = [(held.masks[:, place] * np.arange(32)[:, None]).sum() / held.masks[:, place].sum() for place in range(4)]
    eyes, mouth, hair, glasses = heights
    assert hair < eyes < mouth
    assert abs(glasses - eyes) < 2


def test_what_is_written_is_read(tmp_path: Path, data: Path, held: Avatars) -> None:
    """Also where masks do not fill their last byte: 5 x 5 pixels are 25 bits."""
    about = (data / "avatars" / "dataset.json").read_text()
    (tmp_path / "dataset.json").write_text(about.replace('"size": 32', '"size": 5'))
    small = Avatars(
        held.images[:, 8:13, 8:13], held.labels, held.variants, held.masks[..., 8:13, 8:13], ATTRIBUTES, PARTS
    )
    for number in (0, 1):
        write(tmp_path / f"test-{number:03}.npz", small)
    back = read(tmp_path, "test")
    for name in ("images", "labels", "variants", "masks"):
        assert (getattr(back, name) == np.concatenate([getattr(small, name)] * 2)).all()
    assert (back.attributes, back.parts) == (ATTRIBUTES, PARTS)
    assert (tmp_path / "test-000.npz").read_bytes() == (tmp_path / "test-001.npz").read_bytes()


def test_no_such_split(data: Path) -> None:
    with pytest.raises(ZooError, match="holds no train avatars"):
        read(data / "avatars", "train")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--held", "9000"], "--held 9000: a style has 6480 combinations"),
        (["--jobs", "0"], "0 is less than 1"),
        (["--size", "x"], "invalid number value: 'x'"),
    ],
)
def test_bad_calls(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.setattr(sys, "argv", ["avatars", str(tmp_path / "new"), *arguments])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_an_existing_folder_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["avatars", str(tmp_path)])
    with pytest.raises(SystemExit):
        main()
    assert capsys.readouterr().err == f"{tmp_path} exists: name a new folder\n"


def test_sheet(held: Avatars) -> None:
    """A row of pictures and a row of masks for each style."""
    drawn = sheet(held, columns=3, enlarge=2)
    assert drawn.size == (3 * 64, 2 * 64 * len(STYLES))
    first = held.images[np.flatnonzero(held.labels[:, 0] == 0)[0]]
    assert (np.asarray(drawn)[:64:2, :64:2] == first).all()


@drawing
def test_drawn_again(held: Avatars) -> None:
    """The same labels give the same pictures and masks, whatever else is drawn with them."""
    half = ImagePlan(held.labels[::2], held.variants[::2])
    images, masks = draw(half, 32, jobs=1, masked=True)
    assert np.abs(images.astype(int) - held.images[::2]).max() <= 1  # other processors may round otherwise
    assert (masks != held.masks[::2]).mean() < 1e-3


@drawing
def test_a_drawing_that_does_not_exist_is_refused(held: Avatars) -> None:
    [request] = ImagePlan(held.labels[:1], held.variants[:1]).requests()
    request["options"]["mouth"] = "beak"
    with pytest.raises(ZooError, match="mouth: beak was asked for, none drawn"):
        render([request], 32, jobs=1)
