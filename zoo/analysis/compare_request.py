"""A comparison in the words of the command line: of files, or of analyses that are carried out for it."""

from __future__ import annotations

import shlex
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from zoo._utils.lookups import exists
from zoo._utils.progress import Progress, silent
from zoo.analysis.compare import compare
from zoo.analysis.comparison import Comparison
from zoo.analysis.request import AnalysisRequest, CheckedRequest, check_request, split_options
from zoo.analysis.resources import read_limits
from zoo.analysis.run import find_directions
from zoo.core.directions import Directions
from zoo.core.files.hub_address import shown_path
from zoo.editing.requests import USUAL_OPENING, CodesRequest, OpeningRequest, card_by_name, codes_command
from zoo.editing.run_folder import (
    claimed_run_folder,
    short_file_name,
    short_model_name,
    short_part,
    usual_run_folder,
)
from zoo.errors import AnalysisWarning, OptionError
from zoo.models.model import Model
from zoo.registry.registry import Installation

_LONGEST_NAME = 55  # of each side, in the name of a folder


@dataclass(frozen=True, kw_only=True, eq=False)
class CompareRequest:
    """A comparison in the words of the command line.

    Attributes:
        a: A file of directions, a run folder, or the name of an analyzer, which then runs on the model.
        b: The same.
        model: The name of a card, or the path of a weights file; None makes no pictures.
        opening: How the model is opened; each option goes to every analyzer that has it, or else to the architecture.
        region: The region of the analyses; None is the whole image.
        codes: The codes to analyse and to show.
        top: How many rows of A are shown.
        read_as: How to read arrays of directions; see `Directions.load`.
        out: The folder to write; None is one under ``runs/`` where there is a model, and otherwise none.
        force: Replace an existing run folder.
        more: Further sets, which only a ranking takes.
        rank: Whether the sets are ranked instead; see `zoo.sweep.ranking`.
    """

    a: Path
    b: Path
    model: str | None = None
    opening: OpeningRequest = USUAL_OPENING
    region: str | None = None
    codes: CodesRequest = field(default_factory=CodesRequest)
    top: int = 10
    read_as: str | None = None
    out: Path | None = None
    force: bool = False
    more: Sequence[Path] = ()
    rank: bool = False

    @property
    def folder(self) -> Path | None:
        """The folder to write, if any."""
        if self.out is not None or self.model is None:
            return self.out
        sides = (short_part(short_file_name(path), _LONGEST_NAME) for path in (self.a, self.b))
        choices = {
            "model": short_model_name(self.model),
            "region": self.region,
            "as": self.read_as,
            "top": self.top,
            **self.codes.choices(),
            **self.opening.choices(),
        }
        usual = {field.name: field.default for field in fields(self)}
        return usual_run_folder(("compare", *sides), choices, usual)

    def run(self, installation: Installation, progress: Progress = silent) -> Comparison:
        """Carry out analyses where sides name them, compare the two sets, and write the folder.

        Args:
            installation: The plugins and the registry.
            progress: Called while the work goes on.

        Returns:
            The comparison.

        Raises:
            ZooError: Whatever is wrong with the request; what its words alone show is refused before anything is
                fetched.
        """
        if self.more:
            raise OptionError(f"{2 + len(self.more)} sets: two are compared; pass --rank to rank those of more")
        if not self.model:
            self._refuse_words("is about pictures or analyses, which need --model")
        self.codes.check()
        analyses, options = self._check_analyses(installation)
        with claimed_run_folder(self.folder, force=self.force):
            model = None
            if self.model is not None:
                model = replace(self.opening, options=options).open(self.model, installation, progress)
            comparison = self._compare(analyses, model, installation, progress)
            comparison = replace(comparison, command=self._command(model))
            if self.folder:
                comparison.save(self.folder, force=self.force, progress=progress)
            return comparison

    def _command(self, model: Model | None) -> str | None:
        command = ["zoo", "compare", shown_path(self.a), shown_path(self.b)]
        words = {"top": self.top, "as": self.read_as}
        usual = {"top": CompareRequest.top, "as": None}
        if model is None:
            return shlex.join(
                [*command, *(f"--{name}={value}" for name, value in words.items() if value != usual[name])]
            )
        own = {name: value for name, value in self.opening.options.items() if name not in model.opening.options}
        command += [word for name, value in own.items() for word in ("-o", f"{name}={value}")]
        words |= {"model": model.opening.name, "region": self.region}
        return codes_command(command, self.codes, words, usual, model)

    def check_ranked(self) -> None:
        """Refuse options that would have no effect on a ranking.

        Raises:
            OptionError: If there is one.
        """
        if self.model is not None or self.read_as is not None:
            name = "--model" if self.model is not None else "--as"
            raise OptionError(f"{name} is about two sets: leave it out with --rank, which reads run folders")
        self._refuse_words("is about two sets: leave it out with --rank, which reads run folders")

    def _refuse_words(self, reason: str) -> None:
        """Refuse options that would have no effect."""
        given = {
            "--codes": self.codes.codes is not None,
            "--samples": self.codes.samples is not None,
            "--seed": self.codes.seed is not None,
            "--seeds": self.codes.seeds is not None,
            "--label": self.codes.label is not None,
            "--truncation": self.codes.truncation is not None,
            "--space": self.opening.space is not None,
            "--tuned": self.opening.tuned is not None,
            "-o": bool(self.opening.options),
            "-r": self.region is not None,
        }
        without_effect = [name for name, is_given in given.items() if is_given]
        if without_effect:
            raise OptionError(f"{without_effect[0]} {reason}")

    def _check_analyses(self, installation: Installation) -> tuple[dict[Path, CheckedRequest], dict[str, Any]]:
        """Check a request for each side that names an analyzer, unless there is a file of that name.

        Also returns the options that none of the analyzers has.
        """
        card = None if self.model is None else card_by_name(self.model, installation)
        names = [path for path in (self.a, self.b) if str(path) in installation.plugins.analyzers and not exists(path)]
        if names and self.model is None:
            raise OptionError(f"{names[0]} is an analysis: pass --model to carry it out, or name a file or run folder")
        analyses = {}
        options = dict(self.opening.options)
        for path in names:
            request = AnalysisRequest(
                analyzer=str(path),
                region=self.region or "all",
                codes=self.codes,
                options=self.opening.options,
            )
            own, unknown = split_options(request, installation, None)
            analyses[path] = check_request(own, installation, card, space=self.opening.space)
            options = {name: value for name, value in options.items() if name in unknown}
        return analyses, options

    def _compare(
        self,
        analyses: Mapping[Path, CheckedRequest],
        model: Model | None,
        installation: Installation,
        progress: Progress,
    ) -> Comparison:
        sides: list[Directions | Path] = []
        for path in (self.a, self.b):
            if model is not None and path in analyses:
                resolved = analyses[path].resolve(model, installation, read_limits())
                directions = find_directions(resolved, progress)
                for note in directions.provenance["notes"]:
                    warnings.warn(f"{path}: {note}", AnalysisWarning, stacklevel=2)
                sides.append(directions)
            else:
                sides.append(path)
        a, b = sides
        codes = self.codes
        return compare(
            a,
            b,
            model=model,
            codes=codes.codes if model is not None else None,
            samples=codes.samples,
            seed=codes.seed,
            seeds=codes.seeds,
            label=codes.label,
            truncation=codes.truncation,
            top=self.top,
            read_as=self.read_as,
            progress=progress,
        )
