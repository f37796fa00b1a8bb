"""Converting a weights file: from any public format to a safetensors file that says what it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import save_file

from zoo._utils.files import atomic_file, exists
from zoo._utils.progress import Progress, silent
from zoo.checkpoints.layouts import DetectedCheckpoint
from zoo.checkpoints.metadata import KEY, ConversionMetadata
from zoo.core.adapter import State
from zoo.errors import OptionError, OutputError, few_names
from zoo.models.model import Model
from zoo.models.opening import card_of, changed, print_licence, read_model
from zoo.registry.cards import Card, Licence
from zoo.registry.registry import Installation
from zoo.weights.fetch import fetch


@dataclass(frozen=True, eq=False)
class Inspected:
    """A weights file that was read: its card, the file, what it was recognised as, and the network built from it."""

    card: Card
    path: Path
    recognized: DetectedCheckpoint
    model: Model

    def facts(self) -> dict[str, str]:
        """Say what was found, in words."""
        height, width = self.model.adapter.resolution
        classes = self.model.adapter.classes
        numbers = sum(tensor.numel() for tensor in self.recognized.state.values())
        return {
            "file": str(self.path),
            "sha256": self.model.weights_sha256,
            "architecture": self.recognized.family,
            "format": f"{self.recognized.layout} ({self.recognized.container})",
            "averaged weights": self.recognized.averaged,
            "resolution": f"{height} x {width}",
            "codes": str(self.model.adapter.space),
            "classes": few_names(classes),
            "numbers": f"{numbers:,}",
            "licence": str(self.card.licence),
        }


def inspect_file(
    name: str | Path,
    installation: Installation,
    *,
    licence: str | None = None,
    options: Mapping[str, Any] | None = None,
    progress: Progress = silent,
) -> Inspected:
    """Read a weights file, or a model's, and build its network, so that nothing about it is a guess.

    Where the file's terms are not known otherwise, those of the model whose card names its hash are taken. Raises the
    errors of the fetch, the reader and the adapter.
    """
    card = card_of(name, installation)
    path, sha256 = fetch(card, progress)
    card = _licensed(card, sha256, installation, licence)
    print_licence(card)
    recognized, model = read_model(card, path, sha256, installation, options=options, progress=progress)
    return Inspected(card, path, recognized, model)


def convert(found: Inspected, out: Path | None = None, *, force: bool = False) -> Path:
    """Write the canonical weights as safetensors with a note of origin and licence; return the file that was written.

    `out` None is the file's own name with ``.safetensors``, in the current folder. Raises `OptionError` for another
    ending, `OutputError` where a file is in the way or the disk refuses.
    """
    out = out or Path(f"{found.path.stem[:200]}.safetensors")
    if out.suffix != ".safetensors":
        raise OptionError(f"-o {out}: a converted file is safetensors, so that its name ends in .safetensors")
    if exists(out) and (not force or out.samefile(found.path)):
        how = "choose another -o" if out.samefile(found.path) else "pass --force to replace it, or choose another -o"
        raise OutputError(f"there is a file {out} already: {how}")
    before = found.recognized.metadata
    note = ConversionMetadata(
        adapter=found.recognized.family,
        layout=found.recognized.layout,
        origin=before.origin if before else found.path.name,
        sha256=before.sha256 if before else found.model.weights_sha256,
        averaged=found.recognized.averaged,
        licence=found.card.licence,
        summary=found.card.summary,
        config={**found.recognized.config, **found.model.chosen},
    )
    with atomic_file(out) as partial:
        try:
            save_file(_untied(found.recognized.state), partial, metadata={KEY: note.as_text()})
        except SafetensorError as error:  # which says in its own way what the system refused
            raise OSError(str(error)) from error
    return out


def _untied(state: State) -> State:
    """Lay every tensor out by itself: the format knows none that share their numbers."""
    seen: set[int] = set()
    untied: State = {}
    for key, tensor in state.items():
        place = tensor.untyped_storage().data_ptr()
        untied[key] = tensor.clone() if place in seen else tensor.contiguous()
        seen.add(place)
    return untied


def _licensed(card: Card, sha256: str, installation: Installation, licence: str | None) -> Card:
    """Complete a file's terms: as given, else as the card of the same file says."""
    if licence is not None:
        return changed(card, licence=Licence(licence))
    twins = [other for other in installation.registry.cards.values() if other.weights.sha256 == sha256]
    if card.adapter or not twins:
        return card
    return replace(card, licence=twins[0].licence, summary=twins[0].summary, origin=twins[0].name)
