"""The two sides of a comparison: files of directions, or analyses that are carried out for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo._utils.files import exists
from zoo._utils.progress import Progress, silent
from zoo.analysis.request import AnalysisRequest, check_request, split_options
from zoo.analysis.run import run_analysis
from zoo.core.directions import Directions
from zoo.errors import OptionError
from zoo.models.model import Model
from zoo.registry.cards import Card
from zoo.registry.registry import Installation


@dataclass(frozen=True)
class CompareInputs:
    """What is compared: paths, and questions for those that are analyses; `rest` are options of the architecture."""

    given: tuple[Path, ...]
    questions: Mapping[Path, AnalysisRequest]
    rest: Mapping[str, Any]

    def check(self, installation: Installation, card: Card | None, space: str | None) -> None:
        """Refuse what can be refused before weights are fetched; see `zoo.analysis.request.check_request`."""
        for question in self.questions.values():
            check_request(question, installation, card, space=space)

    def directions(
        self, model: Model | None, installation: Installation, progress: Progress = silent
    ) -> list[Directions | Path]:
        """Carry the analyses out; paths stay paths."""
        found: list[Directions | Path] = []
        for path in self.given:
            question = self.questions.get(path)
            if question is None or model is None:
                found.append(path)
            else:
                found.append(run_analysis(question, model, installation, progress=progress).directions)
        return found


def read_compare_inputs(
    given: Sequence[Path], installation: Installation, model: str | None, options: Mapping[str, Any], **asked: Any
) -> CompareInputs:
    """Tell analyses from files, and share options out: each goes to every analysis that knows it, else to the network.

    A file or folder comes before an analysis of its name. `asked` are further parts of the `AnalysisRequest`. Raises
    `OptionError` for an analysis without a model.
    """
    analyses = [path for path in given if str(path) in installation.plugins.analyzers and not exists(path)]
    if analyses and model is None:
        raise OptionError(f"{analyses[0]} is an analysis: pass --model to carry it out, or name a file or run folder")
    questions, rest = {}, dict(options)
    for path in analyses:
        question = AnalysisRequest(analyzer=str(path), options=options, show=1, unseen=0, **asked)
        questions[path], unknown = split_options(question, installation, None)
        rest = {name: value for name, value in rest.items() if name in unknown}
    return CompareInputs(tuple(given), questions, rest)
