"""How well and how fast are codes of pictures found? Each line is printed as soon as it is known.

    python -m benchmarks.inversion [MODEL …] [--seeds 16] [--adam 16] [--state DIR] [--avatars DIR] [--held 64]

*Own pictures*: images of seeds that no start was drawn with. The share that is found to 60 dB, the seconds of processor
time (median and quartiles) and the decibels (median), and the same of Adam in the schedule of the StyleGAN2 projector
(Karras et al., CVPR 2020, appendix D: rate 0.1 with its ramps, noise on the code for three quarters of the way). Of
that projector, the perceptual network is left out: Adam minimises the same squared error as the search, in the same
whitened coordinates, from the nearest of the same drawn codes. It goes on to the next while the picture is below 60 dB,
up to six times, or up to twelve where 24 dB are reached. `zoo project` has six starts too, and then hops from the best.
*To its level*: how many times earlier the search came to where Adam ended.
With ``--state``, each result is kept in that folder, and a later run goes on from there; what the search found is
measured again once its code has changed.

*Held-out avatars* (recipes/avatars, split ``test``): factors that the scorer reads alike in the picture and in what was
found, with tied rows (w) and with free ones (w+). Then edits of one factor, along four directions that drawn codes
give: how often it is reached, and how often all others stay. *Fitted* is least squares in whitened coordinates.
*Orthogonal* is what is left of it beside the directions of all other factors. *Local* is what is left of it beside the
directions that change most outside of the factor's part: in the null space of the Jacobian there, in which `nullspace`
looks. *Both* is the one after the other. Where the part is, the masks of the split ``val`` tell.
"""

from __future__ import annotations

import argparse
import hashlib
import inspect
import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from statistics import mean, median, quantiles, stdev
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

import zoo
import zoo.inversion.solving
from recipes.avatars import Avatars, read
from zoo.core.channels import as_rgb
from zoo.core.codes import Codes
from zoo.core.sampling import derived_generator
from zoo.inversion.solving.prior import Prior
from zoo.inversion.solving.problem import Problem
from zoo.inversion.solving.search import SEEMS_DRAWN, USUAL_STARTS
from zoo.inversion.solving.starts import Starts, draw_for_prior, draw_starts
from zoo.jacobian import gram_matrices
from zoo.models.model import Model
from zoo.plugins import load_plugins
from zoo.scoring.choosing import choose_scorers
from zoo.scoring.effects import Attribute, read_attributes

MODELS = (
    *("stylegan2.avatars32", "stylegan.avatars32", "pggan.avatars32", "biggan.avatars32"),
    *("stylegan2.avatars64", "biggan.avatars64", "dcgan.digiface64", "dcgan.celeba64", "dcgan.omniart-eyes128"),
)
# Decibels from which a picture counts as found, and the first seed of the pictures. Adam's steps from each start.
FOUND = 60.0
FIRST_SEED = 1000
ADAM_STEPS = 500
# How many starts Adam has where the picture seems to be one that the model can draw.
STARTS_NEAR = 12
# Factors that are edited, the value that each is moved to, and the part of the picture that shows it.
EDITS = {"glasses": ("yes", "glasses"), "mouth": ("open", "mouth"), "hair_colour": ("red", "hair")}
# A part is where at least this share of the pictures shows it.
PART = 0.05
# How many of the directions that change most outside of the part are left out, of 64.
LEFT_OUT = (16, 32)


def decibels(error: float) -> float:
    """Return the peak signal-to-noise ratio of images in [-1, 1]."""
    return 10 * math.log10(4 / max(error, 1e-15))


@dataclass
class Trace:
    """The best decibels so far, by seconds of processor time."""

    points: list[tuple[float, float]] = field(default_factory=list)
    began: float = field(default_factory=time.process_time)

    def add(self, error: float) -> None:
        """Note an error that was met."""
        level = decibels(error)
        if not self.points or level > self.points[-1][1]:
            self.points.append((time.process_time() - self.began, level))

    def seconds_to(self, level: float) -> float:
        """Return when a level was reached; infinite if never."""
        return next((seconds for seconds, best in self.points if best >= level), math.inf)


@dataclass(frozen=True)
class Outcome:
    """What a method made of one picture: its decibels, the seconds of processor time, and the way there."""

    level: float
    seconds: float
    trace: Trace


@dataclass(frozen=True)
class State:
    """A folder that keeps what was measured, as JSON; without a folder, nothing is kept."""

    folder: Path | None

    def ask(self, name: str, measure: Callable[[], Any]) -> Any:
        """Return what is kept under a name; measure and keep it if nothing is."""
        if self.folder is None:
            return measure()
        file = self.folder / f"{name}.json"
        if not file.exists():
            found = measure()
            self.folder.mkdir(parents=True, exist_ok=True)
            new = file.with_suffix(".new")
            new.write_text(json.dumps(found))
            new.replace(file)
        return json.loads(file.read_text())

    def outcome(self, name: str, measure: Callable[[], Outcome]) -> Outcome:
        """Return the outcome of a method that is kept under a name; measure and keep it if none is."""
        known = self.ask(name, lambda: asdict(measure()))
        return Outcome(known["level"], known["seconds"], Trace(known["trace"]["points"]))


def version_of_search() -> str:
    """Name the code of the search by a digest."""
    files = sorted(Path(zoo.inversion.solving.__path__[0]).glob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:8]


def version_of(*parts: Any) -> str:
    """Name some classes and functions of this module, and texts, by a digest of their code."""
    code = "".join(part if isinstance(part, str) else inspect.getsource(part) for part in parts)
    return hashlib.sha256(code.encode()).hexdigest()[:8]


def search(model: Model, picture: Tensor) -> Outcome:
    """Project one picture by zoo's search."""
    trace = Trace()
    evaluate: Callable[..., Any] = Problem.evaluate
    residual: Callable[..., Any] = Problem.residual

    def evaluate_traced(problem: Problem, coordinates: Tensor, ridge: float) -> tuple[Tensor, Tensor]:
        values, gradients = evaluate(problem, coordinates, ridge)
        trace.add(2 * float(values.min()))  # with the ridge: at least the error
        return values, gradients

    def residual_traced(problem: Problem, coordinates: Tensor) -> Tensor:
        r: Tensor = residual(problem, coordinates)
        trace.add(float(r.square().sum()))
        return r

    Problem.evaluate, Problem.residual = evaluate_traced, residual_traced  # type: ignore[method-assign, assignment]
    try:
        found = zoo.project(model, picture)
    finally:
        Problem.evaluate, Problem.residual = evaluate, residual  # type: ignore[method-assign]
    return Outcome(found.fits[0].psnr, time.process_time() - trace.began, trace)


class Adam:
    """Adam in the schedule of the StyleGAN2 projector, from the starts that the search has."""

    def __init__(self, model: Model, picture: Tensor) -> None:
        self._model, self._picture, self._region = model, picture, model.region("all")

    @cached_property
    def _prior(self) -> Prior:
        adapter = self._model.adapter
        return Prior.of(adapter, draw_for_prior(adapter, derived_generator(0, "prior"), None))

    @cached_property
    def _starts(self) -> Starts:
        drawn = draw_starts(self._model.adapter, derived_generator(0, "starts"), None)
        return Starts(self._model, drawn, self._picture, self._region)

    def attempt(self, rank: int) -> Outcome:
        """Go on from one start."""
        if rank:  # the first attempt is charged with what all of them need
            self._prior, self._starts  # noqa: B018
        trace = Trace()
        codes = self._starts.take([0], rank)
        problem = Problem(self._model.adapter, self._prior, self._picture, self._region, codes.labels)
        point = self._prior.whiten(codes)
        point = point.mean(dim=1) if point.ndim == 3 else point
        best = _minimize(problem, point, trace, derived_generator(rank, "noise"))
        return Outcome(best, time.process_time() - trace.began, trace)


def _minimize(problem: Problem, point: Tensor, trace: Trace, generator: torch.Generator) -> float:
    best = 0.0
    variable = point.clone().requires_grad_()
    optimizer = torch.optim.Adam([variable], betas=(0.9, 0.999))
    for step in range(ADAM_STEPS):
        t = step / ADAM_STEPS
        ramp = min(1.0, (1 - t) / 0.25)
        rate = 0.1 * (0.5 - 0.5 * math.cos(ramp * math.pi)) * min(1.0, t / 0.05)
        for group in optimizer.param_groups:
            group["lr"] = rate
        noise = 0.05 * max(0.0, 1 - t / 0.75) ** 2 * torch.randn(point.shape, generator=generator, dtype=point.dtype)
        values, gradients = problem.evaluate(variable.detach() + noise, 0.0)
        variable.grad = gradients
        optimizer.step()
        error = 2 * float(values[0])
        trace.add(error)
        best = max(best, decibels(error))
    return best


def adam(model: Model, picture: Tensor, seed: int, state: State) -> Outcome:
    """Project one picture by Adam, from as many starts as the search would make where it finds as much."""
    method = Adam(model, picture)
    tried: list[Outcome] = []
    best = 0.0
    while best < FOUND and len(tried) < (STARTS_NEAR if best >= decibels(SEEMS_DRAWN) else USUAL_STARTS):
        rank = len(tried)
        name = f"adam-{version_of(Adam, _minimize, str(ADAM_STEPS))}-{model.name}-{seed}-{rank}"
        tried.append(state.outcome(name, partial(method.attempt, rank)))
        best = max(one.level for one in tried)
    return in_turn(tried)


def in_turn(tried: Sequence[Outcome]) -> Outcome:
    """Join outcomes of attempts that were made one after the other."""
    points, spent = [], 0.0
    for one in tried:
        points += [(spent + seconds, level) for seconds, level in one.trace.points]
        spent += one.seconds
    return Outcome(max(one.level for one in tried), spent, Trace(points))


def own_pictures(name: str, seeds: int, adams: int, state: State) -> None:
    """Measure both methods on a model's own pictures, and print a line."""
    model = zoo.load(name, device="cpu")
    numbers = range(FIRST_SEED, FIRST_SEED + seeds)
    pictures = as_rgb(model.render(model.sample_seeds(numbers))).clamp(-1, 1)
    pairs = list(zip(pictures[:, None], numbers, strict=True))
    ours = [
        state.outcome(f"search-{version_of_search()}-{name}-{seed}", partial(search, model, picture))
        for picture, seed in pairs
    ]
    theirs = [adam(model, *pair, state) for pair in pairs[:adams]]
    missed = [seed for one, seed in zip(ours, numbers, strict=True) if one.level < FOUND]
    text = f"{name:24}{summary(ours)}"
    if theirs:
        faster = [
            one.trace.seconds_to(one.level) / own.trace.seconds_to(one.level)
            for one, own in zip(theirs, ours, strict=False)
        ]
        text += f" |{summary(theirs)} | {middle(faster, 1)} x"
    print(f"{text}   {f'missed: seeds {missed}' if missed else ''}", flush=True)


def summary(results: Sequence[Outcome]) -> str:
    """Write how many pictures were found, and the seconds and decibels of the middle one."""
    share = f"{sum(one.level >= FOUND for one in results)}/{len(results)}"
    seconds, level = middle([one.seconds for one in results], 1), median(one.level for one in results)
    return f"{share:>8}{seconds:>19} s{level:6.0f} dB"


def middle(numbers: Sequence[float], digits: int) -> str:
    """Write the median of numbers, with the quartiles behind it."""
    low, half, high = quantiles(numbers, n=4, method="inclusive") if len(numbers) > 1 else [*numbers] * 3
    return f"{half:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def scores_of(model: Model, scorer: zoo.Scorer, codes: Codes) -> Tensor:
    """Score the images of codes."""
    return scorer.score(as_rgb(model.render(codes)).clamp(-1, 1)).double()


def fit_directions(rows: Tensor, has_values: Tensor) -> Tensor:
    """Fit the directions along which codes come to have values, by least squares in whitened coordinates.

    Args:
        rows: u (n, d).
        has_values: Whether each code has each value (n, k).

    Returns:
        (k, d), of length 1.
    """
    design = torch.cat([rows, torch.ones(len(rows), 1, dtype=rows.dtype)], dim=1)
    normal = design.T @ design + 1e-3 * len(rows) * torch.eye(design.shape[1], dtype=rows.dtype)
    return functional.normalize(torch.linalg.solve(normal, design.T @ has_values.to(rows.dtype))[:-1].T, dim=1)


def without(direction: Tensor, others: Tensor) -> Tensor:
    """Remove from a direction (d,) what lies in the span of others (k, d)."""
    basis = torch.linalg.svd(others.T, full_matrices=False)[0]
    return functional.normalize(direction - basis @ (basis.T @ direction), dim=0)


def part_region(avatars: Avatars, part: str) -> zoo.Region:
    """Return where pictures show a part."""
    share = avatars.masks[:, avatars.parts.index(part)].mean(axis=0)
    return zoo.Region(part, share >= PART)


@dataclass(frozen=True)
class FactorEdit:
    """A move that gives codes a value of a factor: so many deviations along a direction, on some rows."""

    attribute: Attribute
    value: int
    direction: Tensor
    step: float
    layers: tuple[int, ...] | None

    def judge(
        self, model: Model, scorer: zoo.Scorer, codes: Codes, before: Tensor | None = None
    ) -> tuple[float, float, int]:
        """Return how many codes without the value reach it, how many other factors stay, and of how many codes.

        The first two are shares.
        """
        before = scores_of(model, scorer, codes) if before is None else before
        delta = (self.step * self.direction).to(codes.latents)
        after = scores_of(model, scorer, model.adapter.move(codes, delta, self.layers))
        lacking = self.attribute.predicted(before) != self.value
        reached = (self.attribute.predicted(after) == self.value)[lacking].double().mean()
        others = [one for one in read_attributes({"scorer": scorer}) if one != self.attribute]
        stays = torch.stack([(one.predicted(after) == one.predicted(before))[lacking] for one in others])
        return float(reached), float(stays.double().mean()), int(lacking.sum())


@dataclass(frozen=True)
class Directions:
    """The directions of one factor's value, in whitened coordinates of drawn codes."""

    model: Model
    prior: Prior
    drawn: Codes
    fitted: Tensor
    others: Tensor
    outside: zoo.Region

    @classmethod
    def of(cls, model: Model, scorer: zoo.Scorer, attribute: Attribute, drawn: Codes, inside: zoo.Region) -> Directions:
        """Fit them to drawn codes."""
        prior = Prior.of(model.adapter, drawn)
        rows = prior.whiten(drawn)
        rows = rows.mean(dim=1) if rows.ndim == 3 else rows
        scores = scores_of(model, scorer, drawn)
        value = attribute.values.index(EDITS[attribute.name][0])
        [fitted] = fit_directions(rows, attribute.predicted(scores)[:, None] == value)
        others = [
            fit_directions(rows, one.predicted(scores)[:, None] == torch.arange(len(one.values)))
            for one in read_attributes({"scorer": scorer})
            if one != attribute
        ]
        return cls(model, prior, drawn, fitted, torch.cat(others), inside.complement())

    def ways(self, layers: tuple[int, ...] | None) -> Iterator[tuple[str, Tensor]]:
        """Yield the ways to move some rows, and a direction of each, in the latent space."""
        [gram] = gram_matrices(self.model.adapter, self.drawn[:4], [self.outside], layers=layers).matrices
        axes = torch.linalg.eigh(self.prior.basis.T @ gram.to(self.prior.basis) @ self.prior.basis)[1].flip(1)
        orthogonal = without(self.fitted, self.others)
        ways = [("fitted", self.fitted), ("orthogonal", orthogonal)]
        for count in LEFT_OUT:
            most = axes[:, :count].T
            ways.append(("local", without(self.fitted, most)))
            if count + len(self.others) < len(axes):
                ways.append(("both", without(self.fitted, torch.cat([most, self.others]))))
        for name, direction in ways:
            yield name, self.prior.basis @ direction


def choose_edits(
    model: Model, scorer: zoo.Scorer, attribute: Attribute, drawn: Codes, inside: zoo.Region
) -> dict[str, FactorEdit]:
    """Choose step and rows of each way on drawn codes: reached often, and little else changed."""
    value = attribute.values.index(EDITS[attribute.name][0])
    directions = Directions.of(model, scorer, attribute, drawn, inside)
    count = model.adapter.space.layers
    ranges = [None, *(tuple(range(start, min(start + 4, count))) for start in range(0, count, 2))]
    best: dict[str, tuple[float, FactorEdit]] = {}
    tried = drawn[:48]
    before = scores_of(model, scorer, tried)
    for layers in ranges if count > 1 else [None]:
        for name, direction in directions.ways(layers):
            for step in (2.0, 4.0, 6.0):
                edit = FactorEdit(attribute, value, direction, step, layers)
                merit = math.prod(edit.judge(model, scorer, tried, before)[:2])
                if name not in best or merit > best[name][0]:
                    best[name] = merit, edit
    return {name: edit for name, (_, edit) in best.items()}


WAYS: dict[str, dict[str, Any]] = {"w+": {"rows": "free"}, "w": {"rows": "tied", "starts": 1, "ridge": 1e-5}}
# Held-out pictures that are projected at a time.
TOGETHER = 8


def project_some(model: Model, images: Sequence[Any], way: str) -> list[dict[str, Any]]:
    """Project held-out pictures, and tell what became of each as JSON."""
    began = time.process_time()
    found = zoo.project(model, list(images), **WAYS[way])
    seconds = (time.process_time() - began) / len(images)
    return [
        {
            "psnr": fit.psnr,
            "distance": fit.distance,
            "seconds": seconds,
            "kept": {attribute.name: bool(attribute.kept) for attribute in fit.attributes},
            "latents": code.latents[0].tolist(),
        }
        for fit, code in zip(found.fits, (found.codes[index] for index in range(len(images))), strict=True)
    ]


def project_held(model: Model, images: Sequence[Any], way: str, state: State) -> list[dict[str, Any]]:
    """Project held-out pictures one way, and print how well."""
    results = []
    for start in range(0, len(images), TOGETHER):
        some = images[start : start + TOGETHER]
        name = f"held-{version_of_search()}-{model.name}-{way}-{start}-{len(some)}"
        results += state.ask(name, partial(project_some, model, some, way))
    kept = {factor: [float(one["kept"][factor]) for one in results] for factor in results[0]["kept"]}
    print(
        f"{model.name}, {len(results)} held-out avatars, {way}: {middle([one['psnr'] for one in results], 1)} dB, "
        f"distance {middle([one['distance'] for one in results], 2)}, "
        f"factors kept {share([sum(one['kept'].values()) / len(kept) for one in results])}, "
        f"{sum(one['seconds'] for one in results) / len(results):.1f} s each",
        flush=True,
    )
    for factor, values in kept.items():
        print(f"    {factor:12}{share(values)}", flush=True)
    return results


def share(values: Sequence[float]) -> str:
    """Write the mean of shares, and its standard error."""
    return f"{mean(values):.3f} ± {stdev(values) / math.sqrt(len(values)):.3f}"


def held_out(name: str, folder: str, count: int, chosen: Sequence[str], state: State) -> None:
    """Measure projections of held-out avatars, and edits of what was found."""
    model = zoo.load(name, device="cpu")
    images = list(read(folder, "test").images[:count])
    [scorer] = choose_scorers(model.card, load_plugins()).values()
    drawn = replace(model.sample(1000, seed=77), labels=None)  # w has read them
    sets = {"drawn": drawn[200:400]}
    for way in chosen:
        latents = torch.tensor([one["latents"] for one in project_held(model, images, way, state)])
        sets[way] = replace(drawn[0], latents=latents.to(drawn.latents), seeds=None)
    print("edits: reached, and share of the other factors that stay, of codes that lacked the value", flush=True)
    known = read(folder, "val")
    version = version_of(FactorEdit, Directions, choose_edits, fit_directions, without)
    for attribute in read_attributes({"scorer": scorer}):
        if attribute.name not in EDITS:
            continue
        value, part = EDITS[attribute.name]

        def choose(attribute: Attribute = attribute, part: str = part) -> dict[str, Any]:
            edits = choose_edits(model, scorer, attribute, drawn, part_region(known, part))
            return {kind: (edit.direction.tolist(), edit.step, edit.layers) for kind, edit in edits.items()}

        for kind, (direction, step, layers) in state.ask(f"edits-{version}-{name}-{attribute.name}", choose).items():
            rows = None if layers is None else tuple(layers)
            edit = FactorEdit(attribute, attribute.values.index(value), torch.tensor(direction).double(), step, rows)
            line = f"    {attribute.name}={value}, {kind}, rows {rows}, {step:g} deviations: "
            for title, codes in sets.items():
                line += "{}: {:.2f} and {:.2f} of {}; ".format(title, *edit.judge(model, scorer, codes))
            print(line, flush=True)


def main() -> None:
    """Measure what the arguments ask for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", default=MODELS)
    parser.add_argument("--seeds", type=int, default=16, help="own pictures of each model; 0 leaves them out")
    parser.add_argument("--adam", type=int, default=16, help="how many of them Adam tries too")
    parser.add_argument("--state", type=Path, help="folder of results, in which a later run goes on")
    parser.add_argument("--avatars", help="folder of recipes/avatars, for the held-out ones")
    parser.add_argument("--held", type=int, default=64, help="how many of those")
    parser.add_argument("--rows", nargs="*", default=("w+", "w"), help="how those are projected")
    parser.add_argument("--held-model", default="stylegan2.avatars64")
    options = parser.parse_args()
    if options.seeds:
        print(f"{'own pictures':24}{'>=60 dB':>8}{'median (quartiles)':>21}{'':9} |{'Adam':>8}{'':30} | to its level")
    for name in options.models if options.seeds else ():
        own_pictures(name, options.seeds, options.adam, State(options.state))
    if options.avatars:
        held_out(options.held_model, options.avatars, options.held, options.rows, State(options.state))


if __name__ == "__main__":
    main()
