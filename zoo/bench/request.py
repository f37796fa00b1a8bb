"""A bench in the words of the command line, carried out and resumed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch

from zoo._utils.progress import Progress, silent
from zoo._version import __version__
from zoo.bench.methods import RANDOM, SUPERVISED, Method, read_methods
from zoo.bench.pictures import measure_pictures
from zoo.bench.result import TABLES, Bench
from zoo.bench.samples import Sample, Samples
from zoo.bench.trial import Trial, draw_trial_codes
from zoo.core.files.digests import digests_of
from zoo.editing.requests import USUAL_OPENING, CodesRequest, OpeningRequest, card_by_name, command_line
from zoo.editing.run_folder import claimed_run_folder, short_model_name, usual_run_folder
from zoo.errors import OptionError, RegionError, ZooError
from zoo.models.limits import check_count, check_seed
from zoo.models.model import Model
from zoo.registry.registry import Installation
from zoo.scoring.choosing import ALL_FITTING, ScorerChoice

# The region that is taken where none is named, if the card has it.
_USUAL_REGION = "mouth"


@dataclass(frozen=True, kw_only=True, eq=False)
class BenchRequest:
    """A bench in the words of the command line.

    Attributes:
        model: The name of a card, or the path of a weights file.
        opening: How the model is opened; its options may be those of the scorer too.
        scorer: The scorer whose attributes tables are about; those that fit by default.
        analyzers: The analyses, each perhaps with options, as ``nullspace:basis=published``; None is all installed.
        region: The region; None is the card's mouth, or its first one, or the middle.
        samples: How many codes are analysed in each repetition.
        unseen: How many unseen codes directions are measured at.
        readings: How many codes scorers read, for supervised directions and coordinates.
        pictures: How many pictures are projected in each repetition; 0 leaves that table out.
        repetitions: How often everything is drawn anew.
        draws: How many sets of random directions are drawn, over all repetitions.
        show: How many directions of each method are measured.
        seed: The seed of the first repetition; the others have the next ones.
        label: The class of a conditional model.
        truncation: The truncation of drawn codes.
        out: The folder to write.
        force: Replace an existing run folder.
    """

    model: str
    opening: OpeningRequest = USUAL_OPENING
    scorer: ScorerChoice = ALL_FITTING
    analyzers: Sequence[str] | None = None
    region: str | None = None
    samples: int = 16
    unseen: int = 32
    readings: int = 1000
    pictures: int = 2
    repetitions: int = 5
    draws: int = 20
    show: int = 5
    seed: int = 0
    label: str | None = None
    truncation: float | None = None
    out: Path | None = None
    force: bool = False

    @property
    def folder(self) -> Path:
        """The folder that is written."""
        if self.out is not None:
            return self.out
        parts = (short_model_name(self.model), "bench", *([self.region] if self.region else []))
        usual = {field.name: field.default for field in fields(self)}
        unnamed = {"model", "opening", "scorer", "region", "out", "force"}
        choices = {name: getattr(self, name) for name in usual if name not in unnamed}
        choices |= {"scorer": self.scorer.name, **self.scorer.options, **self.opening.choices()}
        return usual_run_folder(parts, choices, {**usual, "scorer": None})

    def run(self, installation: Installation, progress: Progress = silent, model: Model | None = None) -> Bench:
        """Carry the bench out, or go on with one that was interrupted, and write the folder.

        While it goes on, figures are kept in a file beside the folder, ``FOLDER.unfinished.json``.

        Args:
            installation: The plugins and the registry.
            progress: Called while the work goes on.
            model: The model, if it is open already.

        Returns:
            The result.

        Raises:
            ZooError: Whatever is wrong with the request.
        """
        self._check()
        request = self.with_scorer(installation)
        card = card_by_name(self.model, installation) if model is None else model.card
        if card is not None:
            request.scorer.scorers(card, installation.plugins)
        with claimed_run_folder(self.folder, force=self.force):
            model = model or request.opening.open(self.model, installation, progress)
            unfinished = self.folder.with_name(f"{self.folder.name}.unfinished.json")
            samples = Samples(unfinished, request._question(model))
            result = request.measure(model, installation, samples, progress)
            result.save(self.folder, force=self.force)
            samples.forget()
        return result

    def with_scorer(self, installation: Installation) -> BenchRequest:
        """Hand the options of the scorer, which stand among those of the opening, over to it.

        Args:
            installation: The plugins and the registry.

        Returns:
            The request, whose opening has the options of the architecture.

        Raises:
            ZooError: If there is no scorer of that name.
        """
        scorer, options = self.scorer.split(self.opening.options, installation.plugins)
        return replace(self, scorer=scorer, opening=replace(self.opening, options=options))

    def measure(
        self,
        model: Model,
        installation: Installation,
        samples: Samples | None = None,
        progress: Progress = silent,
    ) -> Bench:
        """Measure every method in every repetition.

        Args:
            model: The model.
            installation: The plugins.
            samples: Where figures are kept while the work goes on; what is there already is not measured again.
            progress: Called while the work goes on.

        Returns:
            The result.

        Raises:
            ZooError: Whatever is wrong with the request.
        """
        self._check()
        samples = samples or Samples(None, self._question(model))
        samples.resume()
        text = self._region_text(model)
        methods, skipped = read_methods(self.analyzers, model, text, installation)
        samples.skipped |= skipped
        trial = None
        for number in range(self.repetitions):
            trial = self._trial(model, installation, number, progress)
            extra = [Method(SUPERVISED)] if trial.scorers and self._lacks(samples, SUPERVISED, trial) else []
            extra = [one for one in extra if trial.supervised is not None]
            for method in (*methods, *extra):
                if method.name not in samples.skipped and self._lacks(samples, method.name, trial):
                    self._sample(samples, method, trial, 0, installation)
            for draw in range(number, self.draws, self.repetitions):
                progress(draw, self.draws, "random directions")
                if not samples.has(RANDOM, trial.seed, draw):
                    self._sample(samples, Method(RANDOM), trial, draw, installation)
        assert trial is not None
        return Bench(model, samples.found, samples.skipped, self._record(model, trial))

    def _lacks(self, samples: Samples, name: str, trial: Trial) -> bool:
        return not samples.has(name, trial.seed, 0)

    def _sample(self, samples: Samples, method: Method, trial: Trial, draw: int, installation: Installation) -> None:
        """Measure one method in one repetition; an analysis that fails is left out, unless it was asked for."""
        try:
            directions, seconds = method.find(trial, draw, installation, self.show)
            if not len(directions):
                raise OptionError(f"{method.name} found no direction")
        except ZooError as error:
            if self.analyzers is not None:
                raise
            samples.skip(method.name, str(error))
            return
        measured = measure_pictures(trial, directions)
        figures = {table.name: dict(table.measure(trial, measured)) for table in TABLES}
        samples.add(Sample(method.name, trial.seed, draw, figures, seconds, len(directions)))

    def _trial(self, model: Model, installation: Installation, number: int, progress: Progress) -> Trial:
        seed = self.seed + number
        codes = CodesRequest(samples=self.samples, seed=seed, label=self.label, truncation=self.truncation).take(model)
        return Trial(
            model=model,
            region=model.region(self._region_text(model)),
            codes=codes,
            unseen=draw_trial_codes(model, self.unseen, seed, codes),
            seed=seed,
            scorer=self.scorer,
            scorers=self.scorer.scorers(model.card, installation.plugins),
            plugins=installation.plugins,
            readings_count=self.readings,
            pictures=self.pictures,
            progress=progress,
        )

    def _region_text(self, model: Model) -> str:
        """Return the region's text; one is chosen where none was named."""
        regions = model.card.regions
        text = self.region or (_USUAL_REGION if _USUAL_REGION in regions else next(iter(regions), "center"))
        if model.region(text).whole:
            raise RegionError(f"--region {text} is the whole image, which leaves nothing outside: name a part of it")
        return text

    def _check(self) -> None:
        for name, least in (("samples", 1), ("unseen", 2), ("readings", 50), ("repetitions", 1), ("draws", 1)):
            check_count(f"--{name}", getattr(self, name), least)
        check_count("--show", self.show, 2)
        check_count("--pictures", self.pictures, 0)
        check_seed(self.seed + self.repetitions - 1)

    def _words(self) -> dict[str, Any]:
        """Return the request by the names of the command's options."""
        names = ("region", "samples", "unseen", "readings", "pictures", "repetitions", "draws", "show", "seed", "label")
        return {**{name: getattr(self, name) for name in (*names, "truncation")}, "scorer": self.scorer.name}

    def _question(self, model: Model) -> dict[str, Any]:
        """Return everything that figures depend on."""
        return {
            "model": model.name,
            **model.weights,
            **self._words(),
            "analyzers": self.analyzers,
            "options": {**_texts(self.scorer.options), **model.opening.options},
            "files": digests_of(self.scorer.options),
            "space": model.adapter.space.as_json(),
            "dtype": model.dtype,
            "zoo_version": __version__,
        }

    def _record(self, model: Model, trial: Trial) -> dict[str, Any]:
        usual = BenchRequest(model=self.model)._words()
        chosen = [word for text in self.analyzers or () for word in ("--analyzer", text)]
        command = ["zoo", "bench", model.opening.name, *chosen]
        return {
            **self._question(model),
            "region": trial.region.text,
            "part": None if trial.part is None else trial.part.part,
            "scorers": list(trial.scorers),
            "licence": str(model.card.licence),
            "device": model.adapter.device.type,
            "threads": torch.get_num_threads(),
            "torch_version": torch.__version__,
            "command": command_line(command, self._words(), usual, self.scorer.options, model),
        }


def _texts(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options whose paths are texts."""
    return {name: str(value) if isinstance(value, Path) else value for name, value in options.items()}
