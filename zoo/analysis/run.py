"""A whole analysis: a request resolved, its analyzer run, the directions measured and scored, a run folder written."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from zoo._utils.html_repr import facts_html, table_html
from zoo._utils.progress import Progress, silent
from zoo._version import __version__
from zoo.analysis.request import AnalysisRequest, check_request, command_of, split_options
from zoo.analysis.resolved import ResolvedRequest
from zoo.analysis.resources import read_limits
from zoo.core.codes import Codes
from zoo.core.directions import Directions
from zoo.core.region import Region
from zoo.editing.locality import Locality, localities_as_json, measure_localities, median_locality, visible_steps
from zoo.editing.requests import USUAL_OPENING, OpeningRequest, card_by_name
from zoo.editing.run_folder import new_run_folder, refuse_existing_run
from zoo.errors import ContractError, ZooError, is_out_of_memory
from zoo.models.model import Model
from zoo.registry.registry import Installation
from zoo.report.report import write_report
from zoo.report.table import COLUMNS, DirectionSummary
from zoo.scoring.score import measure_scores
from zoo.scoring.scores import Scores

# Locality is measured on so many of the analysed codes, and names are suggested from so many further ones.
_CODES_FOR_LOCALITY = 16
_CODES_FOR_NAMES = 32


@dataclass(frozen=True, eq=False)
class Run:
    """The result of an analysis: what tables, sheet and report show.

    The first `show` directions are the ones that are measured, scored and shown.

    Attributes:
        model: The model.
        region: The region that was asked for.
        codes: The codes that were analysed.
        unseen_codes: The codes that locality was measured on as well; None for none.
        directions: All directions, with the record of the run.
        own: For each shown direction, its locality at each of the first `codes`; empty if that is not defined, since
            the region is the whole image.
        unseen: The same at each of `unseen_codes`.
        scores: The scores of the shown directions; None where no scorer fits the model, or each that does failed.
        show: How many directions are shown, at most.
        steps: How far the shown directions were moved each way for the scores (k,); None where they were not scored.
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
    steps: Tensor | None = None

    @property
    def shown(self) -> Directions:
        """The directions that are measured and shown."""
        return self.directions.take(self.show)

    def visible_steps(self) -> Tensor:
        """Return how far pictures move each shown direction (k,), as far as the scores do if there are any."""
        if self.steps is not None:
            return self.steps
        return choose_steps(self.model, self.codes, self.shown, self.region)

    def __repr__(self) -> str:
        return f"Run({self.model.name}, region {self.region.text}: {self.directions!r})"

    def _repr_html_(self) -> str:
        """Show a notebook what was measured of each shown direction."""
        facts = {"model": self.model.name, "region": self.region.text, "found": repr(self.directions)}
        rows = [[self.directions.label(index), *row.texts().values()] for index, row in enumerate(self.table())]
        return facts_html("Run", facts) + table_html(["direction", *COLUMNS.values()], rows)

    def save(self, folder: Path, *, force: bool = False, npy: bool = False, progress: Progress = silent) -> None:
        """Write the run folder: directions, codes, `sheet.png` and `report.html`.

        Args:
            folder: The folder to write.
            force: Replace an existing run folder.
            npy: Write the vectors as `directions.npy` too.
            progress: Called while the pictures of the report are rendered.

        Raises:
            OutputError: If the folder exists and may not be replaced, or cannot be written.
        """
        with new_run_folder(folder, force=force) as partial:
            self.directions.save(partial / "directions.safetensors")
            if npy:
                self.directions.save(partial / "directions.npy")
            self.model.save_codes(partial / "codes.safetensors", self.codes)
            write_report(partial, self, progress)

    def table(self) -> list[DirectionSummary]:
        """Summarise what was measured of each shown direction."""
        shown = self.shown
        return [
            DirectionSummary(
                score=float(shown.scores[index]),
                retained=None if shown.retained is None else float(shown.retained[index]),
                own=median_locality(self.own, index),
                unseen=median_locality(self.unseen, index),
                name=None if self.scores is None else self.scores.directions[index].name,
            )
            for index in range(len(shown))
        ]


def run_analysis(
    request: AnalysisRequest,
    model: str | Path | Model,
    installation: Installation,
    *,
    opening: OpeningRequest = USUAL_OPENING,
    out: Path | None = None,
    force: bool = False,
    npy: bool = False,
    memory: str | int | None = None,
    keep: bool = True,
    progress: Progress = silent,
) -> Run:
    """Check a request, open the model, carry the analysis out, and write the run folder.

    Everything that can be refused is refused before weights are fetched.

    Args:
        request: The request.
        model: A model, the name of a card, or the path of a weights file.
        installation: The plugins and the registry.
        opening: How a model that is named is opened; options of the architecture come from the request.
        out: The folder to write; None writes nothing.
        force: Replace an existing run folder.
        npy: Write the vectors as `directions.npy` too.
        memory: How much derivatives may use, in bytes or as text such as ``2GB``; None is what the usual chunk needs.
        keep: Use the cache of Jacobians.
        progress: Called while the work goes on.

    Returns:
        The result.

    Raises:
        ContractError: If the analyzer fails, or returns directions of another space.
        ZooError: Whatever is wrong with the request.
    """
    limits = read_limits(memory, keep=keep)
    if isinstance(model, Model):
        if out is not None:
            refuse_existing_run(out, force=force)
        resolved = request.resolve(model, installation, limits)
    else:
        card = card_by_name(model, installation)
        request, others = split_options(request, installation, card)
        checked = check_request(request, installation, card, space=opening.space)
        if out is not None:
            refuse_existing_run(out, force=force)
        opened = replace(opening, options=others).open(model, installation, progress)
        resolved = checked.resolve(opened, installation, limits)
    run = run_resolved(resolved, progress)
    if out is not None:
        run.save(out, force=force, npy=npy, progress=progress)
    return run


def choose_steps(model: Model, codes: Codes, directions: Directions, region: Region) -> Tensor:
    """Choose how far scores and pictures move directions: until the region changes visibly at the first code.

    Args:
        model: The model.
        codes: The codes, of which the first is used.
        directions: The directions (k).
        region: Where the change is measured.

    Returns:
        The steps (k,), at most 8.
    """
    return visible_steps(model.adapter, codes[0], directions.vectors, region, directions.layers)


def run_resolved(resolved: ResolvedRequest, progress: Progress = silent) -> Run:
    """Run the analyzer, measure the shown directions, and score them.

    Args:
        resolved: The request on an open model.
        progress: Called while the work goes on.

    Returns:
        The result.

    Raises:
        ContractError: If the analyzer fails, or returns directions of another space.
    """
    request, model, codes, region = resolved.request, resolved.model, resolved.codes, resolved.region
    directions = _analyze(resolved, progress)
    shown = directions.take(request.show)
    unseen_codes = resolved.draw_further_codes(request.unseen, "unseen codes") if request.unseen else None
    adapter, measured = model.adapter, codes[:_CODES_FOR_LOCALITY]
    own = measure_localities(adapter, measured, shown, region, progress=progress, what="measuring locality")
    unseen = measure_localities(
        adapter, unseen_codes, shown, region, progress=progress, what="measuring locality, unseen codes"
    )
    steps = choose_steps(model, codes, shown, region) if resolved.scorers else None
    scores = None if steps is None else _score(resolved, shown, steps, progress)
    measures = {
        "locality": {"own": localities_as_json(own), "unseen": localities_as_json(unseen)},
        "names": None if scores is None else scores.names_as_json(),
    }
    directions = directions.with_provenance(**_record(resolved), **measures)
    return Run(model, region, codes, unseen_codes, directions, own, unseen, scores, request.show, steps)


def _analyze(resolved: ResolvedRequest, progress: Progress) -> Directions:
    """Run the analyzer; any error of its own, and a result of another space, is its author's mistake."""
    name, model = resolved.plugin.name, resolved.model
    try:
        directions = resolved.analyzer.analyze(model.adapter, resolved.probe(progress))
    except ZooError:
        raise
    except Exception as error:
        if is_out_of_memory(error):
            raise
        reason = f"{type(error).__name__}: {error}"
        raise ContractError(f"the analyzer {name} failed on {model.name}: {reason}") from error
    if directions.space != model.adapter.space:
        raise ContractError(f"{name} returned directions of {directions.space}, but codes are in {model.adapter.space}")
    return directions


def _score(resolved: ResolvedRequest, shown: Directions, steps: Tensor, progress: Progress) -> Scores | None:
    """Score the shown directions at further codes, each moved as far as its pictures show."""
    codes = resolved.draw_further_codes(_CODES_FOR_NAMES, "codes for names")
    return measure_scores(
        resolved.model,
        resolved.scorers,
        codes,
        shown,
        steps=steps,
        region=resolved.region,
        progress=progress,
    )


def _record(resolved: ResolvedRequest) -> dict[str, Any]:
    """Record everything that the result depends on."""
    request, model, codes = resolved.request, resolved.model, resolved.codes
    given = request.codes.codes
    return {
        "model": model.name,
        "weights_sha256": model.weights_sha256,
        "layout": model.layout,
        "channels": model.adapter.channels,
        "licence": str(model.card.licence),
        "analyzer": resolved.plugin.name,
        "options": resolved.analyzer.options.model_dump(mode="json"),
        "region": request.region,
        "seed": request.codes.seed_or_zero if given is None and codes.seeds is None else None,
        "seeds": None if codes.seeds is None else list(codes.seeds),
        "samples": len(codes),
        "codes": "drawn" if given is None else given.name if isinstance(given, Path) else "given",
        "labels": None if codes.labels is None else codes.labels.tolist(),
        "truncation": codes.truncation,
        "device": model.adapter.device.type,
        "dtype": model.dtype,
        "network_options": dict(model.opening.options),
        "threads": torch.get_num_threads(),
        "torch_version": torch.__version__,
        "zoo_version": __version__,
        "command": command_of(request, model),
    }
