"""A model at hand: a card, the adapter built from its weights, and what both know together."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from zoo import weights
from zoo.adapter import Adapter
from zoo.cards import Card, Licence, Source, Weights
from zoo.codes import MOST_TRUNCATION, Codes, load_codes, save_codes
from zoo.errors import (
    CardError,
    CheckpointError,
    CodesError,
    OptionError,
    PluginError,
    UnknownNameError,
    is_out_of_memory,
)
from zoo.files import is_kind
from zoo.names import few_names, is_file_name, unknown_name
from zoo.notebook import facts_html
from zoo.notes import read_note
from zoo.options import parse_options
from zoo.plugins import reason, skip
from zoo.progress import Progress, silent
from zoo.recognition import Recognized, recognize
from zoo.region import Region, parse_region
from zoo.registry import Installation

DTYPES = {"float32": torch.float32, "float64": torch.float64}
MOST_CODES = 100_000
MOST_SIDE = 2**14
"""Pixels of a side; each doubling of the map costs a file a few numbers, and whoever opens it four times as many."""


@dataclass(frozen=True, eq=False)
class Model:
    """A generator ready to use: its card, its adapter, and the hash of the weights it was built from.

    `source` is what it was opened by; `space` and `options` are what was chosen then, beyond the usual; `chosen` is all
    that the architecture was told, by its card and by `options`.
    """

    card: Card
    adapter: Adapter
    weights_sha256: str
    layout: str
    source: str
    space: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    chosen: Mapping[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"Model({self.name}: {self.adapter.space}, {self.dtype} on {self.adapter.device})"

    def _repr_html_(self) -> str:
        """Show a notebook what the model is and on which terms it may be used."""
        height, width = self.adapter.resolution
        facts = {
            "summary": self.card.summary,
            "adapter": self.card.adapter,
            "images": f"{height} x {width}",
            "codes": self.adapter.space,
            "classes": few_names(self.adapter.classes),
            "licence": self.card.licence,
            "network": f"{self.dtype} on {self.adapter.device}",
        }
        return facts_html(f"Model {self.name}", facts)

    @property
    def name(self) -> str:
        """The model's full name."""
        return self.card.name

    @property
    def dtype(self) -> str:
        """The name of the type that the network computes in, such as ``float32``."""
        return str(self.adapter.dtype).removeprefix("torch.")

    def region(self, text: str) -> Region:
        """Read a region of this model's images; names come from its card. Raises `RegionError`, `UnknownNameError`."""
        return parse_region(text, self.adapter.resolution, self.card.regions)

    def sample(
        self, count: int, seed: int = 0, *, label: int | str | None = None, truncation: float | None = None
    ) -> Codes:
        """Draw codes; `label` is a class's name or index. Raises `OptionError`, `UnknownNameError`."""
        return self.draw(count, torch.Generator().manual_seed(check_seed(seed)), label=label, truncation=truncation)

    def draw(
        self,
        count: int,
        generator: torch.Generator,
        *,
        label: int | str | None = None,
        truncation: float | None = None,
    ) -> Codes:
        """Draw codes with a generator; see `sample`."""
        check_count("--samples", count)
        if truncation is not None and not 0 <= truncation <= MOST_TRUNCATION:
            raise OptionError(f"--truncation {truncation}: it lies within 0 and {MOST_TRUNCATION:g}")
        labels = None if label is None else torch.full((count,), self.label_index(label))
        codes = self.adapter.sample(count, generator, labels, truncation)
        return codes.to(self.adapter.device, self.adapter.dtype)

    def label_index(self, label: int | str) -> int:
        """Find a class by name or index. Raises `OptionError` or `UnknownNameError`."""
        classes = self.adapter.classes
        if not classes:
            raise OptionError(f"--label {label}: {self.name} is not conditional and takes no label")
        if isinstance(label, str) and label in classes:
            return classes.index(label)
        folded = [name.casefold() for name in classes]
        if isinstance(label, str) and folded.count(label.casefold()) == 1:
            return folded.index(label.casefold())
        if isinstance(label, int) or re.fullmatch(r"\d{1,9}", label):
            if int(label) >= len(classes) or int(label) < 0:
                raise OptionError(f"--label {label}: {self.name} has the classes 0 to {len(classes) - 1}")
            return int(label)
        raise unknown_name(f"class of {self.name}", label, classes)

    def code_name(self, codes: Codes, index: int) -> str:
        """Name one of some codes as pictures do: by its index, and by its class if it has one."""
        return f"code {index}" + ("" if codes.labels is None else f", {self.adapter.classes[int(codes.labels[index])]}")

    def read_codes(self, path: Path, *, label: int | str | None = None) -> Codes:
        """Read codes from a file, checked against this model's space and normalised as its own. Raises `CodesError`."""
        codes, card = load_codes(path)
        home = card.get("space", {}).get("name") if isinstance(card.get("space"), dict) else None
        if home not in {None, self.adapter.space.name}:
            raise CodesError(f"{path} holds codes of the space {home}, but the model's is {self.adapter.space}")
        if label is not None and self.adapter.classes and not self.adapter.needs_labels:
            raise OptionError(
                f"--label {label}: codes of {self.adapter.space} were made with their class: leave it out"
            )
        if label is not None:
            codes = Codes(codes.latents, torch.full((len(codes),), self.label_index(label)), codes.truncation)
        codes = codes.to(self.adapter.device, self.adapter.dtype)
        self.adapter.check(codes, str(path))
        return self.adapter.normalize(codes)

    def take_codes(self, codes: Codes | str | Path, *, label: int | str | None = None) -> Codes:
        """Take codes as this model computes with them, checked; those of a file are read. Raises `CodesError`."""
        if not isinstance(codes, Codes):
            return self.read_codes(Path(codes), label=label)
        taken = codes.to(self.adapter.device, self.adapter.dtype)
        self.adapter.check(taken, "codes=")
        return taken

    def save_codes(self, path: Path, codes: Codes) -> None:
        """Write codes of this model, with a card that names it and its space. Raises `OutputError`."""
        save_codes(path, codes, {"model": self.name, "space": self.adapter.space.as_json()})


def print_licence(card: Card) -> None:
    """Show a model's licence on standard error, once a process; again if the card has other terms by then."""
    if card.terms not in _shown:
        _shown.add(card.terms)
        print(card.terms, file=sys.stderr)


_shown: set[str] = set()


def open_model(name: str | Path, installation: Installation, **loading: Any) -> Model:
    """Load a model by its card's name, or straight from a weights file whose layout a family knows.

    `loading` and what is raised are those of `open_card`; besides, `UnknownNameError` for a name or file there is not.
    """
    model = open_card(card_of(name, installation), installation, **loading)
    return replace(model, source=str(name)) if is_file_name(str(name)) else model


def card_of(name: str | Path, installation: Installation) -> Card:
    """Find the card of a model by its name, or make one for a weights file. Raises `UnknownNameError`."""
    return card_of_file(Path(name)) if is_file_name(str(name)) else installation.registry.resolve(str(name))


def open_card(
    card: Card,
    installation: Installation,
    *,
    space: str | None = None,
    device: str = "auto",
    dtype: str = "float32",
    options: Mapping[str, Any] | None = None,
    progress: Progress = silent,
    announce: Callable[[Card], None] = print_licence,
) -> Model:
    """Load the model of a card; one without an adapter is read by whichever family knows its layout.

    `announce` is told the card, licence included, before the weights are used. Raises the errors of the fetch, the
    reader and the adapter, `CardError` where card and file differ, and `OptionError` for a device or type there is not.
    """
    choose_device(device), choose_dtype(dtype)
    if card.adapter:
        _choices(card.adapter, installation, card, options)
    announce(card)
    file = weights.fetch(card, progress)
    return read_model(
        card, *file, installation, space=space, device=device, dtype=dtype, options=options, progress=progress
    )[1]


def read_model(
    card: Card,
    path: Path,
    sha256: str,
    installation: Installation,
    *,
    space: str | None = None,
    device: str = "cpu",
    dtype: str = "float32",
    options: Mapping[str, Any] | None = None,
    progress: Progress = silent,
) -> tuple[Recognized, Model]:
    """Read the fetched file of a card: what it is recognised as, and the model. Raises what `open_card` does of it."""
    progress(0, 2, "opening the network")
    families = _families(card, installation)
    found = recognize(path, families)
    progress(1, 2, "opening the network")
    chosen = _choices(found.family, installation, card, options)
    _check_settings(found, installation, path)
    config, place, kind = {**found.config, **chosen}, choose_device(device), choose_dtype(dtype)
    try:
        adapter = families[found.family].load(found.state, config, space=space, device=place, dtype=kind)
        _name_classes(adapter, card, chosen)
        completed = _completed(card, found.family, adapter)
    except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError, RuntimeError) as error:
        if is_out_of_memory(error):
            raise
        told = " ".join(str(error).split())[:120]
        raise CheckpointError(f"{path} holds a {found.family} whose settings make no network: {told}") from error
    if max(adapter.resolution) > MOST_SIDE:
        raise CheckpointError(f"{path} holds a {found.family} of more than {MOST_SIDE:,} pixels a side")
    _check_card(card, completed, path, told_more=bool(options))
    progress(2, 2, "opening the network")
    return found, Model(completed, adapter, sha256, found.layout, card.name, space, dict(options or {}), chosen)


def check_count(option: str, count: int, least: int = 1) -> None:
    """Refuse a number that is too small, or beyond what any memory holds. Raises `OptionError`."""
    if not least <= count <= MOST_CODES:
        raise OptionError(f"{option} {count}: it is at least {least} and at most {MOST_CODES:,}")


def check_seed(seed: int) -> int:
    """Return a seed that torch's CPU generator tells apart from every other. Raises `OptionError`."""
    if not 0 <= seed < 2**32:
        raise OptionError(f"--seed {seed}: a seed lies within 0 and {2**32 - 1}")
    return seed


def choose_device(name: str) -> torch.device:
    """Turn a device's name into a device; ``auto`` is CUDA where there is one. Raises `OptionError`."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).cpu()  # `meta` and its like make tensors that hold nothing
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = " ".join(str(error).split())[:90]
        raise OptionError(f"--device {name}: not usable here ({reason}); try cpu or auto") from None
    return device


def choose_dtype(name: str) -> torch.dtype:
    """Turn ``float32`` or ``float64`` into a type. Raises `OptionError`."""
    if name not in DTYPES:
        raise OptionError(f"--dtype {name}: there are {' and '.join(DTYPES)}")
    return DTYPES[name]


def _choices(family: str, installation: Installation, card: Card, options: Mapping[str, Any] | None) -> dict[str, Any]:
    """Validate what a card and the caller choose for an architecture; the caller's choice wins."""
    schema = installation.plugins.adapter(family).schema()
    named = {"classes": card.classes} if card.classes and "classes" in schema.model_fields else {}
    return parse_options(family, schema, {**named, **card.config, **(options or {})}).model_dump(exclude_unset=True)


def _name_classes(adapter: Adapter, card: Card, chosen: Mapping[str, Any]) -> None:
    """Call a network's classes what its card does, where the architecture has no option by which it was told."""
    if "classes" not in chosen and card.classes and len(card.classes) == len(adapter.classes):
        adapter.classes = card.classes


def _check_settings(found: Recognized, installation: Installation, path: Path) -> None:
    """Raise `OptionError` for settings in a file that nobody could choose as options."""
    schema = installation.plugins.adapter(found.family).schema()
    settings = found.config.items()
    told = {name: value for name, value in settings if name in schema.model_fields and value is not None}
    parse_options(str(path), schema, told)


def _families(card: Card, installation: Installation) -> dict[str, type[Adapter]]:
    """Load the adapter classes that may read a card's file: its own architecture's, or every one there is.

    One that fails is an error if the card names it, and skipped otherwise.
    """
    plugins = (
        [installation.plugins.adapter(card.adapter)] if card.adapter else list(installation.plugins.adapters.values())
    )
    families = {}
    for plugin in plugins:
        try:
            families[plugin.name] = plugin.load()
        except Exception as error:
            message = f"the adapter {plugin.name} cannot be loaded: {reason(error)}"
            if card.adapter:
                raise PluginError(message) from error
            skip(message, error)
    return families


def card_of_file(path: Path) -> Card:
    """Make a card for a bare file; what only the weights can tell is filled in by `_completed`."""
    if not is_kind(path, Path.is_file):
        raise UnknownNameError(f"there is no file {path}: name a weights file, or a model of 'zoo list'")
    if not str(path.absolute()).isprintable():
        raise UnknownNameError(f"the name {str(path.absolute())!r} has signs that no card can tell: rename the file")
    stem = re.sub(r"[^a-z0-9_-]+", "-", path.stem.lower()).strip("-_") or "model"
    note = read_note(path)
    return Card(
        name=f"file.{stem}",
        adapter="",
        summary=note.summary if note else f"the file {path.name}",
        resolution=1,
        space="?",
        dim=1,
        weights=Weights(sources=(Source(url=str(path.absolute())),)),
        licence=note.licence if note else Licence(weights="unknown: ask whoever gave you the file"),
        origin=f"{note.origin}, sha256 {note.sha256}" if note else None,
    )


def changed(card: Card, **fields: Any) -> Card:
    """Change a card as somebody asks. Raises `CardError` for what no card can say."""
    try:
        return replace(card, **fields)
    except ValueError as error:
        raise CardError(f"{card.name}: {error}") from None


def _check_card(card: Card, seen: Card, path: Path, *, told_more: bool) -> None:
    """Raise `CardError` where a card says another size, space or number of classes than the weights have.

    Its rows count where the card says them and nobody told the network more: a level of detail leaves some out.
    """
    if card.layers == 1 or told_more:
        card, seen = (replace(one, layers=1) for one in (card, seen))
    told = [f"{one.resolution}², {one.codes}" for one in (card, seen)]
    if card.adapter and seen.space == card.space and told[0] != told[1]:
        raise CardError(f"{card.name}: its card says {told[0]}, but {path} holds {told[1]}: mend the card or the file")
    named, held = len(card.classes), len(seen.classes)
    if card.adapter and named not in {0, held} and not told_more:
        wrong = f"its card names {named} classes, but {path} holds {held}"
        raise CardError(f"{card.name}: {wrong}: mend the card or the file")


def _completed(card: Card, family: str, adapter: Adapter) -> Card:
    return replace(
        card,
        adapter=family,
        resolution=adapter.resolution[0],
        space=adapter.space.name,
        dim=adapter.space.dim,
        layers=adapter.space.layers,
        classes=adapter.classes,
    )
