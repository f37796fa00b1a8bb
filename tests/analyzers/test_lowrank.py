import pytest
import torch
from zoo_adapters.dcgan.adapter import DCGAN

import zoo
from tests.support.linear import Linear, model_of
from zoo.models.model import Model


def test_scores_are_the_eigenvalues_of_the_gram_matrix() -> None:
    adapter = Linear.tiny(0)
    rows = adapter.network.get_parameter("weight").to(torch.float64)
    found = zoo.analyze(model_of(adapter), "lowrank", energy=1.0, unseen=0)
    wanted = torch.linalg.eigvalsh(rows.T @ rows / len(rows)).flip(0)
    assert torch.allclose(found.scores, wanted, rtol=1e-5)
    assert torch.allclose(found.vectors @ found.vectors.T, torch.eye(6, dtype=torch.float64), atol=1e-12)


def test_k_bounds_what_is_returned_and_energy_what_is_kept() -> None:
    model = model_of(DCGAN.tiny(0))
    whole = zoo.analyze(model, "lowrank", region="center", energy=0.99, unseen=0)
    assert len(zoo.analyze(model, "lowrank", region="center", energy=0.99, k=2, unseen=0)) == 2
    assert len(zoo.analyze(model, "lowrank", region="center", energy=0.5, unseen=0)) < len(whole)
    assert whole.provenance["rank"] == len(whole)


def test_the_first_direction_changes_the_region_most() -> None:
    """To first order: no random direction moves the region further."""
    adapter = DCGAN.tiny(2)
    model = model_of(adapter)
    codes = model.sample(1)
    found = zoo.analyze(model, "lowrank", region="center", codes=codes, unseen=0)
    region = model.region("center")

    def change(vector: torch.Tensor) -> float:
        step = 1e-2 * vector.to(torch.float32)
        pixels = [adapter.region_output(adapter.move(codes, sign * step), region) for sign in (1, -1)]
        return float((pixels[0] - pixels[1]).mean(dim=1).square().mean())

    others = torch.nn.functional.normalize(torch.randn(50, 12, generator=torch.Generator().manual_seed(0)), dim=1)
    assert change(found.vectors[0]) >= max(change(other) for other in others)


def test_the_mean_over_samples_is_over_codes() -> None:
    model = model_of(DCGAN.tiny(0))
    one = zoo.analyze(model, "lowrank", samples=1, unseen=0)
    many = zoo.analyze(model, "lowrank", samples=6, unseen=0)
    assert many.provenance["samples"] == 6
    assert not torch.allclose(one.vectors[0], many.vectors[0], atol=1e-3)


def test_bit_equal_for_equal_seed_chunk_and_threads() -> None:
    model = model_of(DCGAN.tiny(0))
    first, again = (zoo.analyze(model, "lowrank", region="center", samples=3, chunk=5, unseen=0) for _ in range(2))
    assert torch.equal(first.vectors, again.vectors)
    assert first.provenance["chunk"] == 5


@pytest.mark.long
@pytest.mark.real
def test_float64_on_request(digiface: Model) -> None:
    exact = zoo.load("dcgan.digiface64", dtype="float64", device="cpu")
    found, wanted = (
        zoo.analyze(model, "lowrank", region="mouth", k=1, show=1, unseen=0) for model in (digiface, exact)
    )
    assert wanted.provenance["dtype"] == "float64"
    assert float((found.vectors @ wanted.vectors.T).abs()) > 1 - 1e-8
