"""Analyses in the studio: the request of ``zoo analyze``, carried out on the open model."""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zoo._utils.progress import Progress
from zoo.analysis.request import AnalysisRequest
from zoo.analysis.run import Run, run_analysis
from zoo.core.layers import format_layers
from zoo.editing.requests import OpeningRequest
from zoo.editing.run_folder import claimed_run_folder, short_model_name
from zoo.studio.bodies import Opened, as_texts
from zoo.studio.kept.commands import analysis_command
from zoo.studio.kept.requests import Question
from zoo.studio.kept.results import Results, record_of
from zoo.studio.shown.opened import KeptOpening, OpenModels, refuse_files

# Finished analyses whose pictures are in memory, so that saving them does not run them again.
_MOST_RUNS = 3


@dataclass(frozen=True, eq=False)
class Analyses:
    """Carries analyses out, and keeps the last ones.

    Attributes:
        models: The models.
        memory: How much derivatives may use; None is what the usual chunk needs.
    """

    models: OpenModels
    memory: str | int | None = None
    _runs: OrderedDict[Path, Run] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def opening(self, asked: Opened) -> OpeningRequest:
        """Make the request that takes the open model.

        Args:
            asked: The model.

        Returns:
            The request.
        """
        options = self.models.options(asked)
        device = self.models.device
        return KeptOpening(space=asked.space, tuned=asked.tuned, device=device, options=options, models=self.models)

    def run(self, results: Results, asked: Question, progress: Progress) -> dict[str, Any]:
        """Find directions, measure them, and keep them in the session.

        Args:
            results: Where they are kept.
            asked: What was asked.
            progress: Called while the work goes on.

        Returns:
            What the page is told of the result.
        """
        request, body = self.request(asked), asked.body
        installation = self.models.installation
        run = run_analysis(
            request,
            self.models.name(body.model),
            installation,
            opening=self.opening(body),
            memory=self.memory,
            progress=progress,
            pictures=True,
        )
        command = self.command(asked)
        name = results.new_id(_name_of(request, run))
        folder = results.folder(name)
        folder.mkdir(parents=True)
        run.directions.save(folder / "directions.safetensors")
        run.model.save_codes(folder / "codes.safetensors", run.codes)
        self._keep(folder, run)
        record = record_of(body, run.directions, run.table(), notes=run.notes, command=command)
        return results.add(name, {**record, "asked": body.model_dump(mode="json")})

    def request(self, asked: Question) -> AnalysisRequest:
        """Make the request of the command line.

        Args:
            asked: What was asked.

        Returns:
            The request, with the options of the architecture.
        """
        body = asked.body
        plugin = self.models.installation.plugins.analyzer(body.analyzer)
        settings = as_texts(body.settings)
        refuse_files(settings, plugin.schema())
        return AnalysisRequest(
            analyzer=body.analyzer,
            region=body.region or "all",
            codes=asked.codes,
            layers=layers_text(body.layers),
            options={**self.models.options(body), **settings},
            show=body.show,
            unseen=body.unseen,
            scorer=asked.scorer,
        )

    def command(self, asked: Question, out: Path | None = None, files: Sequence[str] = ()) -> str:
        """Write the command of an analysis.

        Args:
            asked: What was asked.
            out: The folder that is written; None leaves it to the command.
            files: What is written beside the usual files.

        Returns:
            The line.
        """
        return analysis_command(
            self.request(asked),
            self.models.get(asked.body).model,
            self.models.installation,
            self.opening(asked.body),
            memory=self.memory,
            out=out,
            files=files,
        )

    def save(
        self,
        kept: Path,
        asked: Question,
        out: Path,
        *,
        files: Sequence[str],
        force: bool,
        progress: Progress,
    ) -> None:
        """Write the run folder of an analysis. One that is no longer in memory is run again.

        Args:
            kept: The folder of its result.
            asked: What was asked.
            out: The folder to write.
            files: What is written beside the usual files: ``npy`` and ``each``.
            force: Replace an existing run folder.
            progress: Called while the work goes on.
        """
        with claimed_run_folder(out, force=force):
            run = self._runs.get(kept) or run_analysis(
                self.request(asked),
                self.models.name(asked.body.model),
                self.models.installation,
                opening=self.opening(asked.body),
                memory=self.memory,
                progress=progress,
                pictures=True,
            )
            run.save(out, force=force, npy="npy" in files, each="each" in files, progress=progress)

    def _keep(self, folder: Path, run: Run) -> None:
        with self._lock:
            self._runs[folder] = run
            if len(self._runs) > _MOST_RUNS:
                self._runs.popitem(last=False)


def _name_of(request: AnalysisRequest, run: Run) -> str:
    region = "painted" if "mask:" in request.region else request.region
    return re.sub(
        r"[^A-Za-z0-9._-]+", "_", "-".join((short_model_name(run.model.opening.name), request.analyzer, region))
    )


def layers_text(layers: str | Sequence[int] | None) -> str | None:
    """Write rows of a code as the command line has them.

    Args:
        layers: Text, or indices; None or none are all.

    Returns:
        The text, such as ``0-3``; None for all.
    """
    if layers is None or isinstance(layers, str):
        return layers or None
    return format_layers(sorted(set(layers))) or None
