from pathlib import Path
from typing import Self

import pytest
import torch
from PIL import Image
from torch import Tensor
from zoo_adapters.dcgan.adapter import DCGAN

import zoo
import zoo.editing.edited
from tests.support.linear import Linear, model_of
from tests.support.marks import mostly_long
from zoo import Codes, CodesError, Directions, DirectionsError, LatentSpace, LayersError, Model, OptionError
from zoo._utils.progress import Progress, silent
from zoo.editing.fit import OtherModelWarning


@pytest.fixture
def directions() -> Directions:
    return zoo.analyze(model_of(DCGAN.tiny(0)), "sefa", k=3, unseen=0)


def test_images_are_those_of_moved_codes(directions: Directions) -> None:
    model = model_of(DCGAN.tiny(0))
    codes = model.sample(2, seed=3)
    made = zoo.edit(model, directions, codes=codes, indices=[2, 0], strengths=[-1.5, 0.0])
    assert made.images.shape == (2, 2, 2, 3, 16, 16)
    for place, index in enumerate((2, 0)):
        for step, strength in enumerate((-1.5, 0.0)):
            moved = model.adapter.move(codes, (strength * directions.vectors[index]).float())
            with torch.no_grad():
                wanted = model.adapter.synthesize(moved)
            assert torch.allclose(made.images[place, :, step], wanted, atol=1e-5)


def test_codes_may_come_from_a_file(directions: Directions, tmp_path: Path) -> None:
    model = model_of(DCGAN.tiny(0))
    zoo.edit(model, directions, samples=3, seed=5).save(tmp_path / "first", video="none")
    for path in (tmp_path / "first" / "codes.safetensors", tmp_path / "first"):
        again = zoo.edit(model, directions, codes=path)
        assert torch.equal(again.codes.latents, model.sample(3, seed=5).latents)


def test_codes_may_be_of_another_type(directions: Directions) -> None:
    model = model_of(DCGAN.tiny(0))
    codes = model.sample(2, seed=3)
    made = zoo.edit(model, directions, codes=Codes(codes.latents.double()))
    assert torch.equal(made.images, zoo.edit(model, directions, codes=codes).images)
    compared = zoo.compare(directions, directions, model=model, codes=Codes(codes.latents.double()), top=1)
    assert compared.pairs is not None and torch.equal(compared.pairs.codes.latents, codes.latents)


@pytest.mark.parametrize(
    ("codes", "words"),
    [
        (Codes(torch.zeros(2, 10)), "codes= holds codes of 10 numbers, but the space is z \\(12\\)"),
        (Codes(torch.zeros(0, 12)), "codes= holds no code"),
        (Codes(torch.full((1, 12), 1e300, dtype=torch.float64)), "codes= holds numbers that are not finite"),
        (Codes(torch.zeros(1, 12), torch.zeros(1, dtype=torch.int64)), "codes= holds labels"),
    ],
)
def test_codes_that_do_not_fit(directions: Directions, codes: Codes, words: str) -> None:
    model = model_of(DCGAN.tiny(0))
    with pytest.raises(CodesError, match=words):
        zoo.edit(model, directions, codes=codes)
    with pytest.raises(CodesError, match=words):
        zoo.compare(directions, directions, model=model, codes=codes)
    with pytest.raises(CodesError, match=words):
        zoo.analyze(model, codes=codes)


def test_directions_from_other_weights_are_used_with_a_warning(directions: Directions) -> None:
    stranger = directions.with_provenance(weights_sha256="1" * 64, model="dcgan.other")
    with pytest.warns(OtherModelWarning, match="found in dcgan.other") as told:
        zoo.edit(model_of(DCGAN.tiny(0)), stranger, indices=[0, 1])
    assert len(told) == 1


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"indices": [3]}, DirectionsError, "no direction 3"),
        ({"indices": []}, DirectionsError, "0 to 2"),
        ({"strengths": []}, OptionError, "at least one finite"),
        ({"strengths": [float("nan")]}, OptionError, "at least one finite"),
        ({"strengths": list(range(33))}, OptionError, "33 are too many"),
        ({"layers": "0"}, LayersError, "single row"),
    ],
)
def test_what_cannot_be_edited(
    directions: Directions, change: dict[str, object], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        zoo.edit(model_of(DCGAN.tiny(0)), directions, **change)  # type: ignore[arg-type]


def test_a_sheet_has_room_for_so_many_pictures(directions: Directions, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"at most 6,000 pictures, and this edit 6,006: .* or pass --each"):
        zoo.edit(model_of(DCGAN.tiny(0)), directions, samples=858).save(tmp_path / "e")
    assert not list(tmp_path.iterdir())


def test_what_no_move_can_be(directions: Directions) -> None:
    model, move = model_of(DCGAN.tiny(0)), directions.move(0)
    with pytest.raises(DirectionsError, match="no direction 3"):
        directions.move(3)
    with pytest.raises(OptionError, match="weight inf of direction 1"):
        directions.move(1, float("inf"))
    with pytest.raises(OptionError, match="a move has chosen already"):
        zoo.edit(model, move, indices=[0])
    with pytest.raises(OptionError, match="at least one move"):
        zoo.edit(model, [])
    with pytest.raises(OptionError, match="one move across and one down, but 2"):
        zoo.edit(model, [move, move], down=move)


def test_a_sum_of_moves_adds_the_weighted_directions(directions: Directions) -> None:
    """In a network that is linear in its code, the change is the strength times the weighted sum."""
    model = model_of(Linear.tiny(0))
    own = Directions(model.adapter.space, torch.eye(6)[:3].double(), torch.ones(3))
    other = Directions(LatentSpace("unknown", 6), torch.eye(6)[3:].double(), torch.ones(3))
    codes = model.sample(2)
    made = zoo.edit(model, own.move(1) + other.move(0, -1.5), codes=codes, strengths=[-2.0, 0.0, 1.0])
    with torch.no_grad():
        for place, strength in enumerate((-2.0, 0.0, 1.0)):
            delta = torch.tensor([0, strength, 0, -1.5 * strength, 0, 0])
            wanted = model.adapter.synthesize(zoo.Codes(codes.latents + delta))
            assert torch.allclose(made.images[0, :, place], wanted, atol=1e-5)
    assert repr(made.moves[0]) == "Move(direction 1 - 1.5 * direction 0)"


def test_a_grid_has_every_pair_of_strengths(directions: Directions) -> None:
    model = model_of(DCGAN.tiny(0))
    codes = model.sample(2, seed=3)
    across, down = directions.move(0), directions.move(2, 0.5)
    made = zoo.edit(model, across, down=down, codes=codes, strengths=[-1.0, 0.0, 2.0])
    assert made.images.shape == (3, 2, 3, 3, 16, 16)
    for row, lower in enumerate((-1.0, 0.0, 2.0)):
        for column, step in enumerate((-1.0, 0.0, 2.0)):
            delta = step * directions.vectors[0] + 0.5 * lower * directions.vectors[2]
            with torch.no_grad():
                wanted = model.adapter.synthesize(model.adapter.move(codes, delta.float()))
            assert torch.allclose(made.images[row, :, column], wanted, atol=1e-5)


class Rows(Linear):
    """Three rows to a code; the image is linear in each of them, and a label adds its number to every pixel."""

    classes = ("zero", "one")

    @classmethod
    def tiny(cls, seed: int) -> Self:
        made = cls(torch.randn(64, 18, generator=torch.Generator().manual_seed(seed)), (8, 8))
        made.space = LatentSpace("w", 6, layers=3)
        return made

    def synthesize(self, codes: Codes) -> Tensor:
        assert codes.labels is not None
        grey: Tensor = self.network(codes.latents.flatten(1)).view(-1, 1, 8, 8)
        return (grey + codes.labels[:, None, None, None]).expand(-1, 3, -1, -1)


@pytest.mark.parametrize("layers", [None, "1"])
def test_each_direction_moves_its_own_rows_at_the_codes_own_class(layers: str | None, tmp_path: Path) -> None:
    model = model_of(Rows.tiny(0))
    space = model.adapter.space
    first = Directions(space, torch.eye(6)[:1].double(), torch.ones(1), layers=(0, 2))
    second = Directions(space, torch.eye(6)[1:2].double(), torch.ones(1))
    latents = torch.randn(2, 3, 6, generator=torch.Generator().manual_seed(1))
    codes = Codes(latents, torch.tensor([0, 1]))
    made = zoo.edit(model, first.move(0) + second.move(0, 2.0), codes=codes, strengths=[0.0, 3.0], layers=layers)
    delta = torch.zeros(3, 6)
    delta[[0, 2] if layers is None else [1], 0] = 3.0
    delta[slice(None) if layers is None else 1, 1] = 6.0
    assert torch.allclose(
        made.images[0, :, 1], model.adapter.synthesize(Codes(latents + delta, codes.labels)), atol=1e-5
    )
    made.save(tmp_path / "e", frames=4)
    assert model.code_name(codes, 1) == "code 1, one"


def test_a_label_is_that_of_codes_of_a_file(tmp_path: Path) -> None:
    """In `zoo.edit` and `zoo.compare`, as in `zoo.analyze` and `zoo.score`."""
    model = model_of(Rows.tiny(0))
    directions = Directions(model.adapter.space, torch.eye(6)[:1].double(), torch.ones(1))
    model.save_codes(tmp_path / "codes.safetensors", Codes(torch.zeros(2, 3, 6)))
    made = zoo.edit(model, directions, codes=tmp_path / "codes.safetensors", label="one")
    assert made.codes.labels is not None and made.codes.labels.tolist() == [1, 1]
    compared = zoo.compare(directions, directions, model=model, codes=tmp_path / "codes.safetensors", label=1)
    assert compared.pairs is not None and compared.pairs.codes.labels is not None
    assert compared.pairs.codes.labels.tolist() == [1, 1]


# What is written


def test_many_codes_make_a_sheet_to_look_at_and_a_small_animation(directions: Directions, tmp_path: Path) -> None:
    made = zoo.edit(model_of(DCGAN.tiny(0)), directions, samples=64)
    made.save(tmp_path / "e", frames=2)
    assert {file.name for file in (tmp_path / "e").glob("[!.]*")} == {
        "sheet.png",
        "edit.gif",
        "edit.mp4",
        "codes.safetensors",
    }
    with Image.open(tmp_path / "e" / "sheet.png") as sheet:
        assert max(sheet.size) < 3300
    with Image.open(tmp_path / "e" / "edit.gif") as gif:
        assert gif.size == (8 * 130 - 2, 128)


SHOWN = [(1, 9, (8, 1)), (3, 9, (5, 3)), (9, 3, (2, 8))]


@pytest.mark.parametrize(("moves", "codes", "shown"), mostly_long(SHOWN, SHOWN[1:2]))
def test_an_animation_shows_sixteen_pictures_at_most(
    moves: int, codes: int, shown: tuple[int, int], directions: Directions, tmp_path: Path
) -> None:
    several = [directions.move(0, weight) for weight in range(1, moves + 1)]
    made = zoo.edit(model_of(DCGAN.tiny(0)), several, samples=codes, strengths=[0, 1])
    made.save(tmp_path / "e", video="gif", frames=2)
    with Image.open(tmp_path / "e" / "edit.gif") as gif:
        assert gif.size == (shown[0] * 130 - 2, shown[1] * 130 - 2)


@pytest.mark.parametrize(("video", "files"), [("none", set()), ("gif", {"edit.gif"}), ("mp4", {"edit.mp4"})])
def test_only_the_animation_that_was_asked_for(
    video: str, files: set[str], directions: Directions, tmp_path: Path
) -> None:
    made = zoo.edit(model_of(DCGAN.tiny(0)), directions, samples=1)
    made.save(tmp_path / "e", video=video, frames=4)
    assert {file.name for file in (tmp_path / "e").glob("[!.]*")} == {"sheet.png", "codes.safetensors"} | files


@pytest.mark.parametrize(("down", "count"), [(False, 10), (False, 7), (True, 8)])
def test_the_animation_runs_smoothly_through_the_range_and_closes(
    down: bool, count: int, directions: Directions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Strengths are read back from what was rendered: between −2 and 4, never a jump, slow where it turns."""
    rendered: list[Tensor] = []
    real = zoo.editing.render.render_pixels

    def render(model: Model, codes: Codes, progress: Progress = silent) -> Tensor:
        rendered.append(codes.latents[0])
        return real(model, codes, progress)

    model = model_of(DCGAN.tiny(0))
    code = Codes(torch.zeros(1, 12))
    made = zoo.edit(
        model, directions.move(0), down=directions.move(1) if down else None, codes=code, strengths=[-2.0, 0.0, 4.0]
    )
    monkeypatch.setattr(zoo.editing.edited, "render_pixels", render)
    shown: list[int] = []
    monkeypatch.setattr(zoo.editing.edited, "to_frame", lambda pixels, size: len(rendered) - 1)
    monkeypatch.setattr(zoo.editing.edited, "save_animation", lambda folder, frames, *rest: shown.extend(frames))
    made.save(tmp_path / "e", frames=count)
    places = torch.stack([rendered[index] for index in shown]).double() @ directions.vectors[:2].T
    turns = 2 * torch.pi * torch.arange(count, dtype=torch.float64) / count
    assert len(shown) == count
    assert torch.allclose(places[:, 0], 1 - 3 * torch.cos(turns), atol=1e-5)
    assert torch.allclose(places[:, 1], 1 - 3 * torch.sin(turns) if down else torch.zeros(count).double(), atol=1e-5)


def test_a_single_strength_is_animated_from_the_image_itself(directions: Directions) -> None:
    made = zoo.edit(model_of(DCGAN.tiny(0)), directions, samples=1, strengths=[2.0])
    [(_, start)], [(_, end)] = (made.plan.steps_at(turn, made.moves[0]) for turn in (0.0, 0.5))
    assert (start, end) == (0.0, 2.0)


def test_directions_of_another_space(directions: Directions) -> None:
    with pytest.raises(DirectionsError, match="cannot move codes of z"):
        zoo.edit(model_of(Linear.tiny(0)), directions)
    other = Directions(LatentSpace("z", 12, layers=4), directions.vectors, directions.scores)
    with pytest.raises(DirectionsError, match="z \\(4 x 12\\) cannot move"):
        zoo.edit(model_of(DCGAN.tiny(0)), other)
