"""A minimal adapter, analyzer, scorer and projector that pass every check, and variants that each fail one check."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import count
from typing import Any, ClassVar, Self

import torch
from pydantic import Field
from torch import Tensor, nn

from zoo import (
    Adapter,
    AdapterPlugin,
    Analyzer,
    AnalyzerPlugin,
    CheckpointError,
    Codes,
    Directions,
    LatentSpace,
    Layout,
    Options,
    Pictures,
    Probe,
    Projection,
    Projector,
    ProjectorPlugin,
    Region,
    Scorer,
    ScorerPlugin,
    State,
    unknown_name,
)
from zoo.core.sampling import draw_normal
from zoo.jacobian.gram import gram_matrices, require_change
from zoo.linalg.symmetric import eigenvectors
from zoo.registry.cards import Card

SIDE = 8
DIM = 3


class Network(nn.Module):
    """Two dense layers."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.start = nn.Linear(DIM, 6)
        self.end = nn.Linear(6, 3 * SIDE**2)
        generator = torch.Generator().manual_seed(seed)
        for weight in self.requires_grad_(False).parameters():
            weight.copy_(torch.randn(weight.shape, generator=generator) / 2)

    def forward(self, z: Tensor) -> Tensor:
        images: Tensor = torch.tanh(self.end(torch.sin(self.start(z)))).view(-1, 3, SIDE, SIDE)
        return images


class Valid(Adapter):
    """An adapter that passes every check."""

    layouts = (Layout("valid", lambda state, meta: (state, {}), required_keys=("valid.start.weight",)),)
    network: Network

    def __init__(self, network: Network) -> None:
        self.network = network.eval()
        self.space = LatentSpace("z", DIM)
        self.resolution = (SIDE, SIDE)

    @classmethod
    def load(cls, state: State, config: Mapping[str, Any], *, space: str | None = None, **_: Any) -> Self:
        if space not in {None, "z"}:
            raise unknown_name("space", str(space), ["z"])
        if "start.weight" not in state:
            raise CheckpointError("no start.weight")
        network = Network(0)
        network.load_state_dict(state)
        return cls(network)

    @classmethod
    def tiny(cls, seed: int) -> Self:
        return cls(Network(seed))

    def sample(
        self, count: int, generator: torch.Generator, labels: Tensor | None = None, truncation: float | None = None
    ) -> Codes:
        return Codes(draw_normal(count, DIM, generator))

    def projections(self) -> list[Projection]:
        return [Projection(0, self.network.start.weight)]

    def synthesize(self, codes: Codes) -> Tensor:
        images: Tensor = self.network(codes.latents)
        return images


class WrongDerivative(torch.autograd.Function):
    """The identity function, with a wrong derivative in one of the two modes."""

    generate_vmap_rule = True
    factors: ClassVar[tuple[float, float]] = (1.0, 1.0)

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        return None

    @classmethod
    def jvp(cls, ctx: Any, tangent: Tensor) -> Tensor:
        return tangent * cls.factors[0]

    @classmethod
    def backward(cls, ctx: Any, gradient: Tensor) -> Tensor:
        return gradient * cls.factors[1]


class WrongForward(WrongDerivative):
    factors = (1.5, 1.0)


class WrongReverse(WrongDerivative):
    factors = (1.0, 1.5)


def adapter_entry(provides: frozenset[str] | None = None, **methods: Any) -> AdapterPlugin:
    """Announce the valid adapter with some methods replaced."""
    family = type("Broken", (Valid,), methods)
    words = frozenset({"projection", "derivative", "region"}) if provides is None else provides
    return AdapterPlugin(name="broken", summary="a test", load=lambda: family, provides=words)


def _images(change: Callable[[Tensor], Tensor]) -> Callable[[Adapter, Codes], Tensor]:
    return lambda self, codes: change(Valid.synthesize(self, codes))  # type: ignore[arg-type]


def _alternating_images(self: Any, codes: Codes) -> Tensor:
    """Return another image every other time; in float32 only, so that derivatives, in float64, pass."""
    self.turn = not getattr(self, "turn", False)
    images = Valid.synthesize(self, codes)
    return images + 4e-7 * self.turn if images.dtype == torch.float32 else images


def _draw_all_codes_at_once(self: Any, count: int, generator: torch.Generator, *_: Any) -> Codes:
    return Codes(torch.randn(DIM, count, generator=generator).T.contiguous())


def _draw_by_dtype(self: Any, count: int, generator: torch.Generator, *_: Any) -> Codes:
    return Codes(draw_normal(count, DIM, generator) * (1.0 if self.dtype == torch.float32 else 1.01))


def _reverse_pixels(self: Any, codes: Codes, region: Region) -> Tensor:
    part = Adapter.region_output(self, codes, region)
    return part if region.whole else part.flip(-1)


def _switch_to_training(self: Any, codes: Codes) -> Tensor:
    self.network.train()
    return Valid.synthesize(self, codes)


def _move_twice_as_far(self: Any, codes: Codes, delta: Tensor, layers: Any = None) -> Codes:
    return replace(codes, latents=codes.latents + 2 * delta)


# For each check of an adapter: one that fails only this check, and words of the message.
ADAPTERS: dict[str, tuple[AdapterPlugin, str]] = {
    "announcement": (
        adapter_entry(frozenset({"derivative", "region"})),
        "provides has projection exactly if the network has projections",
    ),
    "tiny": (adapter_entry(tiny=classmethod(lambda cls, seed: cls(Network(7)))), "another seed gives other weights"),
    "layouts": (
        adapter_entry(layouts=(Layout("any", lambda state, meta: (state, {})),)),
        "it detected a file of nothing",
    ),
    "refusals": (
        adapter_entry(load=classmethod(lambda cls, state, config, **_: cls(Network(0)))),
        "CheckpointError for an empty state; seen: no error",
    ),
    "codes": (adapter_entry(sample=_draw_all_codes_at_once), "the first code does not depend on the count"),
    "images": (
        adapter_entry(synthesize=_images(lambda x: 0 * x)),
        "another code gives another image; seen: the same image",
    ),
    "determinism": (
        adapter_entry(synthesize=_alternating_images),
        "the same code gives the same image; seen: another image",
    ),
    "batches": (
        adapter_entry(synthesize=_images(lambda x: x - 0.01 * x.mean(dim=0, keepdim=True))),
        "an image does not depend on its batch; seen: a deviation",
    ),
    "moves": (adapter_entry(move=_move_twice_as_far), "move adds delta to the chosen rows"),
    "projections": (
        adapter_entry(projections=lambda self: [Projection(-1, self.network.start.weight)]),
        "a layer counted from 0; seen: -1",
    ),
    "layer-names": (
        adapter_entry(layer_names=lambda self: {"coarse": (0, 1)}),
        "layers of [0] in ascending order, for 'coarse'; seen: [0, 1]",
    ),
    "first-steps": (
        adapter_entry(projections=lambda self: [Projection(0, self.network.start.weight * 0.5)]),
        "one is, times 2: declare the weight with every factor applied",
    ),
    "regions": (adapter_entry(region_output=_reverse_pixels), "the output of center equals the image, cut"),
    "forward": (
        adapter_entry(synthesize=_images(WrongForward.apply)),
        "the derivative of all, layers None, equals central differences",
    ),
    "reverse": (
        adapter_entry(synthesize=_images(WrongReverse.apply)),
        "reverse mode of all, layers None, equals central differences",
    ),
    "types": (adapter_entry(sample=_draw_by_dtype), "codes in float64 are those in float32"),
    "devices": (
        adapter_entry(synthesize=_images(lambda x: x + torch.zeros(3, 1, 1))),
        "tensors are created on the device of the codes",
    ),
    "traces": (adapter_entry(synthesize=_switch_to_training), "training mode stays unchanged; seen: it changed"),
}

# Further declarations that do not agree with the network.
STEPS: dict[str, tuple[AdapterPlugin, str]] = {
    "half of the rows": (
        adapter_entry(projections=lambda self: [Projection(0, self.network.start.weight[:3])]),
        "3 of 6 rows are not declared",
    ),
    "another layer": (
        adapter_entry(projections=lambda self: [Projection(0, self.network.end.weight[:, :DIM])]),
        "192 of them are not in what it computes;",
    ),
}


class AnalysisOptions(Options):
    """Options of the valid analyzer."""

    k: int = Field(2, ge=1, description="how many directions")


class UndescribedOptions(AnalysisOptions):
    """An option without a description."""

    speed: int = 1


class Leading(Analyzer[AnalysisOptions]):
    """An analyzer that passes every check: the eigenvectors of a region's Gram matrix."""

    def analyze(self, adapter: Adapter, probe: Probe) -> Directions:
        return Directions(adapter.space, *self.found(adapter, probe), probe.layers)

    def found(self, adapter: Adapter, probe: Probe) -> tuple[Tensor, Tensor]:
        [matrix] = gram_matrices(
            adapter, probe.codes, [probe.region], layers=probe.layers, progress=probe.progress
        ).matrices
        require_change(matrix, probe.region)
        values, rows = eigenvectors(matrix)
        return rows[: self.options.k], values[: self.options.k]


def analyzer_entry(
    change: Callable[[Directions], Directions] = lambda found: found,
    *,
    requires: frozenset[str] = frozenset({"derivative", "region"}),
    schema: type[Options] = AnalysisOptions,
    **methods: Any,
) -> AnalyzerPlugin:
    """Announce the valid analyzer with its result changed, or some methods replaced."""
    usual = {"analyze": lambda self, adapter, probe: change(Leading.analyze(self, adapter, probe))}
    kind = type("Broken", (Leading,), {**usual, **methods})
    return AnalyzerPlugin(name="broken", summary="a test", load=lambda: kind, requires=requires, options=lambda: schema)


def _alternating_signs(self: Any, adapter: Adapter, probe: Probe) -> Directions:
    """Return the opposite directions every other time."""
    kind = type(self)
    kind.sign = -getattr(kind, "sign", 1.0)
    found = Leading.analyze(self, adapter, probe)
    return replace(found, vectors=found.vectors * kind.sign)


def _wrong_in_float64(self: Any, adapter: Adapter, probe: Probe) -> Directions:
    found = Leading.analyze(self, adapter, probe)
    return found if adapter.dtype == torch.float32 else replace(found, vectors=found.vectors.roll(1, dims=1))


def _raise_value_error(self: Any, adapter: Adapter, probe: Probe) -> Directions:
    try:
        return Leading.analyze(self, adapter, probe)
    except Exception as error:
        raise ValueError("math domain error") from error


def _switch_to_evaluation(self: Any, adapter: Adapter, probe: Probe) -> Directions:
    adapter.network.eval()
    return Leading.analyze(self, adapter, probe)


# For each check of an analyzer: one that fails only this check, and words of the message.
ANALYZERS: dict[str, tuple[AnalyzerPlugin, str]] = {
    "options": (analyzer_entry(schema=UndescribedOptions), "has a description for zoo info; seen: speed has none"),
    "directions": (
        analyzer_entry(lambda found: replace(found, vectors=found.vectors * 1.00005)),
        "unit rows, to 1e-06; seen: one of length 1.00005",
    ),
    "order": (
        analyzer_entry(lambda found: replace(found, vectors=found.vectors.flip(0), scores=found.scores.flip(0))),
        "scores in descending order; seen: [",
    ),
    "layers": (
        analyzer_entry(lambda found: replace(found, layers=None)),
        "layers (0,), as in the probe; seen: None",
    ),
    "determinism": (analyzer_entry(analyze=_alternating_signs), "random numbers come only from probe.generator"),
    "progress": (
        analyzer_entry(
            analyze=lambda self, adapter, probe: Leading.analyze(
                self, adapter, replace(probe, progress=lambda *call: None)
            )
        ),
        "an analyzer that renders calls probe.progress; seen: no call",
    ),
    "requires": (analyzer_entry(requires=frozenset({"region"})), "requires (region) is enough to run; seen: "),
    "refusals": (
        analyzer_entry(analyze=_raise_value_error),
        "one of zoo's errors, in one line, or finite directions; seen: ValueError",
    ),
    "types": (
        analyzer_entry(analyze=_wrong_in_float64),
        "the same leading direction in float64; seen: one at a cosine of",
    ),
    "files": (
        analyzer_entry(lambda found: found.with_provenance(seen={1, 2})),
        "provenance fits into JSON; seen: Object of type set",
    ),
    "traces": (analyzer_entry(analyze=_switch_to_evaluation), "training mode stays unchanged"),
}


class Brightness(Scorer):
    """A scorer that passes every check."""

    attributes = ("bright", "red")
    parts = ("light", "shade")

    def fits(self, card: Card) -> bool:
        return card.adapter == "dcgan"

    def score(self, images: Tensor) -> Tensor:
        return torch.stack([images.mean(dim=(1, 2, 3)), images[:, 0].mean(dim=(1, 2))], dim=1)

    def masks(self, images: Tensor) -> Tensor:
        light = images.mean(dim=1) > 0
        return torch.stack([light, ~light], dim=1)


def scorer_entry(attributes: tuple[str, ...] = Brightness.attributes, **methods: Any) -> ScorerPlugin:
    """Announce the valid scorer with some methods replaced."""
    kind = type("Broken", (Brightness,), methods)
    return ScorerPlugin(name="broken", summary="a test", load=lambda: kind, attributes=attributes)


def _subtract_batch_mean(self: Any, images: Tensor) -> Tensor:
    scores = Brightness.score(self, images)
    return scores - 0.1 * scores.mean(dim=0)


def _light_in_batch(self: Any, images: Tensor) -> Tensor:
    """Compare pixels with the mean of the batch, instead of a fixed brightness."""
    return Brightness.masks(self, images - images.mean())


# For each check of a scorer: one that fails only this check, and words of the message.
SCORERS: dict[str, tuple[ScorerPlugin, str]] = {
    "attributes": (scorer_entry(("bright",)), "the entry lists the attributes of the class, ('bright', 'red')"),
    "fits": (scorer_entry(fits=lambda self, card: 1), "True or False for"),
    "scores": (scorer_entry(score=lambda self, images: torch.ones(len(images), 2)), "other images get other scores"),
    "batches": (scorer_entry(score=_subtract_batch_mean), "scores do not depend on the batch; seen: a deviation"),
    "parts": (scorer_entry(masks=Scorer.masks), "a scorer with parts defines masks; seen: light, shade, but no masks"),
    "masks": (scorer_entry(masks=_light_in_batch), "masks do not depend on the batch"),
    "traces": (
        scorer_entry(score=lambda self, images: Brightness.score(self, images.mul_(0.5))),
        "images stay unchanged; seen: they changed",
    ),
}


class Nearest(Projector[Options]):
    """A projector that passes every check: the nearest of a few drawn codes."""

    def project(self, adapter: Adapter, pictures: Pictures) -> Codes:
        labels = None if pictures.label is None else torch.full((64,), pictures.label)
        codes = adapter.sample(64, pictures.generator, labels)
        with torch.no_grad():
            images = adapter.synthesize(codes)
        pictures.progress(1, 1, "pictures")
        nearest = torch.cdist(pictures.images.flatten(1), images.flatten(1)).argmin(dim=1)
        return replace(
            codes, latents=codes.latents[nearest], labels=None if codes.labels is None else codes.labels[nearest]
        )


def projector_entry(
    options: Callable[[], type[Options]] = lambda: Options,
    change: Callable[[Codes, Pictures], Codes] = lambda codes, pictures: codes,
    **methods: Any,
) -> ProjectorPlugin:
    """Announce the valid projector with its options, the codes that it finds, or some methods replaced."""

    def project(self: Any, adapter: Adapter, pictures: Pictures) -> Codes:
        return change(Nearest.project(self, adapter, pictures), pictures)

    kind = type("Broken", (Nearest,), {"project": project, **methods})
    return ProjectorPlugin(name="broken", summary="a test", load=lambda: kind, options=options)


def _halve(codes: Codes, pictures: Pictures) -> Codes:
    pictures.images.mul_(0.5)
    return codes


_COUNTED = count()

# For each check of a projector: one that fails only this check, and words of the message.
PROJECTORS: dict[str, tuple[ProjectorPlugin, str]] = {
    "options": (projector_entry(lambda: UndescribedOptions), "every option has a description"),
    "fits": (projector_entry(fits=lambda self, card: 1), "True or False for"),
    "codes": (
        projector_entry(change=lambda codes, pictures: replace(codes, latents=codes.latents / 0)),
        "finite codes; seen: NaN or infinity",
    ),
    "labels": (
        projector_entry(
            change=lambda codes, pictures: (
                codes if codes.labels is None else replace(codes, labels=torch.zeros(len(codes), dtype=torch.int64))
            )
        ),
        "codes of class 2, which was asked for; seen: [0, 0, 0]",
    ),
    "pictures": (
        projector_entry(change=lambda codes, pictures: replace(codes, latents=0 * codes.latents)),
        "another picture gives another code",
    ),
    "determinism": (
        projector_entry(change=lambda codes, pictures: replace(codes, latents=codes.latents + next(_COUNTED))),
        "random numbers come only from pictures.generator",
    ),
    "traces": (projector_entry(change=_halve), "pictures stay unchanged; seen: they changed"),
}
