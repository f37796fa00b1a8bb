import pytest
import torch
from zoo_adapters.dcgan.adapter import DCGAN

import zoo
from tests.support.linear import Linear, model_of
from zoo.linalg.symmetric import principal_angles, unit_rows
from zoo.models.model import Model

# Radians between the analyzer's span and that of numpy's float64 eigendecomposition.
ANGLE = 1e-5


def reference(weight: torch.Tensor, normalize: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """The closed form by the singular value decomposition of A instead of the eigenvectors of AᵀA."""
    rows = weight.to(torch.float64)
    rows = unit_rows(rows) if normalize else rows
    _, values, vectors = torch.linalg.svd(rows, full_matrices=False)
    return values**2, vectors


@pytest.mark.parametrize("normalize", [True, False])
def test_equals_a_float64_decomposition_direction_by_direction(normalize: bool) -> None:
    adapter = DCGAN.tiny(4)
    found = zoo.analyze(model_of(adapter), "sefa", k=12, normalize=normalize)
    values, vectors = reference(adapter.projections()[0].weight, normalize)
    assert torch.allclose(found.scores, values, rtol=1e-10)
    for mine, theirs in zip(found.vectors, vectors, strict=True):
        assert float(principal_angles(mine[None], theirs[None])) <= ANGLE
    assert torch.allclose(found.vectors @ found.vectors.T, torch.eye(12, dtype=torch.float64), atol=1e-12)


def test_images_under_the_projection_are_orthogonal_too() -> None:
    adapter = DCGAN.tiny(4)
    found = zoo.analyze(model_of(adapter), "sefa", k=12, normalize=False)
    images = adapter.projections()[0].weight.to(torch.float64) @ found.vectors.T
    gram = images.T @ images
    assert torch.allclose(gram, torch.diag(found.scores), atol=1e-10 * float(found.scores[0]))


def test_directions_without_an_eigenvalue_are_not_returned() -> None:
    thin = torch.randn(2, 6, dtype=torch.float64)
    adapter = Linear(torch.cat([thin, torch.zeros(6, 6, dtype=torch.float64)]), (4, 2))
    assert len(zoo.analyze(model_of(adapter), "sefa", k=6)) == 2


def test_zero_rows_do_not_become_nan() -> None:
    adapter = Linear(torch.cat([torch.eye(6), torch.zeros(2, 6)]), (4, 2))
    assert bool(torch.isfinite(zoo.analyze(model_of(adapter), "sefa").vectors).all())


@pytest.mark.real
def test_real_weights(digiface: Model) -> None:
    found = zoo.analyze(digiface, "sefa", k=100)
    values, vectors = reference(digiface.adapter.projections()[0].weight, True)
    for mine, theirs in zip(found.vectors[:20], vectors[:20], strict=True):
        assert float(principal_angles(mine[None], theirs[None])) <= ANGLE
    assert torch.allclose(found.scores, values, rtol=1e-9)
