"""Open models: each is opened once, and the ones that were used longest ago make room."""

from __future__ import annotations

import gc
import itertools
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from zoo._utils.progress import Progress, silent
from zoo.core.codes import Codes
from zoo.core.directions import Directions
from zoo.editing.requests import OpeningRequest
from zoo.errors import OptionError
from zoo.models.model import Model
from zoo.models.model_cards import find_card
from zoo.registry.cards import Card
from zoo.registry.registry import Installation
from zoo.studio.bodies import Opened, as_texts
from zoo.weights.cache import status

# Bytes of the weights that are kept in memory; the newest model stays, however large.
_MOST_BYTES = 4 * 2**30
# Drawn codes that are kept, some pages full. They are small and lie between the large buffers of a network's steps, so
# that many of them keep the allocator from using the same memory again (2048 took up to 60 MB of it with 32² images).
_MOST_CODES = 256
_MOST_FILES = 64

_numbers = itertools.count()


@dataclass(frozen=True)
class Origin:
    """Where one code comes from.

    Attributes:
        seed: The seed that it is drawn with; None for one of a file.
        path: The file.
        index: Which code of the file.
        label: The name of its class.
        truncation: The truncation that it is drawn with.
    """

    seed: int | None = None
    path: Path | None = None
    index: int = 0
    label: str | None = None
    truncation: float | None = None


class OpenModel:
    """A model in memory, with the codes and directions that it has met.

    Args:
        model: The model.

    Attributes:
        number: A number that no other open model has had.
        seconds: How long so many pictures took when they were last drawn.
    """

    def __init__(self, model: Model) -> None:
        self.model = model
        self.number = next(_numbers)
        self.seconds: dict[int, float] = {}
        # The caches are safe in several threads. Files of sessions are never changed.
        self.code = lru_cache(_MOST_CODES)(self._code)
        self.directions = lru_cache(_MOST_FILES)(self._directions)
        self.file = lru_cache(_MOST_FILES)(self._read)

    @cached_property
    def bytes(self) -> int:
        """What the weights take in memory."""
        network = self.model.adapter.network
        return sum(tensor.numel() * tensor.element_size() for tensor in (*network.parameters(), *network.buffers()))

    def _code(self, origin: Origin) -> Codes:
        """Draw a code, or take it from its file."""
        if origin.seed is not None:
            return self.model.sample_seeds([origin.seed], label=origin.label, truncation=origin.truncation)
        if origin.path is None:
            raise OptionError("codes: each has a seed, or is one of a file")
        codes = self.file(origin.path, origin.label)
        if not origin.index < len(codes):
            raise OptionError(f"there is no code {origin.index}: the file holds 0 to {len(codes) - 1}")
        return codes[origin.index]

    def _read(self, path: Path, label: str | None) -> Codes:
        return self.model.read_codes(path, label=label)

    def _directions(self, path: Path) -> Directions:
        return Directions.load(path, space=self.model.adapter.space)


class OpenModels:
    """All models that may be opened, and those that are.

    Args:
        installation: The plugins and the registry.
        device: Where networks compute.
        started_with: The model or the weights file that the studio was started with; None for none. No other file is
            opened.
        started_options: Options of the architecture that this one is opened with, unless a page gives others.
    """

    def __init__(
        self,
        installation: Installation,
        device: str = "auto",
        started_with: str | None = None,
        started_options: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.installation = installation
        self.device = device
        self.started_with = started_with
        self._started_options = started_options
        self._open: OrderedDict[Any, OpenModel] = OrderedDict()
        self._lock = threading.Lock()
        self._opening: dict[Any, threading.Lock] = {}

    def card(self, name: str) -> Card:
        """Find the card of a model.

        Args:
            name: Its name, or that of the file that the studio was started with.

        Returns:
            The card.

        Raises:
            UnknownNameError: If there is no such model.
        """
        if name == self.started_with:
            return find_card(name, self.installation)
        return self.installation.registry.resolve(name)

    def name(self, name: str) -> str:
        """Find the full name of a model, as commands name it.

        Args:
            name: A name of it.

        Returns:
            The name of its card, or the file that the studio was started with.

        Raises:
            UnknownNameError: If there is no such model.
        """
        return name if name == self.started_with else self.installation.registry.resolve(name).name

    def options(self, asked: Opened) -> dict[str, str]:
        """List the options that a model is opened with.

        Args:
            asked: The model.

        Returns:
            The options as texts, by name.

        Raises:
            UnknownNameError: If there is no such model.
        """
        started = self._started_options if self.name(asked.model) == self.started_with else {}
        return {**started, **as_texts(asked.options)}

    def get(self, asked: Opened, progress: Progress | None = None) -> OpenModel:
        """Take a model, and open it if need be.

        Args:
            asked: The model.
            progress: Called while it is opened. Without, only a model whose weights are here is opened.

        Returns:
            The open model.

        Raises:
            ZooError: If it cannot be opened.
        """
        options = self.options(asked)
        key = self.name(asked.model), asked.space, asked.tuned, tuple(sorted(options.items()))
        found = self._take(key)
        if found is not None:
            return found
        with self._lock:
            opening = self._opening.setdefault(key, threading.Lock())
        try:
            with opening:  # a thread that waited here finds what the other one opened
                return self._take(key) or self._add(key, self._read(asked, options, progress))
        finally:
            self._opening.pop(key, None)

    def _take(self, key: Any) -> OpenModel | None:
        with self._lock:
            found = self._open.get(key)
            if found is not None:
                self._open.move_to_end(key)
            return found

    def _add(self, key: Any, model: Model) -> OpenModel:
        with self._lock:
            self._open[key] = added = OpenModel(model)
            while len(self._open) > 1 and sum(each.bytes for each in self._open.values()) > _MOST_BYTES:
                self._open.popitem(last=False)
                gc.collect()  # a model and its caches refer to each other
            return added

    def _read(self, asked: Opened, options: Mapping[str, Any], progress: Progress | None) -> Model:
        card = self.card(asked.model)
        if progress is None and status(card) not in {"local", "cached"}:
            raise OptionError(f"the weights of {card.name} are not on this computer yet: choose the model again")
        asked_by_page = {name: text for name, text in options.items() if self._started_options.get(name) != text}
        schema = self.installation.plugins.adapter(card.adapter).schema() if card.adapter else None
        refuse_files(asked_by_page, schema)
        opening = OpeningRequest(space=asked.space, tuned=asked.tuned, device=self.device, options=options)
        return opening.open(self.name(asked.model), self.installation, progress or silent)


def refuse_files(options: Mapping[str, Any], schema: Any) -> None:
    """Refuse options that name files: a page names none.

    Args:
        options: The values by name.
        schema: The pydantic model of the options; None where that is not known.

    Raises:
        OptionError: If one of them is the path of a file.
    """
    fields = {} if schema is None else schema.model_fields
    for name in options:
        if name in fields and "Path" in str(fields[name].annotation):
            raise OptionError(f"the option {name} names a file, which a page may not do: use the command line for it")


@dataclass(frozen=True, kw_only=True)
class KeptOpening(OpeningRequest):
    """An opening that takes the model which is open already, so that requests of the command line run in the studio.

    Attributes:
        models: The open models.
    """

    models: OpenModels = field(compare=False)

    def open(self, name: str | Path, installation: Installation, progress: Progress = silent) -> Model:
        """Take the model, or open it; see `OpeningRequest.open`.

        Args:
            name: The name of its card, or its file.
            installation: The plugins and the registry.
            progress: Called while it is opened.

        Returns:
            The model.
        """
        tuned = None if self.tuned is None else str(self.tuned)
        asked = Opened(model=str(name), space=self.space, tuned=tuned, options=dict(self.options))
        return self.models.get(asked, progress).model
