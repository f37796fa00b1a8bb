"""What a plugin registers: entries that are cheap to import and name the class that is imported on demand.

A class is named by a string ``"module:Class"``, as in entry points of packages, so that an entry imports nothing. A
function that returns the class serves for a class that is made at run time.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from zoo.errors import PluginError
from zoo.plugins.containment import contained
from zoo.plugins.entry_fields import check_capabilities, check_fields
from zoo.plugins.skipped import describe_error

if TYPE_CHECKING:
    from zoo.core.adapter import Adapter
    from zoo.core.analyzer import Analyzer, Scorer
    from zoo.core.options import Options
    from zoo.core.projector import Projector

# What an architecture can provide and an analyzer can require.
CAPABILITIES = {
    "projection": "declares the weights that first touch the latent code",
    "derivative": "forward- and reverse-mode differentiable in the latent code",
    "region": "renders pixels, so that regions can be cut from its output",
    "labels": "takes class labels",
}

# The class that an entry names.
_Class = TypeVar("_Class")


@dataclass(frozen=True, kw_only=True)
class _Entry(Generic[_Class]):
    """What all entries have: a name, a line about it, and a class that is imported on demand."""

    _kind: ClassVar[str]

    name: str
    summary: str
    load: str | Callable[[], type[_Class]]

    def __post_init__(self) -> None:
        check_fields(self)

    def resolve(self) -> type[_Class]:
        """Import the class.

        Returns:
            The class.

        Raises:
            PluginError: the import fails.

        """
        resolved: type[_Class] = _resolve(f"the {self._kind} {self.name}", self.load)
        return resolved


@dataclass(frozen=True, kw_only=True)
class _EntryWithOptions(_Entry[_Class]):
    """An entry whose class has options."""

    options: str | Callable[[], type[Options]] | None = None

    def schema(self) -> type[Options]:
        """Import the options model, without torch.

        Returns:
            The model; `Options` itself where there are no options.

        Raises:
            PluginError: the import fails.

        """
        from zoo.core.options import Options

        return Options if self.options is None else _resolve(f"the options of {self.name}", self.options)


@dataclass(frozen=True, kw_only=True)
class AdapterPlugin(_EntryWithOptions["Adapter"]):
    """The entry of an architecture.

    Attributes:
        name: the name of the architecture.
        summary: one line about it.
        load: its `Adapter` class, as ``"module:Class"`` or a function that returns it.
        provides: its `CAPABILITIES` in its usual latent space.
        spaces: its capabilities in other latent spaces, by name, where they differ.
        options: the `Options` model of its config, as for `load`; importing it must not import torch. None for none.
        layers: a function that names the layers of a model from its card alone, as ``"module:function"``; `name_layers`
            has its arguments. Importing it must not import torch. None where a card does not tell.

    """

    _kind: ClassVar[str] = "adapter"
    load: str | Callable[[], type[Adapter]]
    provides: frozenset[str]
    spaces: Mapping[str, frozenset[str]] = field(default_factory=dict)
    layers: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        for capabilities in (self.provides, *self.spaces.values()):
            check_capabilities(self.name, capabilities, CAPABILITIES)

    def provided(self, space: str | None = None) -> frozenset[str]:
        """Return the capabilities in a latent space.

        Args:
            space: the name of the space; None for the usual one.

        Returns:
            Some of `CAPABILITIES`.

        """
        return self.provides if space is None else self.spaces.get(space, self.provides)

    def name_layers(
        self, space: str, rows: int, resolution: int, width: int | None = None
    ) -> Mapping[str, Sequence[int]]:
        """Name the layers of a model that is not open, as `Adapter.layer_names` does of one that is.

        Args:
            space: the latent space.
            rows: the number of rows of its codes.
            resolution: height and width of the images, in pixels.
            width: their width, where they are not square.

        Returns:
            The layers by name; empty where a card does not tell.

        Raises:
            PluginError: the import fails.

        """
        if self.layers is None or width not in {None, resolution}:
            return {}
        function = _resolve(f"the layers of {self.name}", self.layers)
        names: Mapping[str, Sequence[int]] = function(space, rows, resolution)
        return names


@dataclass(frozen=True, kw_only=True)
class AnalyzerPlugin(_EntryWithOptions["Analyzer[Any]"]):
    """The entry of an analyzer.

    Attributes:
        name: the name of the analyzer.
        summary: one line about it.
        load: its `Analyzer` class, as ``"module:Class"`` or a function that returns it.
        requires: the `CAPABILITIES` that it needs of an architecture.
        options: its `Options` model, as for `load`; importing it must not import torch. None for none.
        local: whether it compares a region with the rest of the image, and so cannot analyse the whole image.
        supervised: whether it learns from the scorers of the probe, and so needs one that fits the model.

    """

    _kind: ClassVar[str] = "analyzer"
    load: str | Callable[[], type[Analyzer[Any]]]
    requires: frozenset[str]
    local: bool = False
    supervised: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_capabilities(self.name, self.requires, CAPABILITIES)

    def obstacle(self, adapter: AdapterPlugin, space: str | None = None) -> str | None:
        """Find out what keeps this analyzer from running on an architecture.

        Args:
            adapter: the entry of the architecture.
            space: the name of the latent space; None for the usual one.

        Returns:
            The capabilities that are missing, in a sentence; None where none are.

        """
        missing = sorted(self.requires - adapter.provided(space))
        if not missing:
            return None
        where = f"{adapter.name} does not provide" + (f" in {space}" if space else "")
        return f"{self.name} needs {' and '.join(missing)}, which {where}"


@dataclass(frozen=True, kw_only=True)
class ScorerPlugin(_EntryWithOptions["Scorer"]):
    """The entry of a scorer.

    Attributes:
        name: the name of the scorer.
        summary: one line about it.
        load: its `Scorer` class, as ``"module:Class"`` or a function that returns it.
        attributes: the attributes of the class, in the notation of `zoo.Scorer`; where they depend on the model, those
            that it usually has.
        options: its `Options` model, as for `load`; importing it must not import torch. The class is then built from
            them. None for none.
        fallback: whether it is asked only where it is named, or where no other scorer fits.

    """

    _kind: ClassVar[str] = "scorer"
    load: str | Callable[[], type[Scorer]]
    attributes: tuple[str, ...]
    fallback: bool = False

    def build(self, options: Options | None = None) -> Scorer:
        """Build the scorer.

        Args:
            options: its options; None takes the usual ones.

        Returns:
            The scorer.

        Raises:
            PluginError: the import fails.

        """
        built: type[Any] = self.resolve()
        scorer: Scorer = built() if self.options is None else built(options or self.schema()())
        return scorer

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the attributes, without the values of categorical ones."""
        return tuple(dict.fromkeys(attribute.partition("=")[0] for attribute in self.attributes))


@dataclass(frozen=True, kw_only=True)
class ProjectorPlugin(_EntryWithOptions["Projector[Any]"]):
    """The entry of a projector, which finds the codes of pictures.

    Attributes:
        name: the name of the projector.
        summary: one line about it.
        load: its `Projector` class, as ``"module:Class"`` or a function that returns it.
        options: its `Options` model, as for `load`; importing it must not import torch. None for none.

    """

    _kind: ClassVar[str] = "projector"
    load: str | Callable[[], type[Projector[Any]]]


def _resolve(what: str, target: str | Callable[[], Any]) -> Any:
    try:
        with contained():
            return pkgutil.resolve_name(target) if isinstance(target, str) else target()
    except Exception as error:
        raise PluginError(f"{what} cannot be loaded: {describe_error(error)}") from error
