import json
import warnings
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
from zoo import Directions, DirectionsError, LatentSpace, OptionError
from zoo.analysis.compare import MismatchWarning
from zoo.editing.fit import OtherModelWarning

EXACT = 1e-12
"""Dimensions are few and all is float64: only rounding separates two ways to compute the same."""


def directions(rows: Tensor, space: LatentSpace | None = None, **others: object) -> Directions:
    rows = rows.to(torch.float64)
    home = space or LatentSpace("z", rows.shape[1])
    return Directions(home, rows / rows.norm(dim=1, keepdim=True), torch.ones(len(rows)), **others)  # type: ignore[arg-type]


def random(count: int, dim: int, seed: int) -> Directions:
    return directions(torch.randn(count, dim, generator=torch.Generator().manual_seed(seed)))


def by_hand(a: Directions, b: Directions) -> tuple[list[int], NDArray[np.float64], NDArray[np.float64]]:
    """Nearest indices and distances with plain loops, and the angles from projectors: no code is shared with zoo.

    The cosines squared of the principal angles are the leading eigenvalues of P_A P_B P_A.
    """
    first, second = a.vectors.numpy(), b.vectors.numpy()
    indices, distances = [], []
    for row in first:
        found = [1 - abs(float(np.dot(row, other))) for other in second]
        indices.append(int(np.argmin(found)))
        distances.append(min(found))
    projectors = [np.linalg.pinv(rows, rcond=1e-9) @ rows for rows in (first, second)]
    count = min(np.linalg.matrix_rank(rows, tol=1e-9) for rows in (first, second))
    squares = np.linalg.eigvalsh(projectors[0] @ projectors[1] @ projectors[0])[::-1][:count]
    return indices, np.array(distances), np.degrees(np.arccos(np.sqrt(np.clip(squares, 0, 1))))


@pytest.mark.parametrize(
    ("a", "b"),
    [
        pytest.param(random(5, 12, 0), random(4, 12, 1), id="more rows in A"),
        pytest.param(random(3, 12, 2), random(7, 12, 3), id="more rows in B"),
        pytest.param(random(1, 12, 4), random(1, 12, 5), id="one row each"),
        pytest.param(random(1, 12, 4), random(6, 12, 5), id="one row against many"),
        pytest.param(random(9, 4, 6), random(2, 4, 7), id="more rows than dimensions"),
        pytest.param(random(9, 4, 6), random(8, 4, 7), id="two whole spaces"),
        pytest.param(
            directions(random(2, 12, 8).vectors[[0, 0, 1, 1]] * torch.tensor([1.0, -1, 1, 1])[:, None]),
            random(3, 12, 9),
            id="repeated rows",
        ),
        pytest.param(
            directions(
                torch.randn(3, 5, generator=torch.Generator().manual_seed(0)).double() @ random(5, 12, 1).vectors
            ),
            directions(torch.ones(6, 2).double().cumsum(0).pow(torch.tensor([1, 2])) @ random(2, 12, 3).vectors),
            id="dependent rows",
        ),
    ],
)
def test_distances_and_angles_against_another_computation(a: Directions, b: Directions) -> None:
    found = zoo.compare(a, b)
    for first, second, nearest in ((a, b, found.nearest_of_a), (b, a, found.nearest_of_b)):
        indices, distances, angles = by_hand(first, second)
        assert torch.allclose(nearest.distances, torch.from_numpy(distances), atol=EXACT)
        for index, mine in enumerate(nearest.indices.tolist()):
            cosine = float(first.vectors[index] @ second.vectors[mine])
            assert abs(1 - abs(cosine) - distances[index]) < EXACT and mine <= indices[index]
            assert abs(float(nearest.cosines[index]) - cosine) < EXACT
    assert found.angles.shape == angles.shape
    # arccos loses half of the digits near 0°: rounding of 1e-15 in a cosine are 4e-8 radians, 3e-6 degrees
    assert torch.allclose(found.angles, torch.from_numpy(angles), atol=1e-5)
    assert len(found.angles) == min(found.ranks)


def test_a_set_is_at_no_distance_from_itself() -> None:
    one = random(5, 12, 0)
    found = zoo.compare(one, directions(-one.vectors.flip(0)))
    assert found.nearest_of_a.indices.tolist() == [4, 3, 2, 1, 0]
    assert found.nearest_of_a.distances.max() < 1e-30
    assert torch.allclose(found.nearest_of_a.cosines, torch.full((5,), -1.0).double())
    assert found.angles.max() < 1e-6


def test_tiny_distances_are_exact() -> None:
    """1 − cos of 1e-7 radians is 5e-15: subtracting a cosine from one would leave noise."""
    one = torch.tensor([[1.0, 0, 0]]).double()
    other = torch.tensor([[1.0, 1e-7, 0]]).double()
    found = zoo.compare(directions(one), directions(other))
    assert float(found.nearest_of_a.distances) == pytest.approx(5e-15, rel=1e-6)
    assert float(found.angles) == pytest.approx(np.degrees(1e-7), rel=1e-6)


def test_rows_that_float32_cannot_tell_apart_count_once() -> None:
    rows = random(3, 64, 0).vectors
    again = rows.float().double()
    assert zoo.compare(directions(torch.cat([rows, again])), directions(rows)).ranks == (3, 3)


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (random(2, 8, 0), "z \\(12\\) cannot be compared with directions of z \\(8\\)"),
        (directions(torch.eye(12), LatentSpace("w", 12)), "cannot be compared"),
        (directions(torch.eye(12), LatentSpace("z", 12, 3)), "cannot be compared"),
        (directions(torch.eye(8), LatentSpace("unknown", 8)), "cannot be compared"),
        (random(2, 12, 0).take(0), "without a direction"),
    ],
)
def test_sets_that_cannot_be_compared(other: Directions, words: str) -> None:
    with pytest.raises(DirectionsError, match=words):
        zoo.compare(random(2, 12, 1), other)


def test_differences_that_are_warned_about() -> None:
    space = LatentSpace("w", 12, 4)
    one, other = (directions(torch.eye(12), space, layers=rows) for rows in ((0, 1), None))
    with pytest.warns(MismatchWarning, match=r"rows \[0, 1\] and all rows"):
        zoo.compare(one, other)
    named = [random(2, 12, 0).with_provenance(weights_sha256=sign * 64, model=f"a.{sign}") for sign in "12"]
    with pytest.warns(MismatchWarning, match="different weights: a.1 and a.2"):
        zoo.compare(*named)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        zoo.compare(one, directions(torch.eye(12), LatentSpace("unknown", 12)))


# Pictures


def test_pairs_are_turned_to_agree_and_equally_visible() -> None:
    """In a network that is linear in its code, the change of the image is the step times that of the direction."""
    model = model_of(Linear(0.05 * Linear.tiny(0).network.get_parameter("weight"), (8, 8)))
    a = random(4, 6, 1)
    b = directions(torch.stack([-a.vectors[1], a.vectors[0] + 0.1 * a.vectors[1]]))
    made = zoo.compare(a, b, model=model, samples=2, top=3)
    assert made.pairs is not None
    assert made.pairs.pixels.shape == (3, 2, 2, 5, 8, 8, 3)
    images = made.pairs.pixels.double().movedim(-1, -3) / 127.5 - 1
    with torch.no_grad():
        still = model.adapter.synthesize(made.pairs.codes).double()
    assert made.pairs.pixels.min() > 0 and made.pairs.pixels.max() < 255  # none is clamped
    half = 0.5 / 127.5 + 1e-6  # grey levels are rounded
    assert torch.allclose(images[:, :, :, 2], still[None, :, None].expand(3, 2, 2, 3, 8, 8), atol=half)
    change = images[:, :, :, 4] - images[:, :, :, 2]
    squares = change.square().mean(dim=(-1, -2, -3))
    assert torch.allclose(squares, torch.full_like(squares, 0.02), rtol=0.03)  # 5 sigma of 64 rounded pixels
    left, right = change[1, 0]
    assert torch.allclose(left, right, atol=2 * half)
    assert made.nearest_of_a.cosines[1] == -1


def test_the_folder_holds_numbers_pictures_and_codes(tmp_path: Path) -> None:
    model = model_of(DCGAN.tiny(0))
    a, b = random(2, 12, 0), random(3, 12, 1)
    made = zoo.compare(a, b, model=model, samples=2)
    made.save(tmp_path / "c")
    told = json.loads((tmp_path / "c" / "comparison.json").read_text())
    assert told == made.as_json()
    assert [row["nearest"] for row in told["nearest_of_b"]] == made.nearest_of_b.indices.tolist()
    assert told["principal_angles"] == made.angles.tolist()
    assert model.read_codes(tmp_path / "c" / "codes.safetensors").latents.equal(made.pairs.codes.latents)  # type: ignore[union-attr]
    with Image.open(tmp_path / "c" / "comparison.png") as sheet:
        pixels = np.asarray(sheet.convert("RGB"), dtype=np.int16)
    names = pixels.shape[1] - (10 * 130 + 16 - 2)
    middle = [pixels[28:156, left : left + 128] for left in (names + 2 * 130, names + 16 + 7 * 130)]
    assert np.array_equal(middle[0], middle[1])  # both sides show the unmoved image in the middle
    zoo.compare(a, b).save(tmp_path / "plain")
    assert [file.name for file in (tmp_path / "plain").glob("[!.]*")] == ["comparison.json"]


def test_a_model_has_its_say() -> None:
    model = model_of(DCGAN.tiny(0))
    with pytest.raises(DirectionsError, match="cannot move codes of z"):
        zoo.compare(random(2, 8, 0), random(2, 8, 1), model=model)
    stranger = random(2, 12, 0).with_provenance(weights_sha256="1" * 64, model="a.b")
    with pytest.warns(OtherModelWarning, match="found in a.b"):
        zoo.compare(stranger, random(2, 12, 1), model=model)
    with pytest.raises(OptionError, match="--top 0"):
        zoo.compare(random(2, 12, 0), random(2, 12, 1), top=0)
    with pytest.raises(OptionError, match="2,000 rows of pictures"):
        zoo.compare(random(2, 12, 0), random(2, 12, 1), model=model, samples=1000)
