"""What is taken of a photograph: the middle, or the face as the network has seen faces."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from zoo_adapters.dcgan.adapter import DCGAN

import zoo
from tests.support.linear import Linear, model_of
from zoo import OptionError
from zoo.inversion.framing import Framing
from zoo.inversion.pictures import PictureReader, Target
from zoo.registry.alignment import parse_alignment

_PHOTOGRAPH = Path(__file__).parents[2] / "docs/images/astronaut.jpg"
# Only the eyes, so that what is taken is small.
_TIGHT = "points:0,0.5,1,0.5,0.5,1.2,0.1,1.7,0.9,1.7"
_CELEBA = Framing(parse_alignment("celeba"))


@pytest.fixture(scope="module")
def photograph() -> Image.Image:
    with Image.open(_PHOTOGRAPH) as picture:
        return picture.convert("RGB")


def read(photograph: Image.Image, framing: Framing = _CELEBA) -> Target:
    [target] = PictureReader(DCGAN.tiny(0), framing).read(photograph)
    return target


def test_the_face_is_taken(photograph: Image.Image) -> None:
    from zoo.faces.detector import find_faces  # here, as torchvision takes a second to import

    target = read(photograph)
    assert target.frame is not None and target.note() is None
    again = find_faces(target.frame.cut(photograph).resize((200, 200), Image.Resampling.BICUBIC))[0].points / 200
    np.testing.assert_allclose(again[:2], [[0.39, 0.51], [0.61, 0.51]], atol=0.05)
    turned = read(photograph.rotate(30, Image.Resampling.BICUBIC, expand=True))
    assert float((turned.pixels - target.pixels).square().mean()) < 0.02  # seen 0.007; its variance is 0.3


def test_of_two_faces_the_larger_is_taken_and_named(photograph: Image.Image) -> None:
    both = Image.new("RGB", (768, 512))
    both.paste(photograph.resize((256, 256), Image.Resampling.BOX), (0, 100))
    both.paste(photograph, (256, 0))
    note = read(both).note()
    assert note is not None and "it shows 2 faces, and the largest is taken, with its eyes around (48" in note
    assert "enlarged" not in note


def test_what_lies_beyond_the_border_is_told(photograph: Image.Image) -> None:
    note = read(photograph.crop((180, 62, 270, 172))).note()
    assert note is not None and "lies beyond its border, and is filled by its mirror image" in note


def test_a_face_that_is_too_small_is_told(photograph: Image.Image) -> None:
    small = photograph.crop((100, 0, 350, 250)).resize((26, 26), Image.Resampling.BOX)
    target = read(small.resize((60, 60), Image.Resampling.BICUBIC), replace(_CELEBA, alignment=parse_alignment(_TIGHT)))
    note = target.note()
    assert note is not None and "that are taken are enlarged to the model's 16 x 16" in note


def test_a_photograph_without_a_face_is_left_out(photograph: Image.Image) -> None:
    reader = PictureReader(DCGAN.tiny(0), _CELEBA)
    [target] = reader.read([photograph.crop((0, 300, 200, 500)), photograph])
    assert target.name == "picture 1"
    assert reader.skipped == {"picture 0": "no face is found in it; --align none takes the middle"}


def test_pictures_of_the_models_own_size_are_taken_as_they_are(photograph: Image.Image) -> None:
    own = photograph.resize((16, 16), Image.Resampling.BOX)
    target = read(own)
    note = (
        "picture 0 has 16 x 16 pixels: that is the model's own size, and it is taken as it is; --align celeba cuts it"
    )
    assert target.note() == note
    assert torch.equal(target.pixels, read(own, Framing()).pixels)
    with pytest.raises(OptionError, match="no face is found"):
        read(own, replace(_CELEBA, always=True))


def test_auto_is_the_rule_of_the_card() -> None:
    model = model_of(Linear.tiny(0))
    assert Framing.of("auto", model) == Framing()
    model = replace(model, card=replace(model.card, alignment="ffhq"))
    assert Framing.of("auto", model) == Framing(parse_alignment("ffhq"))
    assert Framing.of("none", model) == Framing(always=True)
    with pytest.raises(OptionError, match=r"--align dlib: .*there are ffhq, celeba, points:… and none; auto is"):
        zoo.project(model, torch.zeros(3, 4, 4), align="dlib")
