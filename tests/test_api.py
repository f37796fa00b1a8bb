import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

import zoo
from tests.registry.test_registry import CARD
from tests.support.toys import write_tiny
from zoo import CodesError, OptionError, UnknownNameError


@pytest.fixture
def registry(tmp_path: Path) -> Path:
    write_tiny(tmp_path / "mine.safetensors")
    card = {**CARD, "name": "dcgan.own", "weights": {"sources": [{"url": "mine.safetensors"}]}}
    (tmp_path / "cards.yaml").write_text(yaml.safe_dump({"models": [card]}))
    return tmp_path / "cards.yaml"


def test_analyze_opens_a_model_as_load_does(registry: Path) -> None:
    found = zoo.analyze("dcgan.own", dtype="float64", device="cpu", registry=[registry], k=2)
    model = zoo.load("dcgan.own", dtype="float64", device="cpu", registry=[registry])
    assert found.provenance["dtype"] == "float64"
    assert torch.equal(found.vectors, zoo.analyze(model, k=2).vectors)


def test_the_models_that_can_be_loaded(registry: Path) -> None:
    names = zoo.models(registry=[registry])
    assert names == sorted(names)
    assert {"dcgan.own", "biggan.avatars32"} <= set(names)
    assert zoo.models("*.own", registry=[registry]) == ["dcgan.own"]
    assert zoo.models("dcgan.ow", registry=[registry]) == ["dcgan.own"]
    with pytest.raises(UnknownNameError, match="dcgan"):
        zoo.models("dcgan.nobody")


@pytest.mark.long
def test_the_list_of_models_is_a_package_as_well() -> None:
    """Whichever is asked for first. The list does not need torch."""
    scripts = [
        "zoo.models(); assert 'torch' not in sys.modules; import zoo.models.limits as other; other.check_seed(3)",
        "import zoo.models.limits as other; zoo.models(); other.check_seed(3); zoo.models.Model",
    ]
    for script in scripts:
        subprocess.run([sys.executable, "-c", f"import sys, zoo; {script}"], check=True)


def test_a_model_renders_codes(registry: Path) -> None:
    model = zoo.load("dcgan.own", registry=[registry])
    codes = model.sample(20, seed=1)
    images = model.render(codes)
    with torch.no_grad():
        assert torch.allclose(images[17:18], model.adapter.synthesize(codes[17]), atol=1e-6)
    assert images.shape == (20, 3, *model.adapter.resolution)
    assert torch.equal(model.render(codes.latents.numpy()), images)
    pixels, pictures = model.render(codes[:2], to="numpy"), model.render(codes[:2], to="pil")
    assert pixels.shape == (2, *model.adapter.resolution, 3) and pixels.dtype == np.uint8
    assert np.array_equal(np.asarray(pictures[1]), pixels[1])
    assert abs(float(pixels[0, 0, 0, 0]) - (float(images[0, 0, 0, 0]) + 1) * 127.5) <= 0.5
    with pytest.raises(OptionError, match="there are tensor, numpy, pil"):
        model.render(codes, to="jpeg")  # type: ignore[call-overload]
    model.save_codes(registry.parent / "c.safetensors", codes)
    assert torch.equal(model.render(registry.parent / "c.safetensors"), images)
    with pytest.raises(CodesError):
        model.render(codes.latents[:, 1:])
    with pytest.raises(CodesError, match="no code"):
        model.render(codes[:0])


@pytest.mark.parametrize("given", [object(), None, 3, [1, 2], "nowhere.npy", torch.zeros(2, 3), {"a": 1}, b"x", ["a"]])
def test_what_are_no_directions_is_refused_in_one_line(registry: Path, given: Any) -> None:
    model = zoo.load("dcgan.own", registry=[registry])
    calls: list[Callable[[], object]] = [
        lambda: zoo.edit(model, given),
        lambda: zoo.compare(given, given, model=model),
        lambda: model.render(given),
    ]
    for call in calls:
        with pytest.raises(zoo.ZooError):
            call()


def test_directions_may_be_an_array_or_a_file(registry: Path) -> None:
    model = zoo.load("dcgan.own", registry=[registry])
    array = model.sample(2, seed=4).latents
    directions = zoo.Directions(model.adapter.space, array / array.norm(dim=1, keepdim=True), array.norm(dim=1))
    directions.save(registry.parent / "d.npy")
    edits = [
        zoo.edit(model, given, samples=1, indices=[1])
        for given in (directions, directions.vectors, array.numpy(), array.tolist(), str(registry.parent / "d.npy"))
    ]
    assert all(torch.allclose(edits[0].images, other.images, atol=1e-4) for other in edits[1:])


def test_an_open_model_is_not_opened_again(registry: Path) -> None:
    model = zoo.load("dcgan.own", registry=[registry])
    for change in ({"dtype": "float64"}, {"device": "cpu"}, {"space": "z"}, {"registry": [registry]}):
        with pytest.raises(OptionError, match=r"dcgan\.own is open already"):
            zoo.analyze(model, **change)


MISUSES: dict[str, tuple[Callable[[Any], Any], str]] = {
    "edit nothing": (lambda model: zoo.edit(None, torch.ones(1, 12)), "it is what zoo.load returns, not NoneType"),  # type: ignore[arg-type]
    "edit a name": (lambda model: zoo.edit("dcgan", torch.ones(1, 12)), "it is what zoo.load returns, not str"),  # type: ignore[arg-type]
    "a count in text": (lambda model: model.sample("3", 0), "it is a whole number, not '3'"),
    "half a code": (lambda model: model.sample(1.5, 0), "it is a whole number, not 1.5"),
    "a seed in text": (lambda model: model.sample(1, "0"), "--seed: it is a whole number"),
    "a region of pixels": (lambda model: zoo.analyze(model, "lowrank", region=np.ones((4, 4))), "a region is text"),  # type: ignore[arg-type]
    "one layer": (lambda model: zoo.analyze(model, "sefa", layers=9), "9 is not within|names none|9"),  # type: ignore[arg-type]
    "options in a list": (lambda model: zoo.load("stylegan2", options=[1]), "they are a dictionary of values"),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("misuse", MISUSES)
def test_arguments_of_other_types_are_refused_in_a_line(misuse: str, registry: Path) -> None:
    call, words = MISUSES[misuse]
    model = zoo.load("dcgan.own", registry=[registry], device="cpu")
    with pytest.raises(zoo.ZooError, match=words):
        call(model)
