"""The report, read as a page: what it says, and what its pictures show."""

from __future__ import annotations

import base64
import hashlib
import io
import re
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from zoo_adapters.dcgan.adapter import DCGAN

import zoo
from tests.support.linear import Banded, Linear, model_of
from zoo.editing.steps import VISIBLE_CHANGE
from zoo.models.model import Model
from zoo.report.filmstrips import MIDDLE, SHARES, STRIP, coarse_middle_fine, moved_rows_by_scale
from zoo.report.table import format_rows, format_signed, format_value

STYLE = Path(zoo.__file__).parent / "report" / "templates" / "report.css"
VOID = {"meta", "link", "img", "input"}


class Page(HTMLParser):
    """Elements in order, each with its attributes; text by element; raises if tags do not nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: list[tuple[str, str]] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {key: value or "" for key, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {key: value or "" for key, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append((self.open[-1], data.strip()))

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]


def decode(address: str) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))).convert("RGB"))


def make(model: Model, folder: Path, analyzer: str = "sefa", **question: object) -> tuple[Page, zoo.Directions]:
    found = zoo.analyze(model, analyzer, out=folder / "run", **question)  # type: ignore[arg-type]
    return Page((folder / "run" / "report.html").read_text(encoding="utf-8")), found


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> tuple[Page, zoo.Directions]:
    model = model_of(DCGAN.tiny(0))
    return make(model, tmp_path_factory.mktemp("tiny"), "nullspace", region="center", samples=2, k=2, basis="published")


# One page that needs nothing else


def test_it_refers_to_nothing_outside(tiny: tuple[Page, zoo.Directions]) -> None:
    page, _ = tiny
    for _, attributes in page.elements:
        for key in ("src", "href"):
            assert attributes.get(key, "#").startswith(("#", "data:"))
        assert not [key for key in attributes if key.startswith("on") or key == "style"]
    text = " ".join(text for _, text in page.texts)
    assert "url(" not in text
    assert "@import" not in text


def test_the_policy_allows_this_style_and_this_script_alone(tiny: tuple[Page, zoo.Directions], tmp_path: Path) -> None:
    page, _ = tiny
    [policy] = [meta["content"] for meta in page.all("meta") if meta.get("http-equiv") == "Content-Security-Policy"]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["img-src"] == "data:"
    zoo.analyze(model_of(DCGAN.tiny(0)), out=tmp_path / "run", show=1)
    raw = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    for kind in ("style", "script"):
        [content] = re.findall(rf"<{kind}>(.*?)</{kind}>", raw, flags=re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert rules[f"{kind}-src"] == f"'sha256-{digest}'"


def test_what_a_screen_reader_needs(tiny: tuple[Page, zoo.Directions]) -> None:
    page, _ = tiny
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert all("alt" in image for image in page.all("img"))
    names = {attributes["id"] for _, attributes in page.elements if "id" in attributes}
    assert len(names) == len([attributes for _, attributes in page.elements if "id" in attributes])
    labels = {label["for"] for label in page.all("label")}
    assert {slider["id"] for slider in page.all("input")} == labels
    for _, attributes in page.elements:
        for key in ("aria-labelledby", "aria-describedby"):
            assert set(attributes.get(key, "").split()) <= names
        if attributes.get("href", "").startswith("#"):
            assert attributes["href"][1:] in names
    assert page.elements[0] == ("html", {"lang": "en"})


def test_it_says_what_was_asked_and_found(tiny: tuple[Page, zoo.Directions]) -> None:
    page, found = tiny
    text = " ".join(text for _, text in page.texts)
    assert found.provenance["command"] in text
    assert str(found.provenance["licence"]) in text
    elsewhere = {"locality", "command", "kept", "measured", "names", "notes", "repeats", "redundancy"}
    elsewhere |= {"spectrum", "spectrum_of"}
    for key in set(found.metadata()) - elsewhere:
        assert ("th", key) in page.texts
    for title in ("score", "kept norm", "locality, own codes", "locality, unseen codes", "consistency"):
        assert ("th", title) in page.texts
    assert ("th", "suggested name") not in page.texts


def test_columns_without_a_figure_are_left_out(tmp_path: Path) -> None:
    page, _ = make(model_of(DCGAN.tiny(0)), tmp_path, unseen=0)
    assert [text for tag, text in page.texts if tag == "th"][:5] == [
        "direction",
        "score",
        "step",
        "redundancy",
        "format",
    ]


def test_classes_are_named(tmp_path: Path) -> None:
    page, _ = make(model_of(Pets.tiny(0)), tmp_path, "lowrank", region="top", label="dog", k=1)
    captions = [text for tag, text in page.texts if tag == "figcaption"]
    assert captions[:3] == ["code 0, analysed (dog)", "unseen code 0 (dog)", "unseen code 1 (dog)"]


# Its pictures show the moved codes


def frames_of(page: Page, frames: int) -> list[NDArray[np.float64]]:
    sprites = [decode(image["src"]) for image in page.all("img") if image["src"].startswith("data:image/webp")]
    return [np.stack(np.split(s.astype(float), frames, axis=1)) for s in sprites if s.shape[1] == frames * s.shape[0]]


def test_each_frame_is_the_code_moved_by_its_strength(tmp_path: Path) -> None:
    """Compared with the adapter's own pictures: WebP at quality 80 keeps smooth ones within a few grey levels."""
    model = model_of(Smooth.tiny(0))
    page, found = make(model, tmp_path, "lowrank", region="top", k=2, unseen=1)
    [first, *_] = frames_of(page, len(SHARES))
    [section, _] = page.all("section")[:2]
    step = torch.tensor([_number(text) for text in section["data-strengths"].split()])
    torch.testing.assert_close(step, torch.tensor(SHARES) * step[-1], rtol=5e-3, atol=1e-9)
    code = model.sample(1, seed=0)
    for frame, strength in enumerate(step):
        image = model.adapter.synthesize(model.adapter.move(code, (strength * found.vectors[0]).float()))[0]
        wanted = ((image.clamp(-1, 1) + 1) * 127.5).movedim(0, -1).numpy()
        assert first[frame].shape == wanted.shape
        assert np.abs(first[frame] - wanted).mean() < 2
    change = model.adapter.synthesize(model.adapter.move(code, (step[-1] * found.vectors[0]).float()))
    inside = (change - model.adapter.synthesize(code)).square().mean(dim=1)[:, :64].mean()
    assert float(inside) == pytest.approx(VISIBLE_CHANGE, rel=0.02)  # the strength is told with three figures


def test_a_heat_map_tells_where_and_how_much(tmp_path: Path) -> None:
    """Only the upper half changes, and everywhere by the same, so that the top of the scale is the visible change."""
    rows = torch.zeros(64, 2)
    rows[:32, 0], rows[32:, 1] = 0.1, 0.01
    page, _ = make(model_of(Linear(rows, (8, 8))), tmp_path, "lowrank", region="top", k=1)
    heats = [image for image in page.all("img") if image["alt"].startswith("Heat map")]
    for heat, codes in zip(heats, ("1 analysed code", "32 unseen codes"), strict=True):
        picture = decode(heat["src"]).astype(int)
        yellow, violet = [253, 231, 37], [68, 1, 84]  # the ends of viridis
        assert np.abs(picture[:4] - yellow).max() <= 1
        assert np.abs(picture[4:] - violet).max() <= 1
        assert f"change at {codes}: at most 0.02, at row" in heat["alt"]
        assert "0.02 inside the region, 0 outside" in heat["alt"]
    [outline, _] = page.all("path")
    assert outline["d"] == "M0 4L8 4"


def test_strips_show_five_of_the_frames() -> None:
    assert [SHARES[frame] for frame in STRIP] == [-1, -0.5, 0, 0.5, 1]
    assert SHARES[MIDDLE] == 0


@pytest.mark.long
def test_the_page_stays_small_however_large_the_images_are(tmp_path: Path) -> None:
    """Five directions at three codes, images of 320² with the power spectrum of photographs: below 6 MB."""
    page, _ = make(model_of(Photographs.tiny(0)), tmp_path, unseen=2)
    assert len(page.all("canvas")) == 5 * 3
    assert {(canvas["width"], canvas["height"]) for canvas in page.all("canvas")} == {("256", "256")}
    assert (tmp_path / "run" / "report.html").stat().st_size < 6e6
    assert any("320 × 320 pixels; pictures show them at 256 × 256" in text for _, text in page.texts)


# Coarse, middle and fine


@pytest.mark.parametrize(
    ("count", "wanted"),
    [
        (1, []),
        (2, ["row 0", "row 1"]),
        (3, ["row 0", "row 1", "row 2"]),
        (4, ["row 0", "row 1", "rows 2–3"]),
        (14, ["rows 0–3", "rows 4–8", "rows 9–13"]),
        (18, ["rows 0–5", "rows 6–11", "rows 12–17"]),
    ],
)
def test_thirds(count: int, wanted: list[str]) -> None:
    found = coarse_middle_fine(count)
    assert [format_rows(rows) for rows in found.values()] == wanted
    assert list(found) == (["coarse", "fine"] if count == 2 else ["coarse", "middle", "fine"])[: len(wanted)]
    assert [row for rows in found.values() for row in rows] == list(range(count if wanted else 0))


@pytest.mark.parametrize(
    ("rows", "wanted"),
    [
        (range(8, 18), {"middle": (8, 9, 10, 11), "fine": tuple(range(12, 18))}),
        ((2, 5, 6, 13), {"coarse": (2, 5), "middle": (6,), "fine": (13,)}),
        ((3,), {"coarse": (3,)}),
    ],
)
def test_thirds_are_those_of_the_space(rows: Sequence[int], wanted: dict[str, tuple[int, ...]]) -> None:
    """What is fine in a network does not depend on the rows that a direction was found for."""
    space = zoo.LatentSpace("w", 4, layers=18)
    assert (
        moved_rows_by_scale(zoo.Directions(space, torch.eye(4).double(), torch.ones(4), layers=tuple(rows))) == wanted
    )


def test_parts_are_what_the_architecture_calls_so() -> None:
    """``--layers coarse`` and the report mean the same rows."""
    names = {"4x4": (0, 1), "coarse": (0, 1, 2, 3), "middle": (4, 5, 6, 7)}
    space = zoo.LatentSpace("w", 4, layers=8)
    directions = zoo.Directions(space, torch.eye(4).double(), torch.ones(4))
    assert moved_rows_by_scale(directions, names) == {"coarse": (0, 1, 2, 3), "middle": (4, 5, 6, 7)}
    assert moved_rows_by_scale(replace(directions, layers=(2, 3)), names) == {"coarse": (2, 3)}
    assert moved_rows_by_scale(directions, {"4x4": (0, 1)}) == moved_rows_by_scale(directions)


def test_rows_are_written_as_ranges() -> None:
    assert format_rows((0, 2, 5, 6)) == "rows 0, 2, 5–6"


@pytest.mark.parametrize(
    ("layers", "bands"),
    [(None, {"coarse": [0], "middle": [1], "fine": [2, 3]}), ((1, 2), {"middle": [1], "fine": [2]})],
)
def test_a_third_changes_what_its_rows_make(
    tmp_path: Path, layers: list[int] | None, bands: dict[str, list[int]]
) -> None:
    """Row r makes band r of the image, so that moving a third changes its bands, and only those."""
    model = model_of(Banded.of(4))
    page, _ = make(model, tmp_path, show=1, layers=layers, unseen=0)
    images = [image for image in page.all("img") if image["alt"].startswith("Code 0 moved on the")]
    assert len(images) == len(bands)
    for image, (name, changed) in zip(images, bands.items(), strict=True):
        assert f"moved on the {name} {format_rows(changed)} only" in image["alt"]
        low, _, high = np.split(decode(image["src"])[:, [*range(128), *range(130, 258), *range(260, 388)]], 3, axis=1)
        change = np.abs(high.astype(int) - low).reshape(4, 32, -1)[:, 8:-8].mean(axis=(1, 2))
        assert set(np.flatnonzero(change > 8)) == set(changed)
    captions = [text for tag, text in page.texts if tag == "figcaption" and text.startswith(", row")]
    assert [caption.split(":")[0] for caption in captions] == [f", {format_rows(rows)}" for rows in bands.values()]


# DirectionSummary, spectrum, progress


def test_numbers_are_written_for_people() -> None:
    assert [format_signed(value) for value in (-1.234, 0.0, 250.4)] == ["−1.23", "0", "+250"]
    assert (
        format_value({"k": None, "on": True, "list": [1, 0.25], "none": []})
        == "k = –, on = yes, list = 1, 0.25, none = –"
    )


def test_progress_counts_every_picture_once(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    zoo.analyze(
        model_of(Banded.of(4)),
        show=2,
        out=tmp_path / "run",
        progress=lambda done, total, what: told.append((done, total)) if what == "pictures of the report" else None,
    )
    done, totals = zip(*told, strict=True)
    assert set(totals) == {2 * (14 * 3 + 3 * 3)}  # the ends and the middle of each strip are there already
    assert done[0] == 0
    assert done[-1] == totals[0]
    assert list(done) == sorted(set(done))


def test_text_is_readable_in_both_themes() -> None:
    """Every colour of text on every ground: at least 4.5 to 1 (WCAG 2.2, 1.4.3)."""
    for theme in STYLE.read_text(encoding="utf-8").split(":root {")[1:]:
        colours = dict(re.findall(r"--(\w+): (#[0-9a-f]{6});", theme.split("}")[0]))
        for ink in ("ink", "soft", "link", "mark"):
            for ground in ("paper", "panel"):
                assert contrast(colours[ink], colours[ground]) >= 4.5, (ink, ground)


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    """Relative luminance, as WCAG 2.2 defines it."""
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))


def _number(text: str) -> float:
    return float(text.replace("−", "-"))


class Smooth(Linear):
    """A linear generator of smooth pictures, 128 x 128, so that lossy compression changes them little."""

    @classmethod
    def tiny(cls, seed: int) -> Smooth:
        coarse = torch.randn(4, 1, 4, 4, generator=torch.Generator().manual_seed(seed))
        fine = torch.nn.functional.interpolate(coarse, (128, 128), mode="bicubic")
        return cls(0.2 * fine.flatten(1).T.contiguous(), (128, 128))


class Pets(Linear):
    """A linear generator of two classes, which differ by a shade."""

    classes = ("cat", "dog")

    def sample(
        self, count: int, generator: torch.Generator, labels: Tensor | None = None, truncation: float | None = None
    ) -> zoo.Codes:
        drawn = super().sample(count, generator)
        return zoo.Codes(drawn.latents, torch.zeros(count, dtype=torch.int64) if labels is None else labels)

    def synthesize(self, codes: zoo.Codes) -> Tensor:
        assert codes.labels is not None
        return super().synthesize(codes) + 0.1 * codes.labels[:, None, None, None]


class Photographs(Linear):
    """Mixtures of five random images as photographs are: amplitude falls with frequency, colour varies less."""

    @classmethod
    def tiny(cls, seed: int) -> Photographs:
        generator = torch.Generator().manual_seed(seed)
        light, colour = (torch.randn(5, channels, 320, 320, generator=generator) for channels in (1, 3))
        noise = light + 0.25 * colour
        squares = torch.fft.fftfreq(320)[:, None].square() + torch.fft.rfftfreq(320).square()
        images = torch.fft.irfft2(torch.fft.rfft2(noise) / squares.sqrt().clamp(min=1 / 320))
        return cls(0.15 * (images / images.std()).flatten(1).T.contiguous(), (320, 320))

    def synthesize(self, codes: zoo.Codes) -> Tensor:
        images: Tensor = self.network(codes.latents)
        return images.view(-1, 3, *self.resolution)
