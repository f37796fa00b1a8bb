"""Converting a weights file: from any public format to a safetensors file that says what it is."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import save_file

from zoo._utils.files import new_file
from zoo._utils.lookups import exists
from zoo._utils.progress import Progress, silent
from zoo._utils.untrusted.pipelines import pipeline_name
from zoo._utils.writing.claims import Replaceable
from zoo.checkpoints.layouts import DetectedCheckpoint
from zoo.checkpoints.metadata import KEY, ConversionMetadata, read_metadata
from zoo.core.adapter import State
from zoo.core.channels import describe_channels
from zoo.core.layers import describe_layers
from zoo.core.options import Options
from zoo.errors import CheckpointError, OptionError, OutputError, few_names
from zoo.models.licences import print_licence
from zoo.models.model import Model
from zoo.models.model_cards import find_card, with_fields
from zoo.models.opening import describe_assumed, fetch_weights, read_model
from zoo.models.settings import require_declared
from zoo.registry.cards import Card, Licence
from zoo.registry.registry import Installation


@dataclass(frozen=True, eq=False)
class Inspected:
    """A weights file that was read.

    Attributes:
        card: Its card.
        path: The file.
        detected: What it was detected as.
        model: The network built from it.
        options: The options of its architecture.
    """

    card: Card
    path: Path
    detected: DetectedCheckpoint
    model: Model
    options: type[Options]

    def facts(self) -> dict[str, str | list[str]]:
        """Describe the file in words, by name of the fact."""
        height, width = self.model.adapter.resolution
        classes = self.model.adapter.classes
        numbers = sum(tensor.numel() for tensor in self.detected.state.values())
        return {
            "file": str(self.path),
            "sha256": self.model.weights_sha256,
            "architecture": self.detected.family,
            "format": f"{self.detected.layout} ({self.detected.container})",
            "averaged weights": self.detected.averaged,
            "resolution": f"{height} x {width}",
            "channels": describe_channels(self.model.adapter.channels),
            "codes": str(self.model.adapter.space),
            "layers": describe_layers(self.model.adapter.layer_names()),
            "classes": few_names(classes),
            "assumed": describe_assumed(self.model.assumed) or "nothing",
            "numbers": f"{numbers:,}",
            "licence": str(self.card.licence),
        }

    def as_json(self) -> dict[str, Any]:
        """Describe the file in values, by name of the fact."""
        adapter = self.model.adapter
        return {
            "kind": "file",
            "file": str(self.path),
            "sha256": self.model.weights_sha256,
            "adapter": self.detected.family,
            "format": self.detected.layout,
            "container": self.detected.container,
            "averaged": self.detected.averaged,
            "assumed": dict(self.model.assumed),
            "resolution": list(adapter.resolution),
            "channels": adapter.channels,
            "space": adapter.space.name,
            "layers": adapter.space.layers,
            "dim": adapter.space.dim,
            "layer_names": {name: list(layers) for name, layers in adapter.layer_names().items()},
            "classes": list(adapter.classes),
            "parameters": sum(tensor.numel() for tensor in self.detected.state.values()),
            "licence": {"weights": self.card.licence.weights, "data": self.card.licence.data},
        }


def inspect_file(
    name: str | Path,
    installation: Installation,
    *,
    licence: str | None = None,
    options: Mapping[str, Any] | None = None,
    progress: Progress = silent,
) -> Inspected:
    """Read a weights file and build its network, so that nothing about it is a guess.

    Args:
        name: The file's path, or a model's name.
        installation: The plugins and the registry.
        licence: The terms of the weights. If they are not given and the file states none, those of the model whose
            card names the file's hash are taken.
        options: Options of the architecture.
        progress: Called with (steps done, steps in all, what is being done).

    Returns:
        The file, what it was detected as, and its network.

    Raises:
        UnknownNameError: If there is no such file or model.
        CardError: For a licence that a card cannot state.
        ZooError: What `zoo.models.opening.open_card` raises.
    """
    card = find_card(name, installation)
    path, sha256 = fetch_weights(card, progress)
    card = _with_licence(card, sha256, installation, licence)
    print_licence(card)
    detected, model = read_model(card, path, sha256, installation, options=options, progress=progress)
    options_schema = installation.plugins.adapter(detected.family).schema()
    return Inspected(card, path, detected, model, options_schema)


def convert(inspected: Inspected, out: Path | None = None, *, force: bool = False) -> Path:
    """Write the canonical weights as safetensors, with metadata on their origin and licence.

    Args:
        inspected: The weights file.
        out: The file to write; None stands for the file's own name with ``.safetensors``, in the current folder.
        force: Whether to replace a file that an earlier conversion wrote.

    Returns:
        The file that was written.

    Raises:
        OptionError: If `out` has another ending.
        ContractError: If the architecture gives a setting that it does not declare.
        OutputError: If a file is in the way, or the operating system refuses.
    """
    out = out or Path(f"{Path(pipeline_name(inspected.path)).stem[:200]}.safetensors")
    if out.suffix != ".safetensors":
        raise OptionError(f"-o {out}: a converted file is safetensors, so that its name ends in .safetensors")
    _require_free(out, inspected.path, force=force)
    metadata = _conversion_metadata(inspected)
    with new_file(out, force=force, replaceable=_CONVERTED) as partial:
        partial.touch()
        mode = partial.stat().st_mode  # as the umask has it; the library makes files that only their owner may read
        try:
            save_file(_untied(inspected.detected.state), partial, metadata={KEY: metadata.as_text()})
        except SafetensorError as error:  # the library's own wrapping of what the operating system refused
            raise OSError(str(error)) from error
        partial.chmod(mode)
    return out


def _require_free(out: Path, source: Path, *, force: bool) -> None:
    """Raise `OutputError` if a file is in the way. The file that is being converted is never replaced."""
    if os.path.lexists(out) and (not force or (exists(out) and out.samefile(source))):
        own = exists(out) and out.samefile(source)
        how = "choose another -o" if own else "pass --force to replace it, or choose another -o"
        raise OutputError(f"there is a file {out} already: {how}")


def _check_converted(path: Path, shown: Path) -> None:
    """Raise `OutputError` if a conversion did not write a file."""
    try:
        converted = path.is_file() and not path.is_symlink() and read_metadata(path) is not None
    except CheckpointError:  # by another version
        converted = True
    if not converted:
        raise OutputError(f"{shown} was not written by zoo convert: --force will not replace it, choose another -o")


_CONVERTED = Replaceable(_check_converted, Path.unlink)


def _conversion_metadata(inspected: Inspected) -> ConversionMetadata:
    """State what the weights are; origin and hash are those of the first file in a chain of conversions."""
    earlier = inspected.detected.metadata
    require_declared(inspected.detected, type(inspected.model.adapter), inspected.options)
    return ConversionMetadata(
        adapter=inspected.detected.family,
        layout=inspected.detected.layout,
        origin=earlier.origin if earlier else pipeline_name(inspected.path),
        sha256=earlier.sha256 if earlier else inspected.model.weights_sha256,
        averaged=inspected.detected.averaged,
        licence=inspected.card.licence,
        summary=inspected.card.summary,
        config={**inspected.detected.config, **inspected.model.opening.settings},
    )


def _untied(state: State) -> State:
    """Give every tensor storage of its own: safetensors has no shared tensors."""
    seen: set[int] = set()
    untied: State = {}
    for key, tensor in state.items():
        address = tensor.untyped_storage().data_ptr()
        untied[key] = tensor.clone() if address in seen else tensor.contiguous()
        seen.add(address)
    return untied


def _with_licence(card: Card, sha256: str, installation: Installation, licence: str | None) -> Card:
    """Complete a card's licence: as the caller says, else as the card of a model with the same file."""
    if licence is not None:
        return with_fields(card, licence=Licence(licence))
    twins = [other for other in installation.registry.cards.values() if other.weights.sha256 == sha256]
    if card.adapter or not twins:
        return card
    return replace(card, licence=twins[0].licence, summary=twins[0].summary, origin=twins[0].name)
