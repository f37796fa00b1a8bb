from pathlib import Path

import numpy as np
import pytest
import torch

from zoo import Codes, CodesError, LatentSpace, LayersError
from zoo.core.codes import check_codes, join
from zoo.core.files.codes import load_codes, save_codes
from zoo.core.layers import parse_layers
from zoo.core.sampling import draw_labels, draw_normal


def test_round_trip(tmp_path: Path) -> None:
    codes = Codes(torch.randn(3, 5), torch.tensor([0, 2, 1]), 0.5)
    save_codes(tmp_path / "c.safetensors", codes, {"model": "a.b", "space": {"name": "z"}})
    found, metadata = load_codes(tmp_path / "c.safetensors")
    assert torch.equal(found.latents, codes.latents)
    assert found.labels is not None
    assert found.labels.tolist() == [0, 2, 1]
    assert found.truncation == 0.5
    assert metadata["model"] == "a.b"


def test_npy_arrays_are_latents(tmp_path: Path) -> None:
    np.save(tmp_path / "c.npy", np.ones((2, 7), dtype=np.float32))
    assert load_codes(tmp_path / "c.npy")[0].latents.shape == (2, 7)


def test_the_first_codes_of_a_seed_do_not_depend_on_the_count() -> None:
    few = draw_normal(2, 100, torch.Generator().manual_seed(5))
    many = draw_normal(9, 100, torch.Generator().manual_seed(5))
    assert torch.equal(few, many[:2])


def test_taking_and_joining() -> None:
    codes = Codes(torch.arange(6.0).view(3, 2), torch.tensor([1, 2, 3]))
    assert codes[-1].latents.tolist() == [[4.0, 5.0]]
    again = join([codes[0], codes[1:]])
    assert torch.equal(again.latents, codes.latents)
    assert again.labels is not None
    assert again.labels.tolist() == [1, 2, 3]
    assert torch.equal(codes[[2, 0]].latents, torch.stack([codes.latents[2], codes.latents[0]]))
    with pytest.raises(IndexError):
        codes[3]


@pytest.mark.parametrize("shape", [(4,), (1, 2, 3, 4)])
def test_shapes(shape: tuple[int, ...]) -> None:
    with pytest.raises(CodesError, match="shape"):
        Codes(torch.zeros(shape))


def test_labels_need_one_a_code() -> None:
    with pytest.raises(CodesError, match="labels"):
        Codes(torch.zeros(2, 3), torch.zeros(3, dtype=torch.int64))


def test_codes_must_fit_the_space() -> None:
    space = LatentSpace("w", 3, layers=2)
    check_codes(Codes(torch.zeros(1, 2, 3)), space, "x")
    with pytest.raises(CodesError, match="w \\(2 x 3\\)"):
        check_codes(Codes(torch.zeros(1, 3)), space, "x")
    with pytest.raises(CodesError, match="not finite"):
        check_codes(Codes(torch.full((1, 2, 3), float("nan"))), space, "x")
    with pytest.raises(CodesError, match="takes none"):
        check_codes(Codes(torch.zeros(1, 2, 3), torch.tensor([0])), space, "x")
    with pytest.raises(CodesError, match="0 to 1"):
        check_codes(Codes(torch.zeros(1, 2, 3), torch.tensor([2])), space, "x", classes=2)
    check_codes(Codes(torch.zeros(1, 2, 3)), space, "x", classes=2)
    with pytest.raises(CodesError, match="pass --label"):
        check_codes(Codes(torch.zeros(1, 2, 3)), space, "x", classes=2, needs_labels=True)


@pytest.mark.parametrize(
    ("text", "layers"), [("4-7", (4, 5, 6, 7)), ("0,2,5-6", (0, 2, 5, 6)), ("3", (3,)), (" 1 - 2 , 1", (1, 2))]
)
def test_layers_are_counted_as_the_papers_do(text: str, layers: tuple[int, ...]) -> None:
    assert parse_layers(text, 18) == layers


@pytest.mark.parametrize("text", ["", "a", "3-1", "17-18", "-1", "1,,2", "1.5"])
def test_wrong_layers(text: str) -> None:
    with pytest.raises(LayersError, match="--layers"):
        parse_layers(text, 18)


def test_batches_that_disagree_are_refused() -> None:
    plain = Codes(torch.zeros(1, 2))
    for other in (Codes(torch.zeros(1, 2), truncation=0.5), Codes(torch.zeros(1, 2), torch.tensor([1]))):
        with pytest.raises(CodesError, match="cannot form one batch"):
            join([plain, other])


def test_labelled_codes_of_a_seed_do_not_depend_on_the_count() -> None:
    few = draw_labels(2, 100, 8, torch.Generator().manual_seed(5))
    many = draw_labels(9, 100, 8, torch.Generator().manual_seed(5))
    assert torch.equal(few[0], many[0][:2])
    assert torch.equal(few[1], many[1][:2])
