"""The cells of a sweep: one analysis each, in the words of the sweep's file, and what all of them have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from zoo._utils.html_repr import plain

if TYPE_CHECKING:
    from zoo.analysis.request import AnalysisRequest
    from zoo.editing.requests import OpeningRequest
    from zoo.scoring.choosing import ScorerChoice


@dataclass(frozen=True)
class ModelWords:
    """A model, and how it is opened.

    Attributes:
        name: The name of a card, or the path of a weights file.
        space: The latent space; None is the family's usual one.
        tuned: Tuned weights: a file, or the run folder that holds it.
        options: Options of the architecture, by name.
    """

    name: str
    space: str | None = None
    tuned: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    def words(self) -> list[str]:
        """Return the parts of a line that names the model."""
        given = {"space": self.space, "tuned": self.tuned}
        return [self.name, *(f"{key} {value}" for key, value in given.items() if value is not None), *_pairs(self)]


@dataclass(frozen=True)
class PluginWords:
    """A plugin and its options.

    Attributes:
        name: The name of the plugin.
        options: Its options, by name.
    """

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)

    def words(self) -> list[str]:
        """Return the parts of a line that names the plugin."""
        return [self.name, *_pairs(self)]


class ScorerWords(PluginWords):
    """A scorer and its options."""

    def choice(self) -> ScorerChoice:
        """Make the choice of the scorer."""
        from zoo.scoring.choosing import ScorerChoice

        return ScorerChoice(name=self.name, options=self.options)


def _pairs(given: ModelWords | PluginWords) -> list[str]:
    return [f"{name}={value}" for name, value in given.options.items()]


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One analysis of a sweep. Its fields are those of `zoo.analysis.AnalysisRequest`.

    Attributes:
        model: The model.
        analyzer: The analyzer.
        region: The region, as text.
        layers: The rows of the code, as text; None is all.
        label: The class, by name or index.
        seed: The seed of everything that is drawn.
        samples: How many codes are analysed; None is 1.
        truncation: The truncation of drawn codes.
    """

    model: ModelWords
    analyzer: PluginWords
    region: str = "all"
    layers: str | None = None
    label: str | int | None = None
    seed: int = 0
    samples: int | None = None
    truncation: float | None = None

    def __str__(self) -> str:
        chosen = {name: getattr(self, name) for name in ("layers", "label", "seed", "samples", "truncation")}
        words = [*self.model.words(), *self.analyzer.words(), self.region]
        usual = {"seed": 0}
        words += [f"{name} {value}" for name, value in chosen.items() if value is not None and value != usual.get(name)]
        return plain(" ".join(words))

    def as_json(self) -> dict[str, Any]:
        """Return plain values, from which `cell_from_json` makes the cell again."""
        return asdict(self)

    def request(self, settings: Settings) -> AnalysisRequest:
        """Make the request for the analysis.

        Args:
            settings: What all cells have in common.

        Returns:
            The request, with the options of the analyzer.
        """
        from zoo.analysis.request import AnalysisRequest
        from zoo.editing.requests import CodesRequest

        return AnalysisRequest(
            analyzer=self.analyzer.name,
            region=self.region,
            codes=CodesRequest(
                samples=self.samples, seed=self.seed or None, label=self.label, truncation=self.truncation
            ),
            layers=self.layers,
            options=self.analyzer.options,
            show=settings.show,
            unseen=settings.unseen,
            **({} if settings.scorer is None else {"scorer": settings.scorer.choice()}),
        )


def cell_from_json(values: Mapping[str, Any]) -> Cell:
    """Make a cell of what `Cell.as_json` returned.

    Args:
        values: Plain values.

    Returns:
        The cell.
    """
    parts = {"model": ModelWords(**values["model"]), "analyzer": PluginWords(**values["analyzer"])}
    return Cell(**{**values, **parts})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What all cells of a sweep have in common.

    Attributes:
        show: How many directions are measured, and stand in the table.
        unseen: How many unseen codes they are measured on.
        device: Where networks compute.
        dtype: The type that they compute in.
        scorer: The scorer that names directions; None asks all that fit a model.
        memory: How much derivatives may use, as text such as ``2GB``; None is what the usual chunk needs.
        threads: How many threads compute a cell.
    """

    show: int = 5
    unseen: int = 32
    scorer: ScorerWords | None = None
    device: str = "auto"
    dtype: str = "float32"
    memory: str | None = None
    threads: int = 1

    def opening(self, model: ModelWords, device: str | None = None) -> OpeningRequest:
        """Make the request for an open model.

        Args:
            model: The model.
            device: The device, where it is not that of the settings.

        Returns:
            The request.
        """
        from zoo.editing.requests import OpeningRequest

        return OpeningRequest(
            space=model.space,
            device=device or self.device,
            dtype=self.dtype,
            options=model.options,
            tuned=model.tuned,
        )


@dataclass(frozen=True)
class Exclusion:
    """An entry of ``exclude``: for some fields of a cell, the values that are taken out.

    Attributes:
        values: The values by field, as the keys of the grid give them. ``*`` in a text stands for any signs.
    """

    values: Mapping[str, Sequence[Any]]

    def matches(self, cell: Cell) -> bool:
        """Say whether a cell is taken out: it has one of the values of each field.

        Args:
            cell: The cell.

        Returns:
            Whether it does.
        """
        return all(
            any(_equal(value, getattr(cell, field)) for value in values) for field, values in self.values.items()
        )


def _equal(pattern: Any, value: Any) -> bool:
    if isinstance(pattern, ModelWords | PluginWords):
        given = {name: part for name, part in vars(pattern).items() if part is not None and name != "options"}
        return all(_equal(part, getattr(value, name)) for name, part in given.items()) and all(
            name in value.options and _equal(part, value.options[name]) for name, part in pattern.options.items()
        )
    if pattern is None or value is None:
        return pattern is value
    return fnmatchcase(str(value), str(pattern))
