"""What every analysis must hold, on networks that are known: functions of its entry."""

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
from zoo.core.options import Options, parse_options
from zoo.core.region import parse_region
from zoo.errors import ContractError, OptionError, ZooError
from zoo.plugins.entries import AnalyzerPlugin
from zoo.testing.reference_adapter import Specimen
from zoo.testing.require import draw, leaves_no_trace, require

_UNIT = 1e-6
"""How far a row's length may lie from 1: rounding of float32, in which an analysis may compute."""


def check_options(entry: AnalyzerPlugin) -> None:
    """Options are a closed pydantic model: each has a default and a description, and others are refused."""
    schema = entry.schema()
    require(issubclass(schema, Options), "options are a subclass of zoo.Options", schema.__name__)
    for name, part in schema.model_fields.items():
        require(not part.is_required(), "every option has a default", f"{name} has none")
        require(bool(part.description), "every option has a description for zoo info", f"{name} has none")
    try:
        parse_options(entry.name, schema, {"no_such_option": 1})
    except OptionError:
        return
    raise ContractError("the contract is: an unknown option is an OptionError; seen: it was taken")


def check_directions(entry: AnalyzerPlugin) -> None:
    """It returns Directions of the adapter's space, at least one, of unit rows and finite scores."""
    for layers in (1, 3):
        adapter = Specimen(layers)
        found = _find(entry, adapter)
        require(isinstance(found, Directions), "Directions are returned", type(found).__name__)
        require(found.space == adapter.space, f"directions of {adapter.space}", found.space)
        require(len(found) > 0, "at least one direction where there is one", "none")
        require(bool(torch.isfinite(found.scores).all()), "finite scores", found.scores.tolist())
        length = float((found.vectors.norm(dim=1) - 1).abs().max()) + 1
        require(length <= 1 + _UNIT, f"unit rows, to {_UNIT:g}", f"one of length {length:.6g}")


def check_order(entry: AnalyzerPlugin) -> None:
    """Directions come strongest first: scores never grow."""
    for layers in (1, 3):
        scores = _find(entry, Specimen(layers)).scores
        require(bool((scores[:-1] >= scores[1:]).all()), "strongest first", [round(x, 4) for x in scores.tolist()])


def check_layers(entry: AnalyzerPlugin) -> None:
    """The layers of the probe are those that directions say they were found for; None where a code has one row."""
    single = _find(entry, Specimen())
    require(single.layers is None, "layers None in a space of a single row", single.layers)
    for layers in (None, (0,), (1, 2)):
        found = _find(entry, Specimen(3), layers=layers)
        require(found.layers == layers, f"layers {layers}, as the probe has them", found.layers)


def check_determinism(entry: AnalyzerPlugin) -> None:
    """The same probe, with a generator of the same seed, gives the same directions, bit for bit."""
    for layers in (1, 3):
        first, again = (_find(entry, Specimen(layers)) for _ in range(2))
        same = torch.equal(first.vectors, again.vectors) and torch.equal(first.scores, again.scores)
        require(same, "random numbers come from probe.generator alone", "other directions for the same seed")


def check_progress(entry: AnalyzerPlugin) -> None:
    """Work on images tells how far it is, as zoo.progress has it, and stops where the callback raises."""
    calls: list[tuple[int, int, str]] = []
    _find(entry, Specimen(), progress=lambda *call: calls.append(call))
    renders = bool(entry.requires & {"region", "derivative"})
    require(bool(calls) or not renders, "probe.progress is called by an analysis that renders", "no call")
    under_way: dict[str, tuple[int, int]] = {}
    for done, total, what in calls:
        before = under_way.pop(what, (0, total))
        require(bool(what), "progress says in words what is being done", repr(what))
        require(before[0] <= done <= (total or done), f"steps of {what!r} grow up to their total", (done, total))
        require(before[1] == total, f"the total of {what!r} stays the same", f"{before[1]}, then {total}")
        if not 0 < total <= done:
            under_way[what] = (done, total)
    unfinished = [what for what, (_, total) in under_way.items() if total]
    require(not unfinished, "the last call of each thing says that all is done", f"{unfinished} never were")


def check_traces(entry: AnalyzerPlugin) -> None:
    """An analysis, finished or interrupted, leaves codes, network, settings and random states as they were."""
    adapter = Specimen(3)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    codes = draw(adapter, 2, 0)
    before = codes.latents.clone()
    for progress in (silent, interrupt):
        with leaves_no_trace(adapter), suppress(KeyboardInterrupt):
            _analyzer(entry).analyze(adapter, _probe(adapter, progress=progress, codes=codes))
    require(torch.equal(codes.latents, before), "codes are left as they were", "they changed")


def check_requires(entry: AnalyzerPlugin) -> None:
    """`requires` names everything that it needs: it runs on a network that can do that, and nothing else."""
    words = ", ".join(sorted(entry.requires)) or "nothing"
    contract = f"requires ({words}) is enough to run"
    try:
        found = _find(entry, Specimen(abilities=entry.requires))
    except Exception as error:
        told = " ".join(str(error).split()) or type(error).__name__
        raise ContractError(f"the contract is: {contract}; seen: {told}, on a network that can no more") from error
    moved = bool((found.scores != 0).any())
    require(moved, contract, "scores of 0 on a network without derivatives: does it require derivative?")


def check_refusals(entry: AnalyzerPlugin) -> None:
    """A network that nothing changes, or that is damaged, gives a ZooError or finite directions, nothing else."""
    cases = [
        ("a network that no code changes", 0.0, "center"),
        ("a network whose weights are not finite", float("nan"), "center"),
    ]
    if entry.local:
        cases.append(("a region that is the whole image", 1.0, "all"))
    for what, gain, region in cases:
        contract = f"on {what}: one of zoo's errors, in one line, or finite directions"
        try:
            found = _find(entry, Specimen(gain=gain), region=region)
        except ZooError as error:
            require("\n" not in str(error), contract, "an error of several lines")
            continue
        except Exception as error:
            raise ContractError(f"the contract is: {contract}; seen: {type(error).__name__}: {error}") from error
        require(region != "all", f"{contract}; the entry is local, so the former", "directions")
        require(bool(torch.isfinite(found.scores).all()), contract, "scores that are not finite")


def check_files(entry: AnalyzerPlugin) -> None:
    """Directions are the same after they were written to a file and read: their record fits into JSON."""
    found = _find(entry, Specimen())
    try:
        json.dumps(found.card())
    except (TypeError, ValueError) as error:
        raise ContractError(f"the contract is: provenance fits into JSON; seen: {error}") from error
    with tempfile.TemporaryDirectory() as folder:
        found.save(Path(folder) / "directions.safetensors")
        again = Directions.load(Path(folder) / "directions.safetensors")
    require(torch.equal(again.vectors, found.vectors), "directions are read as they were written", "others")
    require(again.card() == found.card(), "the record is read as it was written", "another")


def check_types(entry: AnalyzerPlugin) -> None:
    """It runs on a network of float64 as on one of float32, and finds the same leading direction."""
    single, double = Specimen(), Specimen()
    double.network.to(torch.float64)
    first, second = (_find(entry, adapter).vectors[0] for adapter in (single, double))
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
    drawn = draw(adapter, 2, 0) if codes is None else codes
    return Probe(drawn, parse_region(region, adapter.resolution), layers, torch.Generator().manual_seed(0), progress)


def _find(entry: AnalyzerPlugin, adapter: Adapter, **asked: Any) -> Directions:
    return _analyzer(entry).analyze(adapter, _probe(adapter, **asked))
