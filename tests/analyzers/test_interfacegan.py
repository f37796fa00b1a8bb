"""Boundaries on a generator whose attributes are known: the brightness of its halves and of both together."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from zoo_analyzers.interfacegan.analyzer import InterFaceGAN, Learned, conditioned, extremes
from zoo_analyzers.interfacegan.options import InterFaceGANOptions

from zoo import (
    Adapter,
    CapabilityError,
    Codes,
    CodesError,
    ContractError,
    Directions,
    LatentSpace,
    Probe,
    Projection,
    Scorer,
    State,
    UnknownNameError,
)
from zoo.core import parse_region
from zoo.testing import leaves_no_trace

DIM = 6


class Toy(Adapter):
    """Two pixels, one above the other: a tenth of the first and of the second number of the code (or of each row)."""

    network: nn.Linear

    def __init__(self, layers: int = 1) -> None:
        self.network = nn.Linear(DIM, 2, bias=False).requires_grad_(False)
        self.network.weight.copy_(0.1 * torch.eye(2, DIM))
        self.space = LatentSpace("w" if layers > 1 else "z", DIM, layers)
        self.resolution = (2, 1)
        self.classes = ("plain", "dark")

    @classmethod
    def load(cls, state: State, config: Mapping[str, Any], **_: Any) -> Self:
        return cls()

    @classmethod
    def tiny(cls, seed: int) -> Self:
        return cls()

    @property
    def needs_labels(self) -> bool:
        return False

    def sample(
        self, count: int, generator: torch.Generator, labels: Tensor | None = None, truncation: float | None = None
    ) -> Codes:
        drawn = torch.randn(count, DIM, generator=generator)
        if self.space.layers > 1:
            drawn = drawn[:, None].repeat(1, self.space.layers, 1)
        return Codes(drawn * (1.0 if truncation is None else truncation), labels, truncation)

    def projections(self) -> list[Projection]:
        return []

    def synthesize(self, codes: Codes) -> Tensor:
        rows = codes.latents if self.space.layers == 1 else codes.latents.mean(dim=1)
        found: Tensor = self.network(rows)[:, None, :, None]
        return found.expand(-1, 3, -1, -1)


class Halves(Scorer):
    """The brightness of the top, of the bottom, their sum, a shade that never varies, and two values of a side."""

    attributes: ClassVar[Sequence[str]] = ("top", "bottom", "both", "shade", "side=top", "side=bottom")

    def fits(self, card: object) -> bool:
        return True

    def score(self, images: Tensor) -> Tensor:
        top, bottom = images.mean(dim=(1, 3)).unbind(dim=1)
        return torch.stack([top, bottom, top + bottom, 0 * top, top - bottom, bottom - top], dim=1)


WANTED = {
    "top": torch.eye(DIM)[0],
    "bottom": torch.eye(DIM)[1],
    "both": torch.eye(DIM)[:2].sum(dim=0) / 2**0.5,
    "side=top": (torch.eye(DIM)[0] - torch.eye(DIM)[1]) / 2**0.5,
    "side=bottom": (torch.eye(DIM)[1] - torch.eye(DIM)[0]) / 2**0.5,
}


def analyze(
    adapter: Adapter | None = None,
    *,
    layers: tuple[int, ...] | None = None,
    scorers: Mapping[str, Scorer] | None = None,
    labels: Tensor | None = None,
    **options: Any,
) -> Directions:
    adapter = adapter or Toy()
    generator = torch.Generator().manual_seed(0)
    codes = adapter.sample(1, generator, labels)
    all_of_it = parse_region("all", (2, 1))
    given = {"halves": Halves()} if scorers is None else scorers
    probe = Probe(codes, all_of_it, layers, generator, scorers=given)
    parsed = InterFaceGANOptions.model_validate({"batch": 500, "draws": 4000} | options)
    with leaves_no_trace(adapter):
        return InterFaceGAN(parsed).analyze(adapter, probe)


@pytest.fixture(scope="module")
def found() -> Directions:
    return analyze()


def test_boundaries_are_the_attributes_own_directions(found: Directions) -> None:
    """Of 560 codes in six dimensions: within a few degrees, and better than 97 of 100 right on codes held out."""
    assert found.attributes is not None
    assert set(found.attributes) == set(WANTED)
    for name, row in zip(found.attributes, found.vectors, strict=True):
        assert row @ WANTED[name].double() > 0.99, name
        assert found.provenance["accuracy"][name] > 0.97
    assert (found.scores[:-1] >= found.scores[1:]).all()
    assert found.scores.tolist() == [found.provenance["accuracy"][name] for name in found.attributes]
    assert found.retained is None


def test_the_record_says_what_was_learned_from(found: Directions) -> None:
    record = found.provenance
    assert (record["scored_by"], record["scored"], record["conditioned_on"]) == ("halves", 4000, [])
    assert record["codes_of"]["top"] == {"train": 560, "held_out": 240}
    assert list(record["left_out"]) == ["shade"]
    assert "too few" in record["left_out"]["shade"]


def test_accuracy_of_noise_is_that_of_guessing() -> None:
    """What is held out is not learned from: of a score that knows nothing of the code, half is guessed right."""

    class Noise(Halves):
        attributes = ("noise",)

        def score(self, images: Tensor) -> Tensor:
            return torch.randn(len(images), 1, generator=torch.Generator().manual_seed(int(images[0, 0, 0, 0] * 1e6)))

    found = analyze(scorers={"noise": Noise()})
    assert abs(found.scores[0] - 0.5) < 0.12  # 240 codes: four standard deviations


def test_conditions_are_projected_out() -> None:
    free, bound = analyze(attributes="both"), analyze(attributes="both", condition="top")
    first, second = free.vectors[0], analyze(attributes="top").vectors[0]
    assert abs(bound.vectors[0] @ WANTED["top"].double()) < 0.05
    assert bound.vectors[0] @ WANTED["bottom"].double() > 0.99
    assert bound.retained is not None
    assert float(bound.retained[0]) == pytest.approx(0.5**0.5, abs=0.05)
    assert bound.provenance["conditioned_on"] == ["top"]
    assert first @ second > 0.6


def test_several_conditions_are_projected_out_together() -> None:
    """n₁ − N⁺N n₁ is orthogonal to all of them, though they are not to one another; of one, the paper's equation."""
    rows = torch.randn(4, 9, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    first, *others = (Learned(str(index), row / row.norm(), 1.0, {}) for index, row in enumerate(rows))
    found = conditioned(first, [first, *others, others[0]])
    normals = torch.stack([other.normal for other in others])
    assert (normals @ found).abs().max() < 1e-12
    weights = torch.linalg.lstsq(normals.T, (first.normal - found)[:, None]).solution
    torch.testing.assert_close(weights.T @ normals, (first.normal - found)[None])
    second = others[0].normal
    torch.testing.assert_close(conditioned(first, others[:1]), first.normal - (first.normal @ second) * second)


def test_all_conditions_each_on_each_other() -> None:
    found = analyze(attributes="top,bottom", condition="all")
    assert found.provenance["conditioned_on"] == ["top", "bottom"]
    assert found.retained is not None
    assert (found.retained > 0.98).all()


def test_values_of_one_attribute_are_not_freed_from_each_other() -> None:
    found = analyze(attributes="side", condition="side")
    assert set(found.attributes or ()) == {"side=top", "side=bottom"}
    assert found.retained is not None
    torch.testing.assert_close(found.retained, torch.ones(2).double())


def test_of_a_boundary_that_lies_in_the_others_nothing_is_left() -> None:
    found = analyze(attributes="both,top", condition="top,bottom,both", share=0.3)
    assert found.retained is not None
    assert (found.retained < 0.2).all()


def test_a_file_of_labelled_codes_serves_as_well(tmp_path: Path) -> None:
    """Yes and no, of which yes is rare: codes that say no are not taken for the upper end."""
    latents = torch.randn(3000, DIM, generator=torch.Generator().manual_seed(5))
    labels = (latents[:, 3] > 1.7).float()
    save_file({"latents": latents, "score/hat": labels}, tmp_path / "labelled.safetensors")
    found = analyze(scorers={}, labelled=tmp_path / "labelled.safetensors", share=0.2)
    assert found.attributes == ("hat",)
    assert found.vectors[0, 3] > 0.97
    counts = found.provenance["codes_of"]["hat"]
    assert counts["train"] + counts["held_out"] == 600 + int(labels.sum())
    assert found.provenance["scored_by"] == "labelled.safetensors"


def test_extremes_of_equal_scores_are_at_one_end_only() -> None:
    scores = torch.tensor([0.0] * 90 + [1.0] * 10)
    low, high = extremes(scores, 0.2)
    assert (len(low), high.tolist()) == (20, list(range(90, 100)))
    with pytest.raises(ValueError, match="0 at the upper one"):
        extremes(torch.zeros(100), 0.2)


def test_rows_of_w_are_moved_as_asked() -> None:
    found = analyze(Toy(layers=3), layers=(1, 2), attributes="top")
    assert found.layers == (1, 2)
    assert found.vectors[0] @ WANTED["top"].double() > 0.99


def test_the_same_seed_learns_the_same(found: Directions) -> None:
    assert torch.equal(analyze().vectors, found.vectors)


class Broken(Halves):
    def score(self, images: Tensor) -> Tensor:
        return super().score(images)[:, 0]


@pytest.mark.parametrize(
    ("error", "words", "asked"),
    [
        (CapabilityError, "no installed scorer fits.*labelled=FILE", {"scorers": {}}),
        (CapabilityError, "choose one with -o scorer=, of a, b", {"scorers": {"a": Halves(), "b": Halves()}}),
        (UnknownNameError, "scorer that fits this model.*hats", {"scorer": "hats"}),
        (UnknownNameError, "attribute that is scored.*hat", {"attributes": "hat"}),
        (UnknownNameError, "attribute that is scored.*hat", {"condition": "hat"}),
        (CapabilityError, "no boundary could be learned: shade: .*too few", {"attributes": "shade"}),
        (ContractError, r"halves must return finite scores of shape \(500, 6\)", {"scorers": {"halves": Broken()}}),
    ],
)
def test_what_cannot_be_asked(error: type[Exception], words: str, asked: dict[str, Any]) -> None:
    with pytest.raises(error, match=words):
        analyze(**asked)


@pytest.mark.parametrize(
    ("tensors", "words"),
    [
        ({"latents": torch.zeros(9, DIM)}, "called 'score/NAME'"),
        ({"score/hat": torch.zeros(9)}, "no tensor 'latents'"),
        ({"latents": torch.zeros(9, 4), "score/hat": torch.zeros(9)}, r"the space is z \(6\)"),
        ({"latents": torch.zeros(9, DIM), "score/hat": torch.zeros(8)}, "each of the 9 codes"),
        ({"latents": torch.zeros(9, DIM), "score/hat": torch.full((9,), torch.nan)}, "not finite"),
        (None, "No such file"),
    ],
)
def test_labelled_codes_that_are_none(tmp_path: Path, tensors: dict[str, Tensor] | None, words: str) -> None:
    if tensors is not None:
        save_file(tensors, tmp_path / "labelled.safetensors")
    with pytest.raises(CodesError, match=words):
        analyze(labelled=tmp_path / "labelled.safetensors")
