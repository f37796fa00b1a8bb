"""From words to a direction, in the words of the command line: what is combined, and the run folder that is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from zoo._utils.naming import check_name
from zoo._utils.paths import expand_home
from zoo._utils.progress import Progress, silent
from zoo.analysis.find import Candidates, Finder, FindOptions
from zoo.analysis.reading import read_layers, read_region
from zoo.analysis.request import AnalysisRequest
from zoo.analysis.resolved import ResolvedRequest
from zoo.analysis.resources import read_limits
from zoo.analysis.run import Run, find_directions, run_resolved
from zoo.core.analyzer import Scorer
from zoo.core.compute import ComputeBudget
from zoo.core.directions import Directions
from zoo.core.files.directions import take_directions
from zoo.editing.fit import check_home
from zoo.editing.requests import USUAL_OPENING, CodesRequest, OpeningRequest, card_by_name, command_line
from zoo.editing.run_folder import claimed_run_folder, short_model_name, usual_run_folder
from zoo.errors import CapabilityError, DirectionsError, OptionError, ZooError
from zoo.models.limits import check_count
from zoo.models.model import Model
from zoo.plugins.entries import AnalyzerPlugin
from zoo.registry.cards import Card
from zoo.registry.registry import Installation, load_installation
from zoo.scoring.choosing import ALL_FITTING, ScorerChoice, choose_scorers

# How many directions of each analysis, or of each file, are combined.
_FROM_EACH = 20
_USUAL_SAMPLES = 32

# What the directions are recorded to be found by; it is no analyzer of `zoo analyze`, which has no words to take.
_PLUGIN = AnalyzerPlugin(
    name="find",
    summary="the combination of directions that raises a score",
    load="zoo.analysis.find:Finder",
    requires=frozenset({"derivative"}),
)


@dataclass(frozen=True, kw_only=True, eq=False)
class FindRequest:
    """A search for a direction, in the words of the command line.

    Attributes:
        model: The name of a card, or the path of a weights file.
        words: What the direction raises, such as ``open mouth`` or ``open mouth / closed mouth``.
        directions: Files or run folders whose directions are combined; none are those of all analyses that run.
        opening: How the model is opened; its options may be those of the scorer too.
        scorer: The scorer that is asked; by default the first one that understands words.
        region: Where the image may change for the words; changes elsewhere only cost.
        layers: The rows of the code that are moved; None is those of given directions, or all.
        codes: The codes that the search looks at.
        steps: How many steps of gradient ascent are taken.
        show: How many directions are measured and shown.
        out: The folder to write; None is one under ``runs``.
        force: Replace an existing run folder.
    """

    model: str
    words: str
    directions: Sequence[Path] = ()
    opening: OpeningRequest = USUAL_OPENING
    scorer: ScorerChoice = ALL_FITTING
    region: str = "all"
    layers: str | None = None
    codes: CodesRequest = field(default_factory=lambda: CodesRequest(usual=_USUAL_SAMPLES))
    steps: int = 60
    show: int = 5
    out: Path | None = None
    force: bool = False

    @property
    def folder(self) -> Path:
        """The folder that is written."""
        if self.out is not None:
            return self.out
        words = "".join(sign if sign.isalnum() else "_" for sign in self.words).strip("_")
        parts = [short_model_name(self.model), _PLUGIN.name, words, *([self.region] if self.region != "all" else [])]
        sets = ",".join(map(str, self.directions)) or None
        choices = {"layers": self.layers, "directions": sets, **self.codes.choices(), **self.opening.choices()}
        return usual_run_folder(parts, choices, {"samples": _USUAL_SAMPLES})

    def check(self) -> None:
        """Refuse what is wrong without any model.

        Raises:
            ZooError: If there are no words, a number is out of range, or the codes cannot be taken.
        """
        self.codes.check()
        check_count("--show", self.show)
        check_count("--steps", self.steps, 0)
        if not self.words.strip():
            raise OptionError("there are no words: say what to look for, such as 'open mouth'")

    def run(self, installation: Installation, progress: Progress = silent) -> Run:
        """Search, and write the run folder.

        Args:
            installation: The plugins and the registry.
            progress: Called while the work goes on.

        Returns:
            The result; its first direction is the combination.

        Raises:
            ZooError: Whatever is wrong with the request. What can be refused is, before anything is fetched.
        """
        self.check()
        choice, others = self.scorer.split(self.opening.options, installation.plugins)
        card = card_by_name(self.model, installation)
        if card is not None:
            self._scorer(card, choice, installation)
        with claimed_run_folder(self.folder, force=self.force):
            model = replace(self.opening, options=others).open(self.model, installation, progress)
            run = self.find(model, choice, installation, progress)
            run.save(self.folder, force=self.force, progress=progress)
        return run

    def find(self, model: Model, choice: ScorerChoice, installation: Installation, progress: Progress = silent) -> Run:
        """Search in an open model.

        Args:
            model: The model.
            choice: The scorer, with its options.
            installation: The plugins.
            progress: Called while the work goes on.

        Returns:
            The result.

        Raises:
            ZooError: Whatever is wrong with the request.
        """
        name, scorer = self._scorer(model.card, choice, installation)
        region = read_region(self.region, _PLUGIN, model.card, model.adapter.resolution)
        generator = torch.Generator().manual_seed(self.codes.seed_or_zero)
        codes = self.codes.take(model, generator)
        candidates = self._candidates(model, installation, progress)
        options = FindOptions(words=self.words, steps=self.steps)
        resolved = ResolvedRequest(
            request=AnalysisRequest(analyzer=_PLUGIN.name, region=self.region, codes=self.codes, show=self.show),
            model=model,
            plugin=_PLUGIN,
            analyzer=Finder(options, candidates, check_name(scorer.attributes[0])),
            region=region,
            layers=candidates.layers,
            codes=codes,
            generator=generator,
            scorers={name: scorer},
            budget=ComputeBudget(),
        )
        run = run_resolved(resolved, progress)
        command = self._command(choice, model)
        return replace(run, directions=run.directions.with_provenance(command=command))

    def _scorer(self, card: Card, choice: ScorerChoice, installation: Installation) -> tuple[str, Scorer]:
        """Return the scorer of the words, with its name."""
        plugins = installation.plugins
        for name in plugins.scorers if choice.usual else [str(choice.name)]:
            plugin = plugins.scorers.get(name)
            if choice.usual and plugin is not None and not plugin.build().fits(card):
                continue
            chosen = choice if not choice.usual else ScorerChoice(name=name)
            found = choose_scorers(card, plugins, chosen)[name].about(self.words)
            if found is not None and found.differentiable:
                return name, found
        asked = f"the scorer {choice.name} does" if choice.name else "no installed scorer that fits the model does"
        raise CapabilityError(f"{asked} not understand words; 'zoo list --scorers' lists those that there are")

    def _candidates(self, model: Model, installation: Installation, progress: Progress) -> Candidates:
        """Collect what is combined, from files or from all analyses that run on the model."""
        sets: Mapping[str, Directions]
        if self.directions:
            sets = {path.name: take_directions(path, model.adapter.space) for path in self.directions}
            for given in sets.values():
                check_home(model, given)
        else:
            sets = self._analyses(model, installation, progress)
        rows = read_layers(self.layers, _PLUGIN, model) if self.layers else None
        moved = {given.layers for given in sets.values()} if rows is None else {rows}
        if len(moved) > 1:
            raise DirectionsError("the directions move different rows of the code: say which with --layers")
        vectors, names = [], []
        for name, given in sets.items():
            few = given.take(_FROM_EACH)
            if few.vectors.ndim != 2:
                raise DirectionsError(f"{name} has directions with a vector for each row, which cannot be combined")
            vectors.append(few.vectors)
            names += [f"{name} {index}" for index in range(len(few))]
        return Candidates(torch.cat(vectors), tuple(names), next(iter(moved)))

    def _analyses(self, model: Model, installation: Installation, progress: Progress) -> Mapping[str, Directions]:
        """Run every analysis that runs on the model without being told more; those that fail are left out.

        So are those that look for given attributes: what is looked for here are the words.
        """
        found, failed = {}, []
        unsupervised = [name for name, entry in installation.plugins.analyzers.items() if not entry.supervised]
        for name in unsupervised:
            request = AnalysisRequest(analyzer=name, region=self.region, codes=self.codes, layers=self.layers)
            try:
                resolved = request.resolve(model, installation, read_limits(None, keep=True))
                found[name] = find_directions(resolved, progress)
            except ZooError as error:
                failed.append(f"{name}: {error}")
        if not found:
            raise CapabilityError(f"no analysis runs on {model.name}: {'; '.join(failed)}")
        return found

    def _command(self, choice: ScorerChoice, model: Model) -> str | None:
        if self.codes.codes is not None and not isinstance(self.codes.codes, Path):
            return None
        command = ["zoo", "find", model.opening.name, self.words]
        for path in self.directions:
            command += ["--directions", str(path)]
        usual = FindRequest(model=self.model, words=self.words)
        return command_line(command, self._words(), usual._words(), choice.options, model)

    def _words(self) -> dict[str, Any]:
        """Return what the request says, by the names of the command's options."""
        codes = AnalysisRequest(analyzer=_PLUGIN.name, region=self.region, codes=self.codes, layers=self.layers).words()
        return {**codes, "show": self.show, "steps": self.steps, "scorer": self.scorer.name, "unseen": 0}


def find(
    model: Model,
    words: str,
    *,
    directions: Sequence[str | Path] = (),
    region: str = "all",
    layers: str | None = None,
    samples: int | None = None,
    seed: int | None = None,
    label: int | str | None = None,
    truncation: float | None = None,
    scorer: str | None = None,
    steps: int = 60,
    show: int = 5,
    out: str | Path | None = None,
    force: bool = False,
    progress: Progress = silent,
    **options: Any,
) -> Directions:
    """Find the direction that words describe, as a combination of others, by gradient through a scorer of words.

    Args:
        model: The model.
        words: What the direction raises, such as ``open mouth`` or ``open mouth / closed mouth``.
        directions: Files or run folders whose directions are combined; none are those of all analyses that run.
        region: Where the image may change for the words; changes elsewhere only cost.
        layers: The rows of the code that are moved, as text; None is those of given directions, or all.
        samples: How many codes the search looks at; None is 32.
        seed: The seed that they are drawn with; None is 0.
        label: The class of a conditional model, by name or index.
        truncation: The truncation of drawn codes, 0 (the mean) to 2.
        scorer: The name of a scorer that understands words; None is the first one that does.
        steps: How many steps of gradient ascent are taken; 0 only compares the given directions.
        show: How many directions are measured and recorded.
        out: The run folder to write; None writes nothing.
        force: Replace an existing run folder.
        progress: Called while the work goes on.
        **options: Options of the scorer that is named.

    Returns:
        The combination, and then the single directions, turned so that the score rises, in the order of their gains.

    Raises:
        CapabilityError: If no scorer understands words, or no analysis runs on the model.
        ZooError: Whatever is wrong with the other arguments.
    """
    codes = CodesRequest(samples=samples, seed=seed, label=label, truncation=truncation, usual=_USUAL_SAMPLES)
    request = FindRequest(
        model=model.name,
        words=words,
        directions=[expand_home(path) for path in directions],
        scorer=ScorerChoice(name=scorer, options=options),
        region=region,
        layers=layers,
        codes=codes,
        steps=steps,
        show=show,
    )
    request.check()
    installation = load_installation()
    choice, _ = request.scorer.split({}, installation.plugins)
    with claimed_run_folder(None if out is None else expand_home(out), force=force):
        run = request.find(model, choice, installation, progress)
        if out is not None:
            run.save(expand_home(out), force=force, progress=progress)
    return run.directions
