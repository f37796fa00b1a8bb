"""The analysis on networks whose components are known, and as an installed plugin."""

from collections.abc import Mapping
from typing import Any, Literal, Self

import pytest
import torch
from torch import Tensor, nn
from zoo_ganspace.analyzer import GANSpace
from zoo_ganspace.options import GANSpaceOptions

from zoo import Adapter, CapabilityError, Codes, Directions, LatentSpace, LayersError, Probe, Projection, State
from zoo.core import parse_region
from zoo.testing import leaves_no_trace

AXES = torch.linalg.qr(torch.randn(5, 5, generator=torch.Generator().manual_seed(3))).Q
SPREAD = torch.tensor([5.0, 4.0, 3.0, 2.0, 1.0])


class Toy(Adapter):
    """Codes that spread along known axes, in two equal rows (w) or one (z); a linear layer reads each row."""

    network: nn.Linear

    def __init__(self, layers: int, parts: int = 2) -> None:
        self.network = nn.Linear(5, 5 * parts, bias=False).requires_grad_(False)
        self.network.weight.copy_(torch.randn(5 * parts, 5, generator=torch.Generator().manual_seed(4)))
        self.space = LatentSpace("w" if layers > 1 else "z", 5, layers)
        self.resolution = (2, 2)
        self.classes = ("near", "far")
        self.parts = parts

    @classmethod
    def load(cls, state: State, config: Mapping[str, Any], **_: Any) -> Self:
        return cls(1)

    @classmethod
    def tiny(cls, seed: int) -> Self:
        return cls(1)

    def sample(
        self, count: int, generator: torch.Generator, labels: Tensor | None = None, truncation: float | None = None
    ) -> Codes:
        drawn = torch.randn(count, 5, generator=generator) * SPREAD * (1.0 if truncation is None else truncation)
        if labels is not None:
            drawn[:, 4] *= 100 * labels  # the second class spreads along another axis
        latents = drawn @ AXES.T
        return Codes(latents if self.space.layers == 1 else latents[:, None].repeat(1, 2, 1), labels, truncation)

    def projections(self) -> list[Projection]:
        return [Projection(index, part) for index, part in enumerate(self.network.weight.chunk(self.parts))]

    def synthesize(self, codes: Codes) -> Tensor:
        raise AssertionError("no image is needed")


def analyze(
    adapter: Adapter,
    *,
    layers: tuple[int, ...] | None = None,
    codes: Codes | None = None,
    where: Literal["auto", "codes", "activations"] = "auto",
    k: int = 10,
    draws: int = 20_000,
) -> Directions:
    generator = torch.Generator().manual_seed(0)
    options = GANSpaceOptions(where=where, k=k, draws=draws, batch=3000)
    probe = Probe(codes or adapter.sample(1, generator), parse_region("all", (2, 2)), layers, generator)
    with leaves_no_trace(adapter):
        return GANSpace(options).analyze(adapter, probe)


def agreement(found: Directions, axes: Tensor) -> Tensor:
    return (found.vectors * axes.T.double()).sum(dim=1).abs()


def test_components_of_w_are_its_axes() -> None:
    found = analyze(Toy(2))
    assert found.provenance["components_of"] == "codes"
    assert found.provenance["drawn"] == 20_000
    assert agreement(found, AXES).min() > 0.99  # of 20,000 samples: a few hundredths of a radian
    torch.testing.assert_close(found.scores, SPREAD.double() ** 2, rtol=0.05, atol=0)
    assert sum(found.provenance["explained"]) == pytest.approx(1)


def test_truncation_scales_the_variances() -> None:
    codes = Toy(2).sample(1, torch.Generator().manual_seed(9), truncation=0.5)
    plain, tight = analyze(Toy(2)), analyze(Toy(2), codes=codes)
    torch.testing.assert_close(tight.scores, plain.scores / 4, rtol=0.05, atol=0)


def test_further_codes_are_of_the_same_classes() -> None:
    far = Toy(2).sample(1, torch.Generator().manual_seed(9), labels=torch.tensor([1]))
    found = analyze(Toy(2), codes=far, k=1)
    assert agreement(found, AXES[:, 4:]).min() > 0.999
    assert found.scores[0] > 9000


def test_components_of_z_are_those_of_the_first_layer() -> None:
    """By hand: all activations of all codes, their SVD, and least squares back to the codes."""
    adapter = Toy(1)
    found = analyze(adapter, draws=2000)
    assert (found.provenance["components_of"], found.provenance["projections"]) == ("activations", [0])
    generator = torch.Generator().manual_seed(0)
    adapter.sample(1, generator)
    codes = adapter.sample(2000, generator).latents.double()
    activations = codes @ adapter.network.weight[:5].double().T
    centred = activations - activations.mean(dim=0)
    _, values, components = torch.linalg.svd(centred, full_matrices=False)
    wanted = torch.linalg.lstsq(centred @ components.T, codes - codes.mean(dim=0)).solution
    torch.testing.assert_close(found.scores, values**2 / 2000, rtol=1e-6, atol=0)  # codes are float32
    assert torch.nn.functional.cosine_similarity(found.vectors, wanted).abs().min() > 1 - 1e-9


def test_layers_choose_the_projections() -> None:
    first, second, both = (analyze(Toy(1), layers=layers) for layers in ((0,), (1,), (0, 1)))
    assert both.provenance["projections"] == [0, 1]
    assert both.layers is None
    torch.testing.assert_close(both.scores.sum(), first.scores.sum() + second.scores.sum())  # traces add up


def test_layers_of_w_are_the_rows_to_move() -> None:
    assert analyze(Toy(2), layers=(1,)).layers == (1,)
    assert analyze(Toy(2), layers=(1,), where="activations").provenance["projections"] == [1]


def test_the_same_seed_finds_the_same() -> None:
    first, again = analyze(Toy(1), draws=50), analyze(Toy(1), draws=50)
    assert torch.equal(first.vectors, again.vectors)


def test_what_cannot_be_asked() -> None:
    with pytest.raises(LayersError, match="single row"):
        analyze(Toy(1), where="codes", layers=(0,))
    with pytest.raises(LayersError, match="no projection reads the layers 7"):
        analyze(Toy(1), layers=(7,))
    bare = Toy(1)
    bare.projections = list  # type: ignore[method-assign]
    with pytest.raises(CapabilityError, match="declares no projection in z"):
        analyze(bare)
