"""The command of many analyses: sweep. torch is imported inside it, never before."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zoo.cli import arguments, early, engines, say
from zoo.cli.console import Settings, escape, progress_bars
from zoo.cli.tables import print_facts, print_json, print_table
from zoo.errors import one_line
from zoo.sweep.folder import open_folder
from zoo.sweep.grid import file_sha256
from zoo.sweep.status import Preview, Status, read_status

if TYPE_CHECKING:
    from zoo.analysis.request import AnalysisRequest
    from zoo.editing.requests import OpeningRequest
    from zoo.engines.engine import Engine
    from zoo.sweep.lists import AnalysisLists
    from zoo.sweep.request import SweepRequest


def sweep(
    context: typer.Context,
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="A YAML file: models, analyzers, regions, seeds …",
            callback=early.checked_by(file_sha256),
        ),
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check and list the cells; estimate the time.")] = False,
    status: Annotated[bool, typer.Option("--status", help="Say what is finished, running and failed.")] = False,
    report: Annotated[bool, typer.Option("--report", help="Write the page of what is finished.")] = False,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Compute failed cells again.")] = False,
    shard: Annotated[
        str | None, typer.Option(metavar="I/N", help="Compute one of N parts, such as 1/4; for arrays of jobs.")
    ] = None,
    jobs: engines.Jobs = None,
    on: engines.EngineName = "local",
    address: engines.Address = None,
    out: arguments.OutOrUrl = None,
    as_json: arguments.AsJson = False,
) -> None:
    """Run many analyses: what is missing of a grid of models, analyzers, regions, layers, labels and seeds."""
    settings: Settings = context.obj
    folder = open_folder(file, out)
    if status:
        _print_status(settings, read_status(file, folder), as_json=as_json)
        return
    if report:
        from zoo.sweep.page import write_page

        _print_page(settings, write_page(file, folder), as_json=as_json)
        return
    from zoo.engines.engine import Engine
    from zoo.sweep.request import SweepRequest

    engine = Engine(on=on, address=address, jobs=jobs)
    request = SweepRequest(file=file, folder=folder, shard=shard, engine=engine, retry_failed=retry_failed)
    if dry_run:
        with progress_bars(settings) as progress:
            preview = request.preview(settings.installation, progress, _tell)
        _print_preview(settings, preview, as_json=as_json)
        return
    _run(settings, request, as_json=as_json)


def run_lists(
    settings: Settings,
    lists: AnalysisLists,
    request: AnalysisRequest,
    opening: OpeningRequest,
    memory: str | None,
    engine: Engine,
    out: Path | None,
    alone: Mapping[str, Any],
    *,
    as_json: bool,
) -> None:
    """Carry out the analyses of a command with lists, as a sweep with a page.

    Args:
        settings: The settings of the command line.
        lists: What the analyses differ in.
        request: What they have in common.
        opening: How models are opened.
        memory: How much derivatives may use.
        engine: What carries them out.
        out: The folder to write.
        alone: The values of options that a single analysis has alone.
        as_json: Whether to print JSON.

    Raises:
        OptionError: If one of these options is given.
        SweepError: If an analysis is wrong, or fails.
    """
    from zoo.errors import OptionError
    from zoo.sweep.lists import written_sweep
    from zoo.sweep.page import write_page
    from zoo.sweep.request import SweepRequest

    for name, value in alone.items():
        if value:
            raise OptionError(f"{name} is of one analysis: leave it out with lists, which are several")
    request.codes.check()
    place = None if out is None else str(out)
    with written_sweep(lists, request, opening, memory, settings.installation, out=place) as (file, folder):
        _tell(f"these are several analyses, and so a sweep: {file}")
        _run(settings, SweepRequest(file=file, folder=folder, engine=engine), as_json=as_json)
    if not as_json:
        _print_page(settings, write_page(file, folder), as_json=False)


def _run(settings: Settings, request: SweepRequest, *, as_json: bool) -> None:
    """Compute what is missing, and print how far the sweep is."""
    with progress_bars(settings) as progress:
        failed = request.run(settings.installation, progress, _tell, logs=not (settings.quiet or sys.stderr.isatty()))
    _print_status(settings, read_status(request.file, request.folder), as_json=as_json)
    request.require_all(failed)


def _tell(line: str) -> None:
    say(f"zoo: {one_line(line)}")


def _print_preview(settings: Settings, preview: Preview, *, as_json: bool) -> None:
    if as_json:
        print_json(preview.as_json())
        return
    print_table(settings, ["cell", "what", "state"], preview.rows(), elastic="what")
    settings.console.print(preview.text(), soft_wrap=True)


def _print_status(settings: Settings, status: Status, *, as_json: bool) -> None:
    if as_json:
        print_json(status.as_json())
    else:
        print_facts(settings, status.facts())


def _print_page(settings: Settings, page: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"page": page})
    else:
        settings.console.print(escape(page), soft_wrap=True)
