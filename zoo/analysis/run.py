"""A whole analysis: codes drawn, an analyzer run, its directions measured, and a run folder written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from zoo._utils.files import atomic_folder, refuse_existing
from zoo._utils.html_repr import facts_html, table_html
from zoo._utils.progress import Progress, silent
from zoo._version import __version__
from zoo.analysis.request import AnalysisRequest, check_request, command_of, split_options
from zoo.analysis.resources import budget_for, check_budget
from zoo.core.analyzer import Analyzer, Probe, Scorer
from zoo.core.codes import Codes, derived_generator
from zoo.core.compute import ComputeBudget
from zoo.core.directions import Directions
from zoo.core.layers import resolve_layers
from zoo.core.options import parse_options
from zoo.core.region import Region
from zoo.editing.locality import Locality, visible_steps
from zoo.errors import CapabilityError, ContractError, LayersError, ZooError, is_out_of_memory
from zoo.models.model import Model
from zoo.models.opening import open_model
from zoo.plugins.entries import AnalyzerPlugin
from zoo.registry.cards import is_file_name
from zoo.registry.registry import Installation
from zoo.report.report import Finding, write_report
from zoo.report.table import DirectionSummary, as_json, localities, summary
from zoo.scoring.effects import Effect, fitting_scorers
from zoo.scoring.score import measure_scores
from zoo.scoring.scores import Scores

_MOST_MEASURED = 16
_CODES_FOR_NAMES = 32


@dataclass(frozen=True, eq=False)
class Run:
    """An analysis that was carried out: its directions, the codes, and how local each direction proved to be.

    `own` and `unseen` hold a list for each measured direction, with a `Locality` for each code; both are empty where
    the region is the whole image. `scores` holds what scorers say of each measured direction; None where no installed
    scorer fits the model, or each that does failed.
    """

    model: Model
    region: Region
    codes: Codes
    unseen_codes: Codes | None
    directions: Directions
    own: tuple[tuple[Locality, ...], ...]
    unseen: tuple[tuple[Locality, ...], ...]
    scores: Scores | None
    show: int

    @property
    def names(self) -> tuple[Effect | None, ...] | None:
        """What each measured direction could be called, None where no effect is clear; None without scores."""
        return None if self.scores is None else tuple(one.name for one in self.scores.directions)

    def __repr__(self) -> str:
        return f"Run({self.model.name}, region {self.region.text}: {self.directions!r})"

    def _repr_html_(self) -> str:
        """Show a notebook what was measured of each shown direction."""
        facts = {"model": self.model.name, "region": self.region.text, "found": repr(self.directions)}
        columns = ["direction", "score", "kept norm", "locality, own", "locality, unseen"]
        rows = [[self.directions.label(index), *one.texts().values()] for index, one in enumerate(self.table())]
        return facts_html("Run", facts) + table_html(columns, rows)

    def save(self, folder: Path, *, force: bool = False, npy: bool = False, progress: Progress = silent) -> None:
        """Write the run folder, whole or not at all. Raises `OutputError`."""
        with atomic_folder(folder, force=force) as partial:
            self.directions.save(partial / "directions.safetensors")
            if npy:
                self.directions.save(partial / "directions.npy")
            self.model.save_codes(partial / "codes.safetensors", self.codes)
            finding = Finding(
                self.model,
                self.region,
                self.codes,
                self.unseen_codes,
                self.directions.take(self.show),
                self.table(),
                self.scores,
            )
            write_report(partial, finding, progress)

    def table(self) -> list[DirectionSummary]:
        """List the figures of each shown direction."""
        shown, names = self.directions.take(self.show), self.names
        return [
            DirectionSummary(
                score=float(shown.scores[index]),
                kept=None if shown.retained is None else float(shown.retained[index]),
                own=summary(self.own, index),
                unseen=summary(self.unseen, index),
                name=None if names is None else names[index],
            )
            for index in range(len(shown))
        ]


def _run_on_model(
    question: AnalysisRequest,
    model: Model,
    installation: Installation,
    progress: Progress = silent,
    budget: ComputeBudget | None = None,
) -> Run:
    """Draw or read the codes, run the analyzer, and measure what it found.

    Scorers are loaded first, so that a broken one costs nothing; one that fails is skipped with a warning. Raises
    whatever is wrong with the question, and `ContractError` when the analyzer breaks the contract.
    """
    plugin = check_request(
        question, installation, model.card, size=model.adapter.resolution, space=model.adapter.space.name
    )
    region = model.region(question.region)
    layers = _layers(question, plugin, model)
    generator = torch.Generator().manual_seed(question.seed)
    codes = _codes(question, model, generator)
    analyzer: Analyzer[Any] = plugin.resolve()(parse_options(plugin.name, plugin.schema(), question.options or {}))
    scorers = fitting_scorers(model.card, installation.plugins.scorers)
    probe = Probe(codes, region, layers, generator, progress, budget or ComputeBudget(), scorers)
    found = _analyze(plugin, analyzer, model, probe)
    unseen_codes = _unseen_codes(question, model, codes)
    shown = found.take(question.show)
    own = localities(model, codes[:_MOST_MEASURED], shown, region, progress=progress, what="measuring locality")
    unseen = localities(model, unseen_codes, shown, region, progress=progress, what="measuring locality, unseen codes")
    scores = _scores(question, model, codes, shown, region=region, scorers=scorers, progress=progress)
    done = Run(model, region, codes, unseen_codes, found, own, unseen, scores, question.show)
    names = done.names
    measured = {
        "locality": {"own": as_json(own), "unseen": as_json(unseen)},
        "names": None if names is None else [None if name is None else name.as_json() for name in names],
    }
    record = _record(question, model, plugin, analyzer, codes)
    return replace(done, directions=found.with_provenance(**record, **measured))


def run_analysis(
    question: AnalysisRequest,
    name: str | Path | Model,
    installation: Installation,
    *,
    out: Path | None = None,
    force: bool = False,
    npy: bool = False,
    memory: str | int | None = None,
    keep: bool = True,
    progress: Progress = silent,
    **loading: Any,
) -> Run:
    """Check the question, open the model, carry the analysis out, and write the run folder if `out` names one.

    `memory` is a budget for derivatives, such as ``2GB``; `keep` says whether Jacobians are kept and looked up.
    Everything that can be refused is refused before weights are fetched; `loading` goes to
    `zoo.models.opening.open_model`.
    """
    check_budget(memory, keep=keep)
    choices: dict[str, Any] = {}
    if isinstance(name, Model):
        check_request(question, installation, name.card, size=name.adapter.resolution, space=name.adapter.space.name)
    else:
        known = None if is_file_name(str(name)) else installation.registry.resolve(str(name))
        question, choices = split_options(question, installation, known)
        check_request(question, installation, known, space=loading.get("space"))
    if out is not None:
        refuse_existing(out, force=force)
    model = (
        name
        if isinstance(name, Model)
        else open_model(name, installation, options=choices, progress=progress, **loading)
    )
    derives = "derivative" in installation.plugins.analyzer(question.analyzer).requires
    done = _run_on_model(
        question, model, installation, progress, budget_for(model, memory=memory, keep=keep and derives)
    )
    if out is not None:
        done.save(out, force=force, npy=npy, progress=progress)
    return done


def _analyze(plugin: AnalyzerPlugin, analyzer: Analyzer[Any], model: Model, probe: Probe) -> Directions:
    """Run an analyzer; what escapes it that is no `ZooError`, or a result of another space, is its author's fault."""
    try:
        found = analyzer.analyze(model.adapter, probe)
    except ZooError:
        raise
    except Exception as error:
        if is_out_of_memory(error):
            raise
        reason = f"{type(error).__name__}: {error}"
        raise ContractError(f"the analyzer {plugin.name} failed on {model.name}: {reason}") from error
    home = model.adapter.space
    if found.space != home:
        raise ContractError(f"{plugin.name} returned directions of {found.space}, but codes are in {home}")
    return found


def _layers(question: AnalysisRequest, plugin: AnalyzerPlugin, model: Model) -> tuple[int, ...] | None:
    if question.layers is None:
        return None
    space = model.adapter.space
    if "projection" not in plugin.requires:
        if space.layers == 1:
            raise LayersError(
                f"--layers: {model.name} has a single row of {space}, and {plugin.name} moves rows; leave it out"
            )
        return resolve_layers(question.layers, space.layers)
    rows = [part.layer for part in model.adapter.projections()]
    if not rows:
        raise CapabilityError(
            f"{model.name} has no projection in {space}, so there is nothing for {plugin.name} to read"
        )
    return resolve_layers(question.layers, max(space.layers, 1 + max(rows)))


def _codes(question: AnalysisRequest, model: Model, generator: torch.Generator) -> Codes:
    if question.codes is not None:
        return model.take_codes(question.codes, label=question.label)
    return model.draw(question.samples, generator, label=question.label, truncation=question.truncation)


def _unseen_codes(question: AnalysisRequest, model: Model, codes: Codes) -> Codes | None:
    return _further_codes(question, model, codes, question.unseen, "unseen codes") if question.unseen else None


def _further_codes(question: AnalysisRequest, model: Model, codes: Codes, count: int, what: str) -> Codes:
    """Draw codes of the same classes and truncation, with a seed derived from the question's."""
    labels = None if codes.labels is None else codes.labels.cpu().repeat(-(-count // len(codes)))[:count]
    drawn = model.adapter.sample(count, derived_generator(question.seed, what), labels, codes.truncation)
    return drawn.to(model.adapter.device, model.adapter.dtype)


def _scores(
    question: AnalysisRequest,
    model: Model,
    codes: Codes,
    directions: Directions,
    *,
    region: Region,
    scorers: Mapping[str, Scorer],
    progress: Progress,
) -> Scores | None:
    """Ask the scorers that fit the model about each direction, moved as far as its strips show; None without any."""
    if not scorers:
        return None
    steps = visible_steps(model.adapter, codes[0], directions.vectors, region, directions.layers)
    further = _further_codes(question, model, codes, _CODES_FOR_NAMES, "codes for names")
    return measure_scores(model, scorers, further, directions, steps=steps, region=region, progress=progress)


def _record(
    question: AnalysisRequest, model: Model, plugin: AnalyzerPlugin, analyzer: Analyzer[Any], codes: Codes
) -> dict[str, Any]:
    """Write down everything that the result depends on."""
    given = question.codes is not None
    return {
        "model": model.name,
        "weights_sha256": model.weights_sha256,
        "layout": model.layout,
        "licence": str(model.card.licence),
        "analyzer": plugin.name,
        "options": analyzer.options.model_dump(mode="json"),
        "region": question.region,
        "seed": None if given else question.seed,
        "samples": len(codes),
        "codes": question.codes.name if isinstance(question.codes, Path) else "given" if given else "drawn",
        "labels": None if codes.labels is None else codes.labels.tolist(),
        "truncation": codes.truncation,
        "device": model.adapter.device.type,
        "dtype": model.dtype,
        "network_options": dict(model.opening.options),
        "threads": torch.get_num_threads(),
        "torch_version": torch.__version__,
        "zoo_version": __version__,
        "command": command_of(question, model),
    }
