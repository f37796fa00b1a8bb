"""Edits that are carried over to photographs."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from zoo_adapters.dcgan.adapter import DCGAN

import zoo
from tests.support.linear import model_of
from zoo import Directions, Model, OptionError
from zoo.editing.onto.carried import feathered, region_of
from zoo.errors import RegionError
from zoo.imaging.frames import Frame

_BOX = "box:6,4,4,8"


@pytest.fixture(scope="module")
def model() -> Model:
    return model_of(DCGAN.tiny(0))


@pytest.fixture(scope="module")
def directions(model: Model) -> Directions:
    vectors = torch.eye(model.adapter.space.dim, dtype=torch.float64)[:2]
    return Directions(model.adapter.space, vectors, torch.tensor([2.0, 1.0]), provenance={"region": _BOX})


@pytest.fixture(scope="module")
def photographs(model: Model, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Path]]:
    """Two photographs, the second larger and wider than a network's image, and the run folder of their projection."""
    folder = tmp_path_factory.mktemp("photographs")
    rng = np.random.default_rng(0)
    files = [folder / "a.png", folder / "b.png"]
    for file, size in zip(files, [(16, 16), (64, 100)], strict=True):
        Image.fromarray(rng.integers(60, 190, (*size, 3), dtype=np.uint8)).save(file)
    zoo.project(model, files, starts=1, align="none").save(folder / "found")
    return folder / "found", files


def test_the_photograph_changes_where_the_edit_changes_the_image(
    model: Model, directions: Directions, photographs: tuple[Path, list[Path]], tmp_path: Path
) -> None:
    found, [_, photograph] = photographs
    edit = zoo.edit(model, directions, codes=found, onto=photograph, strengths=[0.0, 2.0], indices=[0, 1])
    assert len(edit.codes) == 1
    edit.save(tmp_path / "run", video="gif", frames=4)
    written = {path.name: path for path in (tmp_path / "run").iterdir()}
    assert {"sheet.png", "onto-00-b.png", "onto-00-b.gif", "onto-00-b_direction-1_01_+2.png"} <= set(written)
    before = np.asarray(Image.open(photograph).convert("RGB")).astype(int)
    same = np.asarray(Image.open(written["onto-00-b_direction-0_00_0.png"])).astype(int)
    after = np.asarray(Image.open(written["onto-00-b_direction-0_01_+2.png"])).astype(int)
    assert np.array_equal(before, same)
    assert after.shape == before.shape
    changed = np.abs(after - before).max(axis=2)
    assert not changed[:, :18].any() and not changed[:, 82:].any()  # beyond the middle 64 x 64 pixels
    # A pixel of the image covers 4 x 4 here; rows 6 to 10 of the region fade out over two and are interpolated.
    assert not changed[:8].any() and not changed[56:].any()
    images = edit.images[0, 0].clamp(-1, 1)
    wanted = (images[1] - images[0]).mean(dim=0).numpy()[6:10, 4:12] * 127.5
    got = (after - before).mean(axis=2)[24:40, 34:66].reshape(4, 4, 8, 4).mean(axis=(1, 3))
    assert np.corrcoef(wanted.ravel(), got.ravel())[0, 1] > 0.95  # interpolated, so not quite the same


def test_each_photograph_has_its_own_code(
    model: Model, directions: Directions, photographs: tuple[Path, list[Path]], tmp_path: Path
) -> None:
    found, files = photographs
    codes = model.read_codes(found / "codes.safetensors")
    edit = zoo.edit(model, directions, codes=str(found / "codes.safetensors"), onto=files[::-1])
    assert torch.equal(edit.codes.latents, codes.latents.flip(0))
    assert [onto.name for onto in edit.onto] == ["b.png", "a.png"]
    moved = tmp_path / "elsewhere.png"
    moved.write_bytes(files[0].read_bytes())
    assert torch.equal(zoo.edit(model, directions, codes=found, onto=moved).codes.latents, codes.latents[:1])


def test_photographs_that_were_not_projected_are_refused(
    model: Model, directions: Directions, photographs: tuple[Path, list[Path]], tmp_path: Path
) -> None:
    found, [first, _] = photographs
    Image.new("RGB", (5, 5)).save(tmp_path / "c.png")
    Image.new("RGB", (5, 5)).save(tmp_path / "a.png")

    def refused(picture: Path, codes: object = found) -> str:
        with pytest.raises(OptionError) as caught:
            zoo.edit(model, directions, codes=codes, onto=picture)  # type: ignore[arg-type]
        return str(caught.value)

    assert "that picture was not projected; the codes stand for a.png, b.png" in refused(tmp_path / "c.png")
    assert "the file has changed since it was projected" in refused(tmp_path / "a.png")
    assert "there is no such file" in refused(tmp_path / "d.png")
    assert "needs codes that zoo project found" in refused(first, None)
    assert "holds no projection.json" in refused(first, tmp_path)
    for content in ("{", '{"pictures": [{"name": 3}]}', "[" * 100_000):
        (tmp_path / "projection.json").write_text(content)
        assert "is broken" in refused(first, tmp_path)


def test_a_change_fades_out_around_the_region_and_at_the_border(model: Model, directions: Directions) -> None:
    inside = region_of(model, [directions.move(0)])
    assert int(inside.sum()) == 32
    soft = feathered(inside)
    assert bool((soft[6:10, 4:12] == 1).all()) and bool((soft[:4] == 0).all())
    assert 0 < float(soft[5, 8]) < 1
    whole = feathered(torch.ones(32, 32))
    assert float(whole[0, 16]) == 0.25 and bool((whole[2:-2, 2:-2] == 1).all())


@pytest.mark.parametrize("region", ["mask:gone.png", "snout", "box:0,0,640,640", 7, None])
def test_a_region_that_cannot_be_read_is_asked_for(
    model: Model, directions: Directions, photographs: tuple[Path, list[Path]], region: object
) -> None:
    found, [first, _] = photographs
    lost = replace(directions, provenance={"region": region})
    with pytest.raises(RegionError, match=r"the region of these directions cannot be read .*: pass --region"):
        zoo.edit(model, [directions.move(0), lost.move(1)], codes=found, onto=first)
    edit = zoo.edit(model, [directions.move(0), lost.move(1)], codes=found, onto=first, region="top")
    inside = region_of(model, edit.moves, edit.region)
    assert bool(inside[:8].all()) and not bool(inside[8:].any())
    assert not zoo.edit(model, lost, codes=found).onto  # without a photograph, nothing needs the region
    with pytest.raises(OptionError, match="--region: it says where --onto changes the photograph"):
        zoo.edit(model, lost, codes=found, region="top")


def test_a_reduced_photograph_has_its_frame_in_the_same_place() -> None:
    frame = Frame((10.0, 20.0), (40.0, 4.0), (-4.0, 40.0))
    assert frame.scaled(0.5, 0.25) == Frame((5.0, 5.0), (20.0, 1.0), (-2.0, 10.0))
