"""Scoring in the words of the command line, from the names of model and scorer to the files that are written."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from zoo._utils.progress import Progress, silent
from zoo.core.files.arrays import DIRECTIONS
from zoo.core.files.hub_address import shown_path
from zoo.editing.requests import USUAL_OPENING, CodesRequest, OpeningRequest, card_by_name, codes_command
from zoo.editing.run_folder import claimed_run_folder
from zoo.models.model import Model
from zoo.registry.registry import Installation
from zoo.scoring.choosing import ALL_FITTING, ScorerChoice, choose_scorers
from zoo.scoring.score import score
from zoo.scoring.scores import Scores


@dataclass(frozen=True, kw_only=True, eq=False)
class ScoreRequest:
    """Directions to score, in the words of the command line.

    Attributes:
        model: The name of a card, or the path of a weights file.
        directions: A file of directions, or a run folder.
        opening: How the model is opened.
        scorer: The scorer to ask, with its options, of which some may stand among those of the opening.
        codes: The codes to move.
        step: How far to move each way; None is until the region changes visibly.
        region: Where changes of pixels are measured; None is the region that the directions were found for.
        layers: The rows of the code that are moved; None is those that the directions were found for.
        show: How many directions are scored.
        read_as: How to read an array of directions; see `Directions.load`.
        out: The folder to write; None writes nothing.
        force: Replace an existing run folder.
    """

    model: str
    directions: Path
    opening: OpeningRequest = USUAL_OPENING
    scorer: ScorerChoice = ALL_FITTING
    codes: CodesRequest = field(default_factory=lambda: CodesRequest(usual=128))
    step: float | None = None
    region: str | None = None
    layers: str | None = None
    show: int = 5
    read_as: str | None = None
    out: Path | None = None
    force: bool = False

    def run(self, installation: Installation, progress: Progress = silent) -> Scores:
        """Open the model, score the directions, and write `scores.json` and `scores.md` if a folder was named.

        Args:
            installation: The plugins and the registry.
            progress: Called while the work goes on.

        Returns:
            The scores.

        Raises:
            ZooError: Whatever is wrong with the request. An existing folder is refused before anything is fetched, and
                so is a scorer that does not fit the model's card.
        """
        self.codes.check()
        with claimed_run_folder(self.out, force=self.force):
            return self._score(installation, progress)

    def _score(self, installation: Installation, progress: Progress) -> Scores:
        DIRECTIONS.check_reading(self.read_as)
        card = card_by_name(self.model, installation)
        choice, others = self.scorer.split(self.opening.options, installation.plugins)
        scorers = None if card is None else choose_scorers(card, installation.plugins, choice)
        model = replace(self.opening, options=others).open(self.model, installation, progress)
        scores = score(
            model,
            self.directions,
            scorers or choose_scorers(model.card, installation.plugins, choice),
            codes=self.codes,
            step=self.step,
            region=self.region,
            layers=self.layers,
            show=self.show,
            read_as=self.read_as,
            progress=progress,
        )
        scores = replace(scores, command=self._command(choice, model))
        if self.out:
            scores.save(self.out, force=self.force)
        return scores

    def _command(self, choice: ScorerChoice, model: Model) -> str | None:
        options = [word for name, value in choice.options.items() for word in ("-o", f"{name}={value}")]
        command = ["zoo", "score", model.opening.name, shown_path(self.directions), *options]
        words = {name: getattr(self, name) for name in ("step", "region", "layers", "show")}
        words |= {"as": self.read_as, "scorer": choice.name}
        return codes_command(command, self.codes, words, {"show": ScoreRequest.show}, model)
