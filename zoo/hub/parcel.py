"""What is pushed: the files of a set of directions with its card, read once, so that what is shown is what goes."""

from __future__ import annotations

import html
import re
import shlex
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo._utils.lookups import is_dir, is_file
from zoo._utils.untrusted.opening import read_bounded
from zoo.core.codes import LatentSpace
from zoo.core.directions import Directions
from zoo.core.files.hub_address import is_hub_address, parse_repository, shown_path
from zoo.errors import DirectionsError, OptionError, OutputError
from zoo.hub.cached_sets import NAME
from zoo.hub.card import CardFacts, write_card
from zoo.hub.fetching import MOST_BYTES
from zoo.hub.terms import choose_licence, objection, recorded_terms
from zoo.registry.cards import Card, Licence
from zoo.registry.registry import Installation

README, SHEET, REPORT = "README.md", "sheet.png", "report.html"

_FOLDER = re.compile(r"(~|[A-Za-z]:)?[/\\]")


@dataclass(frozen=True, kw_only=True)
class Parcel:
    """A set of directions, ready to go.

    Attributes:
        repo: The repository, ``owner/name``.
        files: The content of each file, by its name; the card first.
        title: What the commit is called.
    """

    repo: str
    files: Mapping[str, bytes]
    title: str

    @property
    def card(self) -> str:
        """The text of README.md."""
        return self.files[README].decode("utf-8")


def pack(
    path: Path,
    repository: str,
    installation: Installation,
    *,
    model: str | None = None,
    licence: str | None = None,
    despite_terms: bool = False,
    read_as: str | None = None,
) -> Parcel:
    """Gather the files of a set of directions, and write its card. Nothing is sent.

    Folders of this machine are taken out of the recorded command, in the directions and in the report.

    Args:
        path: A run folder, a file of directions, or an array.
        repository: The repository, ``owner/name``.
        installation: The plugins and the registry.
        model: The model of directions that do not say which they are of.
        licence: The licence of the directions; None is that of the weights.
        despite_terms: Pack them although the terms of the weights seem to forbid it.
        read_as: How to read an array; see `Directions.load`.

    Returns:
        The files.

    Raises:
        DirectionsError: If the directions cannot be read, or the repository is no name of one.
        OptionError: If it is not known which model they are of, or the terms of its weights seem to forbid it.
        OutputError: If a file is too large.
    """
    repo = parse_repository(repository)
    if is_hub_address(path):
        raise DirectionsError(f"{shown_path(path)} is on the Hub already")
    card = None if model is None else installation.registry.resolve(model)
    directions = Directions.load(path, space=_space_of(card), read_as=read_as)
    name, card = _model_of(directions, path, card, installation)
    terms = recorded_terms(directions.provenance) or (card.licence if card else Licence("not stated"))
    chosen = choose_licence(licence, terms.weights)
    refusal = objection(terms.weights, chosen)
    if refusal and not despite_terms:
        raise OptionError(
            f'the terms of the weights of {name} are "{terms.weights}": {refusal}; --despite-terms pushes all the same'
        )
    clean, places = _without_places(directions)
    files = {NAME: _as_file(clean), **_pictures(path, places)}
    facts = CardFacts(
        repo=repo,
        directions=clean,
        model=name,
        licence=chosen,
        terms=terms,
        base_model=_base_model(card),
        files=tuple(files),
        space=None if card is None or clean.space.name == card.space else clean.space.name,
    )
    count = f"{len(clean)} direction{'s' if len(clean) != 1 else ''}"
    return Parcel(repo=repo, files={README: write_card(facts).encode(), **files}, title=f"{count} of {name}")


def _space_of(card: Card | None) -> LatentSpace | None:
    return None if card is None else LatentSpace(card.space, card.dim, card.layers)


def _model_of(
    directions: Directions, path: Path, asked: Card | None, installation: Installation
) -> tuple[str, Card | None]:
    """Find the name of the model, and its card where there is one."""
    recorded = directions.provenance.get("model")
    if recorded is None:
        if asked is None:
            raise OptionError(f"{path} does not say which model its directions are of: pass --model")
        return asked.name, asked
    if asked is not None and asked.name != recorded:
        raise OptionError(f"{path} holds directions of {recorded}, not of {asked.name}: leave --model out")
    return str(recorded), installation.registry.cards.get(str(recorded))


def _base_model(card: Card | None) -> str | None:
    """Find the repository of the weights, as the Hub links a model with what was made of it."""
    sources = card.weights.remote if card else []
    repos = [str(source.parts["repo"]) for source in sources if source.scheme == "hf"]
    return next((repo for repo in repos if repo.count("/") == 1), None)


def _as_file(directions: Directions) -> bytes:
    with tempfile.TemporaryDirectory(prefix="zoo-") as folder:
        file = Path(folder) / NAME
        directions.save(file)
        if file.stat().st_size > MOST_BYTES:
            raise OutputError(f"the directions take more than {MOST_BYTES:,} bytes: push fewer of them")
        return file.read_bytes()


def _pictures(path: Path, places: Mapping[str, str]) -> dict[str, bytes]:
    """Read the sheet and the report of a run folder, where it has them."""
    found = {}
    for name in (SHEET, REPORT) if is_dir(path) else ():
        if is_file(path / name):
            try:
                found[name] = read_bounded(path / name, MOST_BYTES)
            except OSError as error:
                raise OutputError(f"cannot read {path / name}: {error.strerror}") from None
    if REPORT in found:
        text = found[REPORT].decode("utf-8", errors="replace")
        for place, name in places.items():
            text = text.replace(html.escape(place), html.escape(name))
        found[REPORT] = text.encode()
    return found


def _without_places(directions: Directions) -> tuple[Directions, dict[str, str]]:
    """Take folders of this machine out of a record; also return what was put in the place of which path."""
    record = directions.provenance
    texts = [value for value in _options(record).values() if isinstance(value, str)]
    command = record.get("command")
    try:
        words = shlex.split(command) if isinstance(command, str) else []
    except ValueError:
        words = []
    paths = [*texts, *(part for word in words for part in (word, word.partition("=")[2]))]
    places = {path: re.split(r"[/\\]", path.rstrip("/\\"))[-1] for path in paths if _FOLDER.match(path)}
    if not places:
        return directions, {}

    def clean(text: str) -> str:
        for place in sorted(places, key=len, reverse=True):
            text = text.replace(place, places[place])
        return text

    entries = {key: clean(value) for key, value in record.items() if isinstance(value, str)}
    options = {key: clean(value) if isinstance(value, str) else value for key, value in _options(record).items()}
    return directions.with_provenance(**entries, **({"options": options} if options else {})), places


def _options(record: Mapping[str, Any]) -> Mapping[str, Any]:
    options = record.get("options")
    return options if isinstance(options, Mapping) else {}
