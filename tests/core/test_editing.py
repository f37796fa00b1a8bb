from pathlib import Path

import pytest
import torch
from zoo_adapters.dcgan.adapter import DCGAN

import zoo
from tests.linear import Linear, model_of
from zoo import Directions, DirectionsError, LatentSpace, LayersError, OptionError
from zoo.editing import OtherModelWarning


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
    zoo.edit(model, directions, samples=3, seed=5).save(tmp_path / "first")
    again = zoo.edit(model, directions, codes=tmp_path / "first" / "codes.safetensors")
    assert torch.equal(again.codes.latents, model.sample(3, seed=5).latents)


def test_directions_from_other_weights_are_used_with_a_warning(directions: Directions) -> None:
    stranger = directions.with_provenance(weights_sha256="1" * 64, model="dcgan.other")
    with pytest.warns(OtherModelWarning, match="found in dcgan.other"):
        zoo.edit(model_of(DCGAN.tiny(0)), stranger)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"indices": [3]}, DirectionsError, "no direction 3"),
        ({"indices": []}, DirectionsError, "0 to 2"),
        ({"strengths": []}, OptionError, "at least one finite"),
        ({"strengths": [float("nan")]}, OptionError, "at least one finite"),
        ({"layers": "0"}, LayersError, "single row"),
    ],
)
def test_what_cannot_be_edited(
    directions: Directions, change: dict[str, object], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        zoo.edit(model_of(DCGAN.tiny(0)), directions, **change)  # type: ignore[arg-type]


def test_directions_of_another_space(directions: Directions) -> None:
    with pytest.raises(DirectionsError, match="cannot move codes of z"):
        zoo.edit(model_of(Linear.tiny(0)), directions)
    other = Directions(LatentSpace("z", 12, layers=4), directions.vectors, directions.scores)
    with pytest.raises(DirectionsError, match="z \\(4 x 12\\) cannot move"):
        zoo.edit(model_of(DCGAN.tiny(0)), other)
