"""The released factorization, against what the released code returned (golden family rpca_reference)."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from tests.support.linear import Linear, model_of
from tests.support.marks import mostly_long
from zoo import analyze
from zoo.linalg.robust_pca import rpca_lowrankgan_admm
from zoo.linalg.symmetric import principal_angles

TOLERANCE = 1e-9
"""‖L − L_ref‖_F / ‖M‖_F: the same iteration with another SVD driver deviates by 3e-14."""

CASES = [("d32", "lamb60", 60), ("d32", "lamb6", 6), ("d64", "lamb60", 60), ("d64", "lamb8", 8)]
LARGE = pytest.param("d128", "lamb60", 60, marks=pytest.mark.long)


@pytest.fixture(scope="module")
def reference(data: Path) -> dict[str, Tensor]:
    return {key: tensor.clone() for key, tensor in load_file(data / "rpca_reference.safetensors").items()}


@pytest.mark.parametrize("part", mostly_long(["fg", "bg"], ("bg",)))
@pytest.mark.parametrize(("size", "name", "weight"), [*mostly_long(CASES, CASES[:2]), LARGE])
def test_low_rank_part_rank_and_rounds(
    reference: dict[str, Tensor], size: str, name: str, weight: int, part: str
) -> None:
    matrix = reference[f"in/{size}/M_{part}"]
    found = rpca_lowrankgan_admm(matrix, weight=1 / weight)
    wanted = {key: reference[f"out/{size}/{name}/{key}_{part}"] for key in ("L", "S", "rank", "iterations")}
    scale = torch.linalg.matrix_norm(matrix)
    assert float(torch.linalg.matrix_norm(found.low_rank - wanted["L"]) / scale) <= TOLERANCE
    assert float(torch.linalg.matrix_norm(found.sparse - wanted["S"]) / scale) <= TOLERANCE
    assert found.rank == int(wanted["rank"])
    assert found.rounds == int(wanted["iterations"])
    assert found.converged


@pytest.mark.parametrize(
    ("size", "relax"),
    [
        ("d32", 3),
        *(pytest.param("d32", relax, marks=pytest.mark.long) for relax in (0, 8)),
        *(pytest.param("d64", relax, marks=pytest.mark.long) for relax in (0, 5, 20)),
        pytest.param("d128", 10, marks=pytest.mark.long),
    ],
)
def test_projected_directions_of_the_whole_analysis(reference: dict[str, Tensor], size: str, relax: int) -> None:
    """A linear generator with the recorded Gram matrices, through both analyzers."""
    adapter = Linear.with_grams(reference[f"in/{size}/M_fg"], reference[f"in/{size}/M_bg"])
    model = model_of(adapter)
    plain = analyze(model, "lowrank", region="top", unseen=0, factorization="published")
    wanted = reference[f"out/{size}/lamb60/F_principal"]
    assert len(plain) == len(wanted)
    assert float(principal_angles(plain.vectors, wanted).max()) <= 1e-6
    local = analyze(model, "nullspace", region="top", unseen=0, factorization="published", relax=relax)
    projected = reference[f"out/{size}/lamb60/num_relax{relax}/F_principal_projected"]
    cosines = (local.vectors @ projected.T).abs().max(dim=1).values
    assert len(local) == len(projected)
    assert float(cosines.min()) >= 1 - 1e-6
