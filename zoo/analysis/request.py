"""An analysis in the words of the command line, and how each of its words is read, once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from zoo.analysis.reading import check_capabilities, read_layers, read_region
from zoo.analysis.resolved import ResolvedRequest
from zoo.analysis.resources import NO_CACHE, ResourceLimits, budget_for
from zoo.core.options import GENERAL_OPTIONS, Options, parse_options
from zoo.core.region import Region
from zoo.editing.requests import USUAL_OPENING, CodesRequest, OpeningRequest, command_line
from zoo.editing.run_folder import short_model_name, usual_run_folder
from zoo.errors import OptionError, unknown_name
from zoo.models.limits import check_count
from zoo.models.model import Model
from zoo.plugins.entries import AnalyzerPlugin
from zoo.registry.cards import Card
from zoo.registry.registry import Installation
from zoo.scoring.choosing import ALL_FITTING, ScorerChoice, choose_scorers

# Pixels of a side. Masks of larger images are made only once a card's file has been seen to have such images.
_MAX_CLAIMED_SIDE = 2048


def usual_analyzer(region: str) -> str:
    """Choose the analysis where none is named, as docs/findings.md advises.

    Args:
        region: The region, as text.

    Returns:
        For the whole image the quickest one, and for a part of it one that leaves the rest alone.
    """
    return "sefa" if region == "all" else "nullspace"


@dataclass(frozen=True, kw_only=True, eq=False)
class AnalysisRequest:
    """An analysis in the words of the command line.

    Attributes:
        analyzer: The name of the analyzer.
        region: The region, as text; see `zoo.core.region`.
        codes: The codes to analyse.
        layers: The rows of the code that directions move, as text such as ``4-7`` or ``coarse``, or as indices; None
            is all.
        options: Options of the analyzer, and of the architecture where the model is opened for this request.
        show: How many directions are measured and shown, at least 1.
        unseen: How many unseen codes locality is measured on as well.
        scorer: The scorer that names directions; those that fit by default.
    """

    analyzer: str
    region: str = "all"
    codes: CodesRequest = field(default_factory=CodesRequest)
    layers: str | Sequence[int] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    show: int = 5
    unseen: int = 32
    scorer: ScorerChoice = ALL_FITTING

    def resolve(self, model: Model, installation: Installation, limits: ResourceLimits = NO_CACHE) -> ResolvedRequest:
        """Read every word of the request for an open model.

        Args:
            model: The model.
            installation: The plugins and the registry.
            limits: How much memory and cache the analysis may use.

        Returns:
            The request, ready to be carried out.

        Raises:
            ZooError: Whatever is wrong with the request.
        """
        size, space = model.adapter.resolution, model.adapter.space.name
        checked = check_request(self.with_scorer(installation), installation, model.card, size=size, space=space)
        return checked.resolve(model, installation, limits)

    def with_scorer(self, installation: Installation) -> AnalysisRequest:
        """Hand the options of the scorer that is named over to it; one that the analyzer has too is the analyzer's.

        Args:
            installation: The plugins and the registry.

        Returns:
            The request, whose `options` are those of the analyzer and the architecture.

        Raises:
            UnknownNameError: If there is no analyzer or no scorer of a name.
        """
        known = installation.plugins.analyzer(self.analyzer).schema().model_fields
        others = {name: value for name, value in self.options.items() if name not in known}
        scorer, left = self.scorer.split(others, installation.plugins)
        options = {name: value for name, value in self.options.items() if name in known or name in left}
        return replace(self, options=options, scorer=scorer)

    def usual_folder(self, model: str, opening: OpeningRequest = USUAL_OPENING) -> Path:
        """Name the run folder, unless another one was chosen.

        What changes the directions is in the name where it was chosen, so that different analyses have different
        folders; how many of them are measured, and on how many unseen codes, is not.

        Args:
            model: The name of a card, or the path of a weights file.
            opening: How the model is opened.

        Returns:
            ``runs/MODEL-ANALYZER-REGION``, with parts such as ``-layers-4-7`` or ``-seed-3`` at the end for what was
            chosen, and with unusual characters replaced by underscores.
        """
        choices = {"layers": self.layers, **self.options, **self.codes.choices(), **opening.choices()}
        return usual_run_folder((short_model_name(model), self.analyzer, self.region), choices, {})

    def words(self) -> dict[str, Any]:
        """Return what the request says besides the analyzer and its options, by the names of the command's options."""
        return {
            "region": self.region,
            "samples": self.codes.samples,
            "seed": self.codes.seed,
            "seeds": self.codes.seeds,
            "codes": self.codes.codes,
            "codes-as": self.codes.read_as,
            "layers": self.layers,
            "label": self.codes.label,
            "truncation": self.codes.truncation,
            "show": self.show,
            "unseen": self.unseen,
            "scorer": self.scorer.name,
        }


@dataclass(frozen=True, kw_only=True, eq=False)
class CheckedRequest:
    """A request of which everything has been read that needs no network; the other half is `resolve`.

    Attributes:
        request: The request.
        plugin: The analyzer that it names.
        options: The analyzer's options.
        region: The region; None where the model has no card before it is opened, or its card claims large images.
    """

    request: AnalysisRequest
    plugin: AnalyzerPlugin
    options: Options
    region: Region | None

    def resolve(self, model: Model, installation: Installation, limits: ResourceLimits = NO_CACHE) -> ResolvedRequest:
        """Read what is left: the rows, the codes, the scorers and the budget.

        Scorers are loaded here, so that a broken one is met before the analysis.

        Args:
            model: The open model.
            installation: The plugins and the registry.
            limits: How much memory and cache the analysis may use.

        Returns:
            The request, ready to be carried out.

        Raises:
            ZooError: Whatever of the request does not fit the model.
        """
        request, adapter = self.request, model.adapter
        check_capabilities(self.plugin, installation, model.card, adapter.space.name)
        region = self.region
        if region is None or region.mask.shape != adapter.resolution:
            region = read_region(request.region, self.plugin, model.card, adapter.resolution)
        layers = read_layers(request.layers, self.plugin, model)
        generator = torch.Generator().manual_seed(request.codes.seed_or_zero)
        codes = request.codes.take(model, generator)
        derives = "derivative" in self.plugin.requires
        return ResolvedRequest(
            request=request,
            model=model,
            plugin=self.plugin,
            analyzer=self.plugin.resolve()(self.options),
            region=region,
            layers=layers,
            codes=codes,
            generator=generator,
            scorers=request.scorer.scorers(model.card, installation.plugins),
            budget=budget_for(model, limits if derives else replace(limits, cache=0)),
        )


def check_request(
    request: AnalysisRequest,
    installation: Installation,
    card: Card | None,
    *,
    size: tuple[int, int] | None = None,
    space: str | None = None,
) -> CheckedRequest:
    """Read what needs no network, and refuse what is wrong with it before anything is fetched.

    Args:
        request: The request; its options are the analyzer's own.
        installation: The plugins and the registry.
        card: The model's card; None for a weights file, of which nothing is known yet.
        size: The height and width of the images; None is what the card says.
        space: The latent space; None is the family's usual one.

    Returns:
        The request, half read.

    Raises:
        UnknownNameError: If there is no analyzer, option or region of a name.
        OptionError: If a value is out of range.
        CapabilityError: If the architecture does not provide what the analyzer requires.
        RegionError: If the region cannot be read, or the analyzer cannot be asked about it.
        CodesError: If the file of codes does not exist.
    """
    plugin = installation.plugins.analyzer(request.analyzer)
    options = parse_options(plugin.name, plugin.schema(), request.options)
    check_count("--show", request.show)
    check_count("--unseen", request.unseen, 0)
    request.codes.check()
    region = None
    if card is not None and not request.scorer.usual:
        choose_scorers(card, installation.plugins, request.scorer)
    if card is not None:
        check_capabilities(plugin, installation, card, space)
        if size or max(card.size) <= _MAX_CLAIMED_SIDE:
            region = read_region(request.region, plugin, card, size or card.size)
    return CheckedRequest(request=request, plugin=plugin, options=options, region=region)


def split_options(
    request: AnalysisRequest, installation: Installation, card: Card | None
) -> tuple[AnalysisRequest, dict[str, Any]]:
    """Separate the options of the analyzer, the scorer and the architecture; the first of them that has one, owns it.

    Args:
        request: The request, with all options.
        installation: The plugins and the registry.
        card: The card of the model, which names the architecture; None for a weights file.

    Returns:
        The request with the options of the analyzer and the scorer only, and the other options.

    Raises:
        OptionError: If neither has an option of a name, as far as the architecture is known.
    """
    plugin = installation.plugins.analyzer(request.analyzer)
    request = request.with_scorer(installation)
    known = plugin.schema().model_fields
    own = {name: value for name, value in request.options.items() if name in known}
    others = {name: value for name, value in request.options.items() if name not in known}
    if card is not None and others:
        adapter = installation.plugins.adapter(card.adapter)
        known_to_adapter = adapter.schema().model_fields
        unknown = [name for name in others if name not in known_to_adapter and name not in GENERAL_OPTIONS]
        if unknown:
            owners = f"{plugin.name} or {adapter.name}" if known_to_adapter else plugin.name
            raise OptionError(str(unknown_name(f"option of {owners}", unknown[0], [*known, *known_to_adapter])))
    return replace(request, options=own), others


def command_of(request: AnalysisRequest, model: Model) -> str | None:
    """Write the command line that makes the same request again.

    Args:
        request: The request, with the options of the analyzer only.
        model: The model, which knows how it was opened.

    Returns:
        The command; None for codes from Python, which no command can name.
    """
    if request.codes.codes is not None and not isinstance(request.codes.codes, Path):
        return None
    command = ["zoo", "analyze", model.opening.name, "--analyzer", request.analyzer]
    usual = AnalysisRequest(analyzer=request.analyzer).words()
    return command_line(command, request.words(), usual, {**request.options, **request.scorer.options}, model)
