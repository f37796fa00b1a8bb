"""The arithmetic, against the estimators of the released code and against the paper's definition, step by step."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from zoo_ganspace.pca import Moments, components_of_activations, components_of_codes, moments

DATA = Path(__file__).parent / "data"
CARD = json.loads((DATA / "ganspace_reference.json").read_text())
GOLDEN = load_file(DATA / "ganspace_reference.safetensors")
SAMPLES = GOLDEN["in/X"]
SLICE = CARD["config"]["ipca_batch"]


def cosines(rows: Tensor, others: Tensor) -> Tensor:
    return torch.nn.functional.cosine_similarity(rows, others.to(rows.dtype)).abs()


@pytest.mark.parametrize(
    ("name", "least_cosine", "deviation"),
    [
        ("pca", 1 - 1e-6, 1e-5),  # scikit-learn in float32: measured 1 − 2e-7 and 4e-7 against an exact SVD
        ("fbpca", 1 - 1e-6, 1e-5),  # randomised, with power iterations: measured as pca
        ("ipca", 1 - 3e-4, 1e-3),  # incremental and truncated, hence approximate: measured 1 − 2.2e-4 and 8.4e-4
    ],
)
def test_components_are_those_of_the_released_estimators(name: str, least_cosine: float, deviation: float) -> None:
    """Whatever estimator the released code is told to use: ours is the exact one."""
    found = components_of_codes(moments(SAMPLES.split(SLICE)))
    rows, stdev, ratio = (GOLDEN[f"out/{name}/{kind}"] for kind in ("components", "stdev", "var_ratio"))
    assert cosines(found.directions[: len(rows)], rows).min() >= least_cosine
    ours = found.variances[: len(rows)]
    torch.testing.assert_close(ours.sqrt(), stdev.double(), rtol=deviation, atol=0)
    torch.testing.assert_close(ours / found.total, ratio.double(), rtol=2 * deviation, atol=0)


def test_the_mean_is_that_of_the_released_code() -> None:
    found = moments(SAMPLES.split(SLICE))
    torch.testing.assert_close(found.mean, GOLDEN["out/ipca/mean"][0])  # float64, as ours
    assert found.count == len(SAMPLES)


@pytest.mark.parametrize("batch", [1, 7, 1500])
def test_the_moments_do_not_depend_on_the_batches(batch: int) -> None:
    """Also far away from 0, where sums of squares would cancel."""
    samples = SAMPLES.double() + 1e6
    found, whole = moments(samples.split(batch)), torch.cov(samples.T, correction=0)
    torch.testing.assert_close(found.covariance, whole, rtol=1e-7, atol=1e-7)  # at 1e6, float64 holds 1e-10


def test_activations_are_carried_back_as_the_paper_says() -> None:
    """Section 3.1, step by step: components of activations by SVD, coordinates, and least squares to the codes."""
    generator = torch.Generator().manual_seed(0)
    codes = torch.randn(400, 6, generator=generator, dtype=torch.float64) @ torch.randn(
        6, 6, generator=generator, dtype=torch.float64
    )
    weight = torch.randn(50, 6, generator=generator, dtype=torch.float64)
    activations = codes @ weight.T
    centred = activations - activations.mean(dim=0)
    _, singular, components = torch.linalg.svd(centred, full_matrices=False)
    coordinates = centred @ components[:6].T
    wanted = torch.linalg.lstsq(coordinates, codes - codes.mean(dim=0)).solution
    found = components_of_activations(moments(codes.split(64)), weight)
    assert len(found.directions) == 6
    assert cosines(found.directions, wanted).min() > 1 - 1e-10  # float64, condition number about 1e2
    torch.testing.assert_close(found.variances, singular[:6] ** 2 / 400)


def test_of_white_codes_the_components_are_the_weights_singular_vectors() -> None:
    """What GANSpace comes to in z with many samples: SeFa's directions, without its scaling of rows."""
    weight = torch.randn(30, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    white = Moments(1, torch.zeros(5, dtype=torch.float64), torch.eye(5, dtype=torch.float64))
    found = components_of_activations(white, weight)
    _, singular, rows = torch.linalg.svd(weight, full_matrices=False)
    assert cosines(found.directions, rows).min() > 1 - 1e-12
    torch.testing.assert_close(found.variances, singular**2)


def test_directions_that_no_weight_reads_are_left_out() -> None:
    weight = torch.zeros(4, 5, dtype=torch.float64)
    weight[0, 2] = 3
    found = components_of_activations(moments([SAMPLES[:, :5]]), weight)
    assert len(found.directions) == 1
    assert len(found.variances) == 1
