"""A whole analysis: a request resolved, its analyzer run, the directions measured and scored, a run folder written."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from zoo._utils.html_repr import facts_html, table_html
from zoo._utils.progress import Progress, silent
from zoo._utils.writing.workspaces import cause_of
from zoo.analysis.measure import Measures, measure
from zoo.analysis.record import notes_on_codes, record_of
from zoo.analysis.request import AnalysisRequest, check_request, split_options
from zoo.analysis.resolved import ResolvedRequest
from zoo.analysis.resources import read_limits
from zoo.analysis.spread import check_engine, note_unused, spread_over
from zoo.core.codes import Codes
from zoo.core.directions import Directions
from zoo.core.region import Region
from zoo.editing.requests import USUAL_OPENING, OpeningRequest, card_by_name
from zoo.editing.run_folder import claimed_run_folder, new_run_folder
from zoo.engines.engine import Engine
from zoo.errors import ContractError, OutputError
from zoo.models.model import Model
from zoo.plugins.containment import blaming
from zoo.registry.registry import Installation
from zoo.report.filmstrips import save_pictures
from zoo.report.report import write_report
from zoo.report.table import DirectionSummary, lay_out
from zoo.scoring.scores import Scores


@dataclass(frozen=True, eq=False)
class Run:
    """The result of an analysis: what tables, sheet and report show.

    The first `show` directions are the ones that are measured, scored and shown.

    Attributes:
        model: The model.
        region: The region that was asked for.
        codes: The codes that were analysed.
        directions: All directions, with the record of the run.
        show: How many directions are shown, at most.
        measures: What was measured of the shown directions.
    """

    model: Model
    region: Region
    codes: Codes
    directions: Directions
    show: int
    measures: Measures

    @property
    def shown(self) -> Directions:
        """The directions that are measured and shown."""
        return self.directions.take(self.show)

    @property
    def unseen_codes(self) -> Codes | None:
        """The codes that locality was measured on besides the analysed ones; None for none."""
        return self.measures.unseen_codes

    @property
    def scores(self) -> Scores | None:
        """The scores of the shown directions; None where no scorer fits the model, or each that does failed."""
        return self.measures.scores

    @property
    def notes(self) -> list[str]:
        """What has to be known about the directions, a sentence each without its full stop."""
        return list(self.directions.provenance.get("notes") or ())

    def __repr__(self) -> str:
        return f"Run({self.model.name}, region {self.region.text}: {self.directions!r})"

    def _repr_html_(self) -> str:
        """Show a notebook what was measured of each shown direction."""
        facts = {"model": self.model.name, "region": self.region.text, "found": repr(self.directions)}
        columns, rows = lay_out(self.table())
        return facts_html("Run", facts) + table_html(list(columns.values()), [list(row.values()) for row in rows])

    def save(
        self,
        folder: Path,
        *,
        force: bool = False,
        npy: bool = False,
        each: bool = False,
        progress: Progress = silent,
    ) -> None:
        """Write the run folder: directions, codes, `sheet.png` and `report.html`.

        Where the pictures fail, the folder holds directions and codes alone, and the error is raised afterwards.

        Args:
            folder: The folder to write.
            force: Replace an existing run folder.
            npy: Write the vectors as `directions.npy` too.
            each: Write every picture of the sheet to a PNG of its own too, in the size that the network draws.
            progress: Called while the pictures of the report are rendered.

        Raises:
            OutputError: If the folder exists and may not be replaced, or cannot be written.
        """
        with new_run_folder(folder, force=force) as partial:
            self._write_tensors(partial)
            if npy:
                self.directions.save(partial / "directions.npy")
            failure = self._draw(partial, folder, each=each, progress=progress)
        if failure is not None:
            raise failure

    def write(self, folder: Path) -> None:
        """Write directions, codes and report into a folder that is there, or fail.

        Args:
            folder: The folder, such as that of `zoo.editing.run_folder.new_run_folder`.

        Raises:
            ZooError: If a picture cannot be rendered.
            OSError: If the operating system refuses.
        """
        self._write_tensors(folder)
        write_report(folder, self)

    def _write_tensors(self, folder: Path) -> None:
        self.directions.save(folder / "directions.safetensors")
        self.model.save_codes(folder / "codes.safetensors", self.codes)

    def _draw(self, partial: Path, folder: Path, *, each: bool, progress: Progress) -> Exception | None:
        """Write the pictures and the report into the folder, or none of them: then return the error."""
        tensors = set(partial.iterdir())
        try:
            write_report(partial, self, progress)
            if each:
                save_pictures(partial, self, progress)
        except Exception as error:
            for path in set(partial.iterdir()) - tensors:
                path.unlink()
            failure = (
                OutputError(f"cannot write the report: {cause_of(error)}") if isinstance(error, OSError) else error
            )
            failure.add_note(f"the directions and codes were saved in {folder}, without pictures and report")
            return failure
        return None

    def table(self) -> list[DirectionSummary]:
        """Summarise what was measured of each shown direction."""
        shown = self.shown
        return [self.measures.summary(shown, index) for index in range(len(shown))]


def run_analysis(
    request: AnalysisRequest,
    model: str | Path | Model,
    installation: Installation,
    *,
    opening: OpeningRequest = USUAL_OPENING,
    out: Path | None = None,
    force: bool = False,
    npy: bool = False,
    each: bool = False,
    memory: str | int | None = None,
    keep: bool = True,
    pictures: bool | None = None,
    engine: Engine | None = None,
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
        each: Write every picture of the sheet to a PNG of its own too, in the size that the network draws.
        memory: How much derivatives may use, in bytes or as text such as ``2GB``; None is what the usual chunk needs.
        keep: Use the cache of Jacobians.
        pictures: Keep the pictures that `Run.save` writes; None keeps them where there is a folder to write.
        engine: Processes that share the derivatives; None takes them in this one.
        progress: Called while the work goes on.

    Returns:
        The result.

    Raises:
        ContractError: If the analyzer fails, or returns directions of another space.
        EngineError: If processes of the engine fail.
        ZooError: Whatever is wrong with the request.
    """
    limits = read_limits(memory, keep=keep)
    if engine is not None:
        check_engine(engine, request.analyzer, installation)
    with ExitStack() as claims:
        if isinstance(model, Model):
            claims.enter_context(claimed_run_folder(out, force=force))
            resolved = request.resolve(model, installation, limits)
            opened = model
        else:
            card = card_by_name(model, installation)
            request, others = split_options(request, installation, card)
            checked = check_request(request, installation, card, space=opening.space)
            claims.enter_context(claimed_run_folder(out, force=force))
            opened = replace(opening, options=others).open(model, installation, progress)
            resolved = checked.resolve(opened, installation, limits)
        if engine is not None:
            spread = spread_over(engine, opened, installation)
            resolved = replace(resolved, budget=replace(resolved.budget, spread=spread))
        run = run_resolved(resolved, progress, pictures=out is not None if pictures is None else pictures)
        note_unused(resolved.budget.spread)
        if out is not None:
            run.save(out, force=force, npy=npy, each=each, progress=progress)
    return run


def run_resolved(resolved: ResolvedRequest, progress: Progress = silent, *, pictures: bool = True) -> Run:
    """Run the analyzer, measure the shown directions, and score them.

    Args:
        resolved: The request on an open model.
        progress: Called while the work goes on.
        pictures: Keep the pictures that `Run.save` writes.

    Returns:
        The result.

    Raises:
        ContractError: If the analyzer fails, or returns directions of another space.
    """
    request = resolved.request
    directions = find_directions(resolved, progress)
    measures = measure(resolved, directions.take(request.show), pictures=pictures, progress=progress)
    directions = directions.with_provenance(**measures.as_json(request.codes.seed_or_zero))
    return Run(resolved.model, resolved.region, resolved.codes, directions, request.show, measures)


def find_directions(resolved: ResolvedRequest, progress: Progress = silent) -> Directions:
    """Run the analyzer, and measure nothing.

    Args:
        resolved: The request on an open model.
        progress: Called while the work goes on.

    Returns:
        The directions, with the record of everything that they depend on.

    Raises:
        ContractError: If the analyzer fails, or returns directions of another space.
    """
    directions = _analyze(resolved, progress)
    notes = [*(directions.provenance.get("notes") or ()), *notes_on_codes(resolved)]
    return directions.with_provenance(**record_of(resolved), notes=notes)


def _analyze(resolved: ResolvedRequest, progress: Progress) -> Directions:
    """Run the analyzer; any error of its own, and a result of another space, is its author's mistake."""
    name, model = resolved.plugin.name, resolved.model
    with blaming(f"the analyzer {name}", model.name):
        directions = resolved.analyzer.analyze(model.adapter, resolved.probe(progress))
    if directions.space != model.adapter.space:
        raise ContractError(f"{name} returned directions of {directions.space}, but codes are in {model.adapter.space}")
    return directions
