"""Pictures in the size that the network draws: a file each, and sheets and animations on request."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from zoo_adapters.dcgan.adapter import DCGAN

import zoo
from tests.support.linear import Linear, model_of
from tests.support.marks import mostly_long
from zoo import Codes, Directions, LatentSpace, Model, OptionError, OutputError
from zoo.core.codes import join
from zoo.editing import edited, samples
from zoo.imaging.images import to_pixels


class Large(Linear):
    """Pictures of any size and number of channels whose pixels tell the code: quick to make, and large."""

    def __init__(self, side: int, channels: int = 3) -> None:
        super().__init__(torch.zeros(64, 6), (8, 8))
        self.resolution = (side, side)
        self.channels = channels
        generator = torch.Generator().manual_seed(0)
        self.noise = torch.rand(1, channels, side, side, generator=generator) - 0.5

    def synthesize(self, codes: Codes) -> Tensor:
        return self.noise + 0.1 * codes.latents[:, 0, None, None, None]


def large(side: int = 300, channels: int = 3) -> Model:
    return model_of(Large(side, channels))


def unit(count: int) -> Directions:
    return Directions(LatentSpace("z", 6), torch.eye(6)[:count].double(), torch.ones(count))


def read(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as picture:
        return np.asarray(picture)


def drawn(model: Model, codes: Codes) -> NDArray[np.uint8]:
    with torch.no_grad():
        return to_pixels(model.adapter.synthesize(codes))[0].squeeze(-1).numpy()


def names(folder: Path, pattern: str) -> list[str]:
    return sorted(path.name for path in folder.glob(pattern))


@pytest.mark.parametrize(("channels", "mode"), mostly_long([(1, "L"), (3, "RGB"), (4, "RGBA")], ((3, "RGB"),)))
def test_every_sample_has_a_file_of_its_own_pixel_for_pixel(channels: int, mode: str, tmp_path: Path) -> None:
    model = large(channels=channels)
    zoo.sample(model, samples=20).save(tmp_path / "s", each=True)
    assert names(tmp_path / "s", "code-*.png") == [f"code-{index:04}.png" for index in range(20)]
    codes = model.sample(20)
    for index in (0, 7, 19):
        with Image.open(tmp_path / "s" / f"code-{index:04}.png") as picture:
            assert picture.mode == mode
        assert (read(tmp_path / "s" / f"code-{index:04}.png") == drawn(model, codes[index])).all()
    assert {"samples.png", "codes.safetensors"} <= set(names(tmp_path / "s", "*"))


def test_files_are_named_after_seeds(tmp_path: Path) -> None:
    model = large()
    zoo.sample(model, seeds="12345,7-8").save(tmp_path / "s", each=True)
    assert names(tmp_path / "s", "seed-*") == ["seed-00007.png", "seed-00008.png", "seed-12345.png"]
    assert (read(tmp_path / "s" / "seed-00008.png") == drawn(model, model.sample(1, seed=8))).all()


def test_codes_of_one_seed_have_files_of_their_own(tmp_path: Path) -> None:
    """Files and captions are named after seeds only where each code has another one."""
    model = model_of(DCGAN.tiny(0))
    codes = join([model.sample_seeds([7, 3]), model.sample_seeds([7])])
    directions = zoo.analyze(model, "sefa", k=1)
    zoo.sample(model, codes=codes).save(tmp_path / "s", each=True)
    zoo.edit(model, directions, codes=codes, strengths=[1]).save(tmp_path / "e", each=True, video="none")
    zoo.analyze(model, "sefa", codes=codes, k=1, unseen=0, out=tmp_path / "r", each=True)
    for folder, count in (("s", 3), ("e", 3), ("r", 3 * 5)):
        assert len(names(tmp_path / folder, "code-000[0-2]*.png")) == count, folder
        assert not names(tmp_path / folder, "seed-*"), folder
    assert [model.code_name(codes, index) for index in range(3)] == ["code 0", "code 1", "code 2"]


def test_samples_are_shown_in_any_size(tmp_path: Path) -> None:
    model = large()
    for size, side in ((None, 256), ("native", 300), (100, 100), ("400", 400)):
        zoo.sample(model, samples=2).save(tmp_path / str(size), size=size)
        notes = {0} if side >= 300 else {28, 48, 68}  # a narrow picture folds the note
        with Image.open(tmp_path / str(size) / "samples.png") as picture:
            assert picture.size[0] == 2 * (side + 2) - 2
            assert picture.size[1] - side in notes
    whole = read(tmp_path / "native" / "samples.png")
    assert (whole[:, :300] == drawn(model, model.sample(2)[0])).all()


@pytest.mark.parametrize("size", ["big", "15", "9000", "-1", 0, "1e3", ""])
def test_sizes_that_there_are_not(size: str | int, tmp_path: Path) -> None:
    model = large()
    with pytest.raises(OptionError, match="it is native, or 16 to 8192 pixels"):
        zoo.sample(model).save(tmp_path / "s", size=size)
    with pytest.raises(OptionError, match="it is native, or 16 to 8192 pixels"):
        zoo.edit(model, unit(1)).save(tmp_path / "e", size=size)
    assert not list(tmp_path.iterdir())


def test_images_of_samples_are_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_of(DCGAN.tiny(0))
    made = zoo.sample(model, samples=3, seed=4)
    with torch.no_grad():
        assert torch.equal(made.images, model.adapter.synthesize(model.sample(3, seed=4)))
    assert made.images is made.images
    assert "<img" in made._repr_html_() and "3 of 12 numbers" in repr(made)


def test_more_samples_than_a_picture_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are refused without files of their own; with them, the picture shows the first and says so."""
    model = large()
    monkeypatch.setattr(samples, "MOST_BYTES", 3 * 256**2 * 9)
    monkeypatch.setattr("zoo.editing.render.MOST_BYTES", 3 * 256**2 * 9)
    with pytest.raises(OptionError, match=r"10 pictures .* at most 9: take fewer codes, or pass --each"):
        zoo.sample(model, samples=10).save(tmp_path / "s")
    zoo.sample(model, samples=10).save(tmp_path / "s", each=True)
    assert len(names(tmp_path / "s", "code-*.png")) == 10
    with Image.open(tmp_path / "s" / "samples.png") as picture:
        assert picture.size == (8 * 258 - 2, 2 * 258 - 2 + 28)


# Edits


def test_every_step_of_an_edit_has_a_file_of_its_own(tmp_path: Path) -> None:
    model, directions = large(), unit(3)
    made = zoo.edit(model, directions, indices=[0, 2], seeds=[3, 5], strengths=[-1.5, 0.0, 2.0])
    made.save(tmp_path / "e", each=True, video="none")
    found = names(tmp_path / "e", "seed-*.png")
    assert len(found) == 2 * 2 * 3
    assert found[:3] == [f"seed-0003_direction-0_{part}.png" for part in ("00_-1.5", "01_0", "02_+2")]
    for seed in (3, 5):
        codes = model.sample(1, seed=seed)
        for step, part in ((-1.5, "00_-1.5"), (0.0, "01_0"), (2.0, "02_+2")):
            moved = model.adapter.move(codes, (step * directions.vectors[0]).float())
            found_pixels = read(tmp_path / "e" / f"seed-{seed:04}_direction-0_{part}.png").astype(int)
            assert np.abs(found_pixels - drawn(model, moved)).max() <= 1


def test_a_grid_has_a_file_for_each_pair_of_strengths(tmp_path: Path) -> None:
    model, directions = large(), unit(2)
    made = zoo.edit(model, directions.move(0), down=directions.move(1), samples=1, strengths=[-1.0, 1.0])
    made.save(tmp_path / "e", each=True, video="none")
    assert names(tmp_path / "e", "code-*.png") == [
        f"code-0000_down_{row}_{lower}_across_{column}_{step}.png"
        for row, lower in (("00", "-1"), ("01", "+1"))
        for column, step in (("00", "-1"), ("01", "+1"))
    ]


def test_moves_that_no_single_direction_names_are_numbered(tmp_path: Path) -> None:
    model, directions = model_of(Linear.tiny(0)), unit(2)
    for index, moves in enumerate(
        (
            [directions.move(0), directions.move(0)],
            [directions.move(0) + directions.move(1)],
            [directions.move(0, -2.0)],
            [directions.move(0), unit(2).move(0)],
        )
    ):
        zoo.edit(model, moves, samples=1, strengths=[1.0]).save(tmp_path / str(index), each=True, video="none")
        wanted = [f"code-0000_move-{place}_00_+1.png" for place in range(len(moves))]
        assert names(tmp_path / str(index), "code-*.png") == wanted


def test_an_edit_whose_images_were_looked_at_writes_the_same(tmp_path: Path) -> None:
    model = model_of(DCGAN.tiny(0))
    made = [zoo.edit(model, zoo.analyze(model), samples=2, strengths=[-1.0, 1.0]) for _ in range(2)]
    assert made[0].images.shape == (1, 2, 2, 3, 16, 16)
    for index, one in enumerate(made):
        one.save(tmp_path / str(index), each=True, video="none")
    for name in names(tmp_path / "0", "*.png"):
        assert np.abs(read(tmp_path / "0" / name).astype(int) - read(tmp_path / "1" / name)).max() <= 1


@pytest.mark.parametrize(
    ("size", "side"), mostly_long([("native", 300), (64, 64), (None, 256)], (("native", 300), (64, 64)))
)
def test_animations_have_any_size(size: str | int | None, side: int, tmp_path: Path) -> None:
    zoo.edit(large(), unit(1), samples=2).save(tmp_path / "e", size=size, video="gif", frames=4)
    with Image.open(tmp_path / "e" / "edit.gif") as gif:
        assert gif.size == (2 * (side + 2) - 2, side)
    with Image.open(tmp_path / "e" / "sheet.png") as sheet:
        assert sheet.size[1] >= 2 * (side + 2)


DURATIONS = [(25, [40] * 6), (50, [20] * 6), (30, [30, 40, 30, 30, 40, 30]), (1, [1000] * 6), (12.5, [80] * 6)]


@pytest.mark.parametrize(("fps", "durations"), mostly_long(DURATIONS, DURATIONS[2:3]))
def test_frames_are_shown_as_long_as_asked(fps: float, durations: list[int], tmp_path: Path) -> None:
    """A GIF counts in hundredths of a second: their sum is right, and so is the speed."""
    zoo.edit(large(32), unit(1), samples=1).save(tmp_path / "e", video="gif", frames=6, fps=fps)
    found = []
    with Image.open(tmp_path / "e" / "edit.gif") as gif:
        for frame in range(gif.n_frames):  # type: ignore[attr-defined]
            gif.seek(frame)
            found.append(gif.info["duration"])
    assert sum(found) == sum(durations) == pytest.approx(6000 / fps, abs=10)
    assert len(found) < 6 or sorted(found) == sorted(durations)


@pytest.mark.parametrize(
    ("video", "fps", "words"),
    [
        ("gif", 51, "a GIF has at most 50 frames a second; pass --video mp4"),
        ("both", 60, "a GIF has at most 50"),
        ("mp4", 121, "has 1 to 120 frames a second"),
        ("gif", 0.5, "has 1 to 120 frames a second"),
        ("gif", float("nan"), "has 1 to 120 frames a second"),
    ],
)
def test_speeds_that_there_are_not(video: str, fps: float, words: str, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=words):
        zoo.edit(large(32), unit(1)).save(tmp_path / "e", video=video, fps=fps)


def test_more_pictures_than_sheets_show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edited, "MOST_PICTURES", 12)
    made = zoo.edit(large(32), unit(1), samples=5, strengths=[-1.0, 0.0, 1.0])
    with pytest.raises(OptionError, match="at most 12 pictures, and this edit 15"):
        made.save(tmp_path / "e", video="none")
    made.save(tmp_path / "e", each=True, video="none")
    assert len(names(tmp_path / "e", "code-*.png")) == 15
    with Image.open(tmp_path / "e" / "sheet.png") as sheet:
        assert sheet.size[1] == 28 + 4 * 130 - 2 + 28  # four rows, and a note


# Folders


def test_a_folder_of_pictures_is_replaced_as_a_whole_or_kept(tmp_path: Path) -> None:
    model, folder = large(32), tmp_path / "s"
    zoo.sample(model, samples=3).save(folder, each=True)
    with pytest.raises(OutputError, match="exists: pass --force"):
        zoo.sample(model, samples=1).save(folder, each=True)
    zoo.sample(model, samples=1).save(folder, each=True, force=True)
    assert names(folder, "[!.]*") == ["code-0000.png", "codes.safetensors", "samples.png"]
    (folder / "mine.png").touch()
    with pytest.raises(OutputError, match=r"holds 'mine.png', which zoo did not write"):
        zoo.sample(model, samples=1).save(folder, each=True, force=True)


def test_a_failure_half_way_leaves_nothing(tmp_path: Path) -> None:
    """The 20th picture is not finite; those before it have been written by then."""
    model = large(32)
    codes = model.sample(20)
    codes.latents[19] = float("inf")
    with pytest.raises(zoo.CheckpointError, match="not finite"):
        samples.Samples(codes, model).save(tmp_path / "s", each=True)
    assert not list(tmp_path.iterdir())


def test_an_analysis_writes_the_pictures_of_its_sheet(tmp_path: Path) -> None:
    model = model_of(DCGAN.tiny(0))
    zoo.analyze(model, "sefa", seeds=[7], k=2, out=tmp_path / "r", each=True)
    found = names(tmp_path / "r", "seed-*.png")
    assert len(found) == 2 * 5 and found[2] == "seed-0007_direction-0_02_0.png"
    assert len(names(tmp_path / "r", "unseen-000[01]_direction-[01]_*.png")) == 2 * 2 * 5
    assert (read(tmp_path / "r" / found[2]) == drawn(model, model.sample(1, seed=7))).all()
