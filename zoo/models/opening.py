"""Opening a model: from a name or a file to a card, its weights, and the network built from them."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from zoo._utils.files import is_file
from zoo._utils.progress import Progress, silent
from zoo.checkpoints.layouts import DetectedCheckpoint, detect_checkpoint
from zoo.checkpoints.metadata import read_metadata
from zoo.core.adapter import Adapter
from zoo.core.options import parse_options
from zoo.errors import CardError, CheckpointError, OptionError, PluginError, UnknownNameError, is_out_of_memory
from zoo.models.model import Model
from zoo.plugins.skipped import warn_skipped
from zoo.registry.cards import Card, Licence, Source, Weights, is_file_name
from zoo.registry.registry import Installation
from zoo.weights.fetch import fetch

DTYPES = {"float32": torch.float32, "float64": torch.float64}


MOST_SIDE = 2**14
"""Pixels of a side; each doubling of the map costs a file a few numbers, and whoever opens it four times as many."""


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
    file = fetch(card, progress)
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
) -> tuple[DetectedCheckpoint, Model]:
    """Read the fetched file of a card: what it is recognised as, and the model. Raises what `open_card` does of it."""
    progress(0, 2, "opening the network")
    families = _families(card, installation)
    found = detect_checkpoint(path, families)
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


def _check_settings(found: DetectedCheckpoint, installation: Installation, path: Path) -> None:
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
            families[plugin.name] = plugin.resolve()
        except PluginError as error:
            if card.adapter:
                raise
            warn_skipped(str(error), error)
    return families


def card_of_file(path: Path) -> Card:
    """Make a card for a bare file; what only the weights can tell is filled in by `_completed`."""
    if not is_file(path):
        raise UnknownNameError(f"there is no file {path}: name a weights file, or a model of 'zoo list'")
    if not str(path.absolute()).isprintable():
        raise UnknownNameError(f"the name {str(path.absolute())!r} has signs that no card can tell: rename the file")
    stem = re.sub(r"[^a-z0-9_-]+", "-", path.stem.lower()).strip("-_") or "model"
    note = read_metadata(path)
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
