"""ReSeFa, against what the released code returned for the Gram matrices of rpca_reference, and by itself."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from zoo_adapters.dcgan.adapter import DCGAN

import zoo
from tests.support.linear import Linear, model_of
from zoo import CapabilityError
from zoo.jacobian.gram import gram_matrices
from zoo.linalg.symmetric import fix_signs, generalized_eigh
from zoo.models.model import Model

TAUS = {"plain": 0.0, "full_rank_tao0.001": 1e-3, "full_rank_tao0.1": 0.1}
CASES = [(size, name) for size in ("d32", "d64", "d128") for name in TAUS]


@pytest.fixture(scope="module")
def reference(data: Path) -> dict[str, Tensor]:
    files = ("rpca_reference", "resefa_reference")
    return {key: tensor for name in files for key, tensor in load_file(data / f"{name}.safetensors").items()}


@pytest.mark.parametrize(("size", "name"), CASES)
def test_quotients_and_directions_of_the_released_code(reference: dict[str, Tensor], size: str, name: str) -> None:
    """Without τ the condition is 2e5: the recorded solver and scipy's differ by 7e-13 and 1 - |cos| by 7e-13 there."""
    region, rest = (reference[f"in/{size}/M_{part}"] for part in ("fg", "bg"))
    wanted = {key: reference[f"out/{size}/{name}/{key}"] for key in ("eigenvalues", "directions")}
    quotients, rows = generalized_eigh(region, rest, TAUS[name])
    assert rows.shape == wanted["directions"].shape
    assert float((quotients - wanted["eigenvalues"]).abs().max() / quotients[0]) <= 1e-11
    assert float((rows * wanted["directions"]).sum(dim=1).abs().min()) >= 1 - 1e-11


@pytest.mark.parametrize(("size", "name"), CASES)
def test_the_whole_analysis_of_a_linear_generator(reference: dict[str, Tensor], size: str, name: str) -> None:
    """Roots of the recorded matrices make the pixels, and their Grams the matrices again: 1e-15 times 2e5 is lost."""
    adapter = Linear.with_grams(reference[f"in/{size}/M_fg"], reference[f"in/{size}/M_bg"])
    found = zoo.analyze(model_of(adapter), "resefa", region="top", unseen=0, show=1, tau=TAUS[name], k=999)
    wanted = reference[f"out/{size}/{name}/eigenvalues"]
    assert float((found.scores - wanted).abs().max() / wanted[0]) <= 1e-8
    cosines = (found.vectors * reference[f"out/{size}/{name}/directions"]).sum(dim=1).abs()
    assert float(cosines.min()) >= 1 - 1e-6
    assert torch.equal(found.vectors, fix_signs(found.vectors))


def test_against_a_solver_without_symmetry_and_the_quotient_itself() -> None:
    adapter = DCGAN.tiny(1)
    model = model_of(adapter)
    codes = model.sample(2)
    found = zoo.analyze(model, "resefa", region="center", codes=codes, tau=0.01, k=3, unseen=0)
    region = model.region("center")
    inside, outside = gram_matrices(adapter, codes, [region, region.complement()]).matrices
    below = outside + 0.01 * outside.trace() * torch.eye(len(outside), dtype=torch.float64)
    wanted = torch.linalg.eigvals(torch.linalg.inv(below) @ inside).real.sort(descending=True).values
    assert found.scores.tolist() == pytest.approx(wanted[:3].tolist(), rel=1e-9)
    quotients = [(row @ inside @ row) / (row @ below @ row) for row in found.vectors]
    assert found.scores.tolist() == pytest.approx([float(value) for value in quotients], rel=1e-9)
    assert len(found.provenance["spectrum"]) == 12
    assert found.provenance["rank"] == 3


def blind(rest: float) -> Linear:
    """Four numbers: one moves the upper pixels, one the lower ones by `rest`, one both, one nothing."""
    rows = torch.zeros(8, 4)
    rows[0, 0], rows[1, 2] = 3.0, 1.0
    rows[4, 1], rows[5, 2] = 2.0 * rest, 1.0 * rest
    return Linear(rows, (2, 4))


def test_what_moves_nothing_is_no_direction() -> None:
    """As the code itself, where the network normalises it; tr(M_B) = 5/4, M_F = diag(9, 0, 1, 0) / 4."""
    found = zoo.analyze(model_of(blind(1.0)), "resefa", region="top", unseen=0, tau=0.1)
    assert len(found) == 3
    assert float(found.vectors[:, 3].abs().max()) == 0
    assert found.scores.tolist() == pytest.approx([9 / 0.5, 1 / 1.5, 0], abs=1e-6)


def test_without_tau_an_unbounded_quotient_is_refused() -> None:
    with pytest.raises(CapabilityError, match="tau=0: along 1 of 3 directions the denominator vanishes"):
        zoo.analyze(model_of(blind(1.0)), "resefa", region="top", unseen=0, tau=0.0)


def test_where_nothing_else_changes_there_is_no_quotient() -> None:
    with pytest.raises(CapabilityError, match="nothing but region top changes"):
        zoo.analyze(model_of(blind(0.0)), "resefa", region="top", unseen=0)


def test_a_region_that_never_changes() -> None:
    rows = torch.zeros(8, 4)
    rows[0, 0] = 3.0
    with pytest.raises(CapabilityError, match="region bottom does not change"):
        zoo.analyze(model_of(Linear(rows, (2, 4))), "resefa", region="bottom", unseen=0)


@pytest.mark.real
def test_real_mouths_have_quotients_above_those_of_any_other_direction(digiface: Model) -> None:
    """The first quotient is the largest there is: sefa's, lowrank's and nullspace's directions stay below."""
    codes, region = digiface.sample(1), digiface.region("mouth")
    found = {
        name: zoo.analyze(digiface, name, region="mouth", codes=codes, show=1, unseen=0)
        for name in ("sefa", "lowrank", "nullspace", "resefa")
    }
    inside, outside = gram_matrices(digiface.adapter, codes, [region, region.complement()]).matrices
    below = outside + 1e-3 * outside.trace() * torch.eye(100, dtype=torch.float64)
    best = {name: float(max((n @ inside @ n) / (n @ below @ n) for n in each.vectors)) for name, each in found.items()}
    assert max(best, key=best.__getitem__) == "resefa"
    assert best["nullspace"] > best["lowrank"]
