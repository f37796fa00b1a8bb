"""Checks of an analyzer, on small networks of known form.

Each function takes the analyzer's entry, and raises `ContractError` unless the requirement of its docstring is met.
"""

from __future__ import annotations

import json
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from zoo._utils.progress import Progress, silent
from zoo.core.adapter import Adapter
from zoo.core.analyzer import Analyzer, Probe
from zoo.core.codes import Codes
from zoo.core.directions import Directions
from zoo.core.moves import measure_lengths
from zoo.core.region import parse_region
from zoo.errors import ContractError, ZooError
from zoo.plugins.entries import AnalyzerPlugin
from zoo.testing.assertions import draw, leaves_no_trace, require
from zoo.testing.reference_adapter import ReferenceAdapter, ReferenceScorer

# How far the length of a row may be from 1: rounding of float32, in which an analyzer may compute.
_UNIT_TOLERANCE = 1e-6


def check_directions(entry: AnalyzerPlugin) -> None:
    """The result is Directions of the adapter's space: at least one, with unit rows and finite scores."""
    for layers in (1, 3):
        adapter = ReferenceAdapter(layers)
        directions = _analyze(entry, adapter)
        require(isinstance(directions, Directions), "Directions are returned", type(directions).__name__)
        require(directions.space == adapter.space, f"directions of {adapter.space}", directions.space)
        require(len(directions) > 0, "at least one direction", "none")
        require(bool(torch.isfinite(directions.scores).all()), "finite scores", directions.scores.tolist())
        length = float((measure_lengths(directions.vectors) - 1).abs().max()) + 1
        contract = f"unit rows, to {_UNIT_TOLERANCE:g}"
        require(length <= 1 + _UNIT_TOLERANCE, contract, f"one of length {length:.6g}")


def check_order(entry: AnalyzerPlugin) -> None:
    """Directions are sorted by score, highest first."""
    for layers in (1, 3):
        scores = _analyze(entry, ReferenceAdapter(layers)).scores
        seen = [round(score, 4) for score in scores.tolist()]
        require(bool((scores[:-1] >= scores[1:]).all()), "scores in descending order", seen)


def check_layers(entry: AnalyzerPlugin) -> None:
    """Directions record the layers of the probe; None where a code has a single row."""
    single_row = _analyze(entry, ReferenceAdapter())
    require(single_row.layers is None, "layers None in a space with a single row", single_row.layers)
    for layers in (None, (0,), (1, 2)):
        directions = _analyze(entry, ReferenceAdapter(3), layers=layers)
        require(directions.layers == layers, f"layers {layers}, as in the probe", directions.layers)


def check_determinism(entry: AnalyzerPlugin) -> None:
    """The same probe, with a generator of the same seed, gives bitwise the same directions."""
    for layers in (1, 3):
        first, again = (_analyze(entry, ReferenceAdapter(layers)) for _ in range(2))
        same = torch.equal(first.vectors, again.vectors) and torch.equal(first.scores, again.scores)
        require(same, "random numbers come only from probe.generator", "other directions for the same seed")


def check_progress(entry: AnalyzerPlugin) -> None:
    """Work on images reports its progress as ``progress(done, total, what)``.

    Of each `what`, `done` grows up to a constant `total`, and is equal to it in the last call. A total of 0 means that
    it is not known.
    """
    calls: list[tuple[int, int, str]] = []
    _analyze(entry, ReferenceAdapter(), progress=lambda *call: calls.append(call))
    renders = bool(entry.requires & {"region", "derivative"})
    require(bool(calls) or not renders, "an analyzer that renders calls probe.progress", "no call")
    unfinished: dict[str, tuple[int, int]] = {}
    for done, total, what in calls:
        old_done, old_total = unfinished.pop(what, (0, total))
        require(bool(what), "progress says what is being done", repr(what))
        require(old_done <= done <= (total or done), f"steps of {what!r} grow up to their total", (done, total))
        require(old_total == total, f"the total of {what!r} stays the same", f"{old_total}, then {total}")
        if not 0 < total <= done:
            unfinished[what] = (done, total)
    without_end = [what for what, (_, total) in unfinished.items() if total]
    require(not without_end, "the last call of each kind of work has done equal to total", f"{without_end} have not")


def check_traces(entry: AnalyzerPlugin) -> None:
    """An analysis, finished or interrupted, leaves codes, network, settings and random states unchanged."""
    adapter = ReferenceAdapter(3)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    codes = draw(adapter, 2, 0)
    before = codes.latents.clone()
    for progress in (silent, interrupt):
        with leaves_no_trace(adapter), suppress(KeyboardInterrupt):
            _analyzer(entry).analyze(adapter, _probe(adapter, progress=progress, codes=codes))
    require(torch.equal(codes.latents, before), "codes stay unchanged", "they changed")


def check_requires(entry: AnalyzerPlugin) -> None:
    """The analyzer runs on a network that has the capabilities in `requires`, and no others."""
    contract = f"requires ({', '.join(sorted(entry.requires)) or 'nothing'}) is enough to run"
    try:
        directions = _analyze(entry, ReferenceAdapter(capabilities=entry.requires))
    except Exception as error:
        cause = " ".join(str(error).split()) or type(error).__name__
        message = f"the contract is: {contract}; seen: {cause}, on a network without other capabilities"
        raise ContractError(message) from error
    nonzero = bool((directions.scores != 0).any())
    require(nonzero, contract, "scores of 0 on a network without derivatives: does it require derivative?")


def check_refusals(entry: AnalyzerPlugin) -> None:
    """A constant or damaged network gives a ZooError or finite directions; a local analysis refuses the whole image."""
    _check_refusal(entry, "a network that no code changes", ReferenceAdapter(gain=0.0))
    _check_refusal(entry, "a network whose weights are not finite", ReferenceAdapter(gain=float("nan")))
    if entry.local:
        _check_refusal(entry, "a region that is the whole image", ReferenceAdapter(), region="all")


def _check_refusal(entry: AnalyzerPlugin, what: str, adapter: Adapter, region: str = "center") -> None:
    contract = f"on {what}: one of zoo's errors, in one line, or finite directions"
    try:
        directions = _analyze(entry, adapter, region=region)
    except ZooError as error:
        require("\n" not in str(error), contract, "an error of several lines")
        return
    except Exception as error:
        raise ContractError(f"the contract is: {contract}; seen: {type(error).__name__}: {error}") from error
    require(region != "all", f"on {what}, which a local analysis cannot use: one of zoo's errors", "directions")
    require(bool(torch.isfinite(directions.scores).all()), contract, "scores that are not finite")


def check_files(entry: AnalyzerPlugin) -> None:
    """Directions can be saved and loaded: their provenance fits into JSON."""
    directions = _analyze(entry, ReferenceAdapter())
    try:
        json.dumps(directions.metadata())
    except (TypeError, ValueError) as error:
        raise ContractError(f"the contract is: provenance fits into JSON; seen: {error}") from error
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "directions.safetensors"
        directions.save(file)
        loaded = Directions.load(file)
    same = torch.equal(loaded.vectors, directions.vectors)
    require(same, "loaded directions equal the saved ones", "other directions")
    same = loaded.metadata() == directions.metadata()
    require(same, "the loaded provenance equals the saved one", "another one")


def check_types(entry: AnalyzerPlugin) -> None:
    """It runs on a network in float64, too, and finds the same leading direction as in float32."""
    single = ReferenceAdapter()
    double = ReferenceAdapter()
    double.network.to(torch.float64)
    first, second = (_analyze(entry, adapter).vectors[0] for adapter in (single, double))
    cosine = abs(float(first @ second))
    require(cosine > 0.99, "the same leading direction in float64", f"one at a cosine of {cosine:.3f}")


def _analyzer(entry: AnalyzerPlugin) -> Analyzer[Any]:
    return entry.resolve()(entry.schema()())


def _probe(
    adapter: Adapter,
    *,
    region: str = "center",
    layers: tuple[int, ...] | None = None,
    progress: Progress = silent,
    codes: Codes | None = None,
) -> Probe:
    codes = draw(adapter, 2, 0) if codes is None else codes
    shown, generator = parse_region(region, adapter.resolution), torch.Generator().manual_seed(0)
    return Probe(codes, shown, layers, generator, progress, scorers={"reference": ReferenceScorer()})


def _analyze(entry: AnalyzerPlugin, adapter: Adapter, **probe: Any) -> Directions:
    return _analyzer(entry).analyze(adapter, _probe(adapter, **probe))
