"""Which scorers look at the images of a model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from zoo.core.analyzer import Scorer
from zoo.core.options import parse_options
from zoo.errors import CapabilityError, OptionError, PluginError
from zoo.plugins.entries import ScorerPlugin
from zoo.plugins.manager import Plugins
from zoo.plugins.skipped import describe_error, warn_skipped
from zoo.registry.cards import Card


@dataclass(frozen=True, kw_only=True)
class ScorerChoice:
    """Which scorer is asked, in the words of the command line.

    Attributes:
        name: Its name; None asks all that fit the model.
        options: Its options, by name.
    """

    name: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def usual(self) -> bool:
        """Whether nothing was chosen."""
        return self.name is None and not self.options

    def split(self, options: Mapping[str, Any], plugins: Plugins) -> tuple[ScorerChoice, dict[str, Any]]:
        """Take the options that are the scorer's.

        Args:
            options: Options of several owners.
            plugins: The installed plugins.

        Returns:
            The choice with the scorer's options, and the others.

        Raises:
            UnknownNameError: If no scorer has that name.
            OptionError: If no scorer is named, and not exactly one has the options that were given.
        """
        named = self._named(plugins)
        if named is None:
            return self, dict(options)
        known = plugins.scorer(named).schema().model_fields
        own = {name: value for name, value in options.items() if name in known}
        others = {name: value for name, value in options.items() if name not in known}
        return ScorerChoice(name=named, options={**self.options, **own}), others

    def _named(self, plugins: Plugins) -> str | None:
        """Return the name; where only options are given, that of the scorer that has them."""
        if self.name is not None or not self.options:
            return self.name
        wanted = next(iter(self.options))
        owners = [name for name, plugin in plugins.scorers.items() if wanted in plugin.schema().model_fields]
        if len(owners) != 1:
            has = f"{' and '.join(owners)} have" if owners else "no scorer has"
            raise OptionError(f"{has} an option {wanted}: name the scorer with --scorer")
        return owners[0]

    def scorers(self, card: Card, plugins: Plugins) -> dict[str, Scorer]:
        """Load the chosen scorer, or those that fit, if any.

        Args:
            card: The card of the model.
            plugins: The installed plugins.

        Returns:
            The scorers by name.

        Raises:
            ZooError: If a scorer was named and cannot be asked; see `choose_scorers`.
        """
        return fitting_scorers(card, plugins.scorers) if self.usual else choose_scorers(card, plugins, self)


ALL_FITTING = ScorerChoice()


def fitting_scorers(card: Card, plugins: Mapping[str, ScorerPlugin]) -> dict[str, Scorer]:
    """Load the scorers whose attributes mean something for a model; one that fails is skipped with a warning.

    One that is a fallback is loaded where no other one fits, and only if it needs nothing that is not there.

    Args:
        card: The card of the model.
        plugins: The installed scorers by name.

    Returns:
        The scorers that fit, by name.
    """
    for fallback in (False, True):
        fitting = {}
        for name, plugin in plugins.items():
            if plugin.fallback == fallback and (scorer := _fitting(name, plugin, card)) is not None:
                fitting[name] = scorer
        if fitting:
            break
    return fitting


def _fitting(name: str, plugin: ScorerPlugin, card: Card) -> Scorer | None:
    try:
        scorer = plugin.build()
        if scorer.attributes and scorer.fits(card) and scorer.at_hand(card):
            return scorer.for_model(card)
    except Exception as error:
        skip_scorer(name, card, error)
    return None


def choose_scorers(card: Card, plugins: Plugins, choice: ScorerChoice | str | None = None) -> dict[str, Scorer]:
    """Load the scorers that fit a model, or one of them.

    Args:
        card: The card of the model.
        plugins: The installed plugins.
        choice: The scorer to load, or its name; None loads all that fit.

    Returns:
        The scorers by name, at least one.

    Raises:
        UnknownNameError: If no scorer has that name.
        OptionError: If an option is not one of the scorer's, or its value is not allowed.
        CapabilityError: If none fits, or the named one does not.
        PluginError: If the named one cannot be loaded.
    """
    choice, _ = (choice if isinstance(choice, ScorerChoice) else ScorerChoice(name=choice)).split({}, plugins)
    if choice.name is None:
        chosen = fitting_scorers(card, plugins.scorers)
        if not chosen:
            raise CapabilityError(
                f"no scorer fits {card.name}: there are {_installed(plugins)}; a plugin can bring one"
            )
        return chosen
    plugin = plugins.scorer(choice.name)
    scorer = plugin.build(parse_options(plugin.name, plugin.schema(), choice.options))
    if not scorer.attributes or not scorer.fits(card):
        fitting = ", ".join(fitting_scorers(card, plugins.scorers)) or "none"
        raise CapabilityError(
            f"the scorer {plugin.name} does not fit {card.name}, but {fitting} does: there are {_installed(plugins)}; "
            "a plugin can bring one"
        )
    return {plugin.name: scorer.for_model(card)}


def _installed(plugins: Plugins) -> str:
    return "; ".join(f"{plugin.name} ({plugin.summary})" for plugin in plugins.scorers.values()) or "none"


def skip_scorer(name: str, card: Card, error: Exception) -> None:
    """Warn that a scorer is left out: suggested names are not worth the loss of an analysis.

    Args:
        name: The scorer.
        card: The card of the model.
        error: What it failed with.

    Raises:
        PluginError: If ``ZOO_STRICT_PLUGINS`` is set.
    """
    if isinstance(error, PluginError):  # its message already says that it could not be loaded
        warn_skipped(f"{error}; it was skipped", error)
    else:
        warn_skipped(f"the scorer {name} failed on {card.name} and was skipped: {describe_error(error)}", error)
