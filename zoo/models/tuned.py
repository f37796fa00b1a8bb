"""Tuned weights: the tensors of a network that were fine-tuned for some pictures, in a file beside their codes.

The file (`tuned.safetensors`) holds the changed tensors alone, by the keys of the network's state dict, each whole; and
in its metadata the hash of the weights that it belongs to. It is untrusted, as every file is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn

from zoo._utils.html_repr import plain
from zoo._utils.lookups import is_dir, is_file
from zoo._utils.paths import expand_home
from zoo._utils.tensorfile import FLOATS, UnreadableError, read_tensor_metadata, read_tensors, write_tensors
from zoo.core.options import NETWORK_OPTION
from zoo.errors import CheckpointError
from zoo.models.model import Model

# The file in a run folder, and its format.
NAME = "tuned.safetensors"
FORMAT = "zoo-tuned/1"

# A file may be so many times as large as all tensors of the network, as for every kind of weights file, and longer by
# its header.
_MOST_TIMES = 4
_HEADER = 2**20
# What is told of a file.
_DESCRIBED = ("model", "adapter", "weights_sha256", "tuned_sha256", "settings", "licence", "pictures", "agreement")
# How much of a hash messages show.
_SHOWN = 12


@dataclass(frozen=True, eq=False)
class TunedFile:
    """A file of tuned weights, of which no tensor has been read.

    Attributes:
        path: The file.
        given: What was named: the file, or the run folder that holds it.
        record: Its metadata.
    """

    path: Path
    given: str
    record: Mapping[str, Any]

    @classmethod
    def find(cls, given: str | Path) -> Self:
        """Find a file and read what it says of itself.

        Args:
            given: The file, or the run folder that holds it.

        Returns:
            The file.

        Raises:
            CheckpointError: If there is none, or it holds no tuned weights.
        """
        path = expand_home(given)
        path = path / NAME if is_dir(path) else path
        if not is_file(path):
            raise CheckpointError(f"--tuned {given}: there is no file {path}; 'zoo project --tune' writes one")
        try:
            _, record = read_tensor_metadata(path)
        except UnreadableError as error:
            raise CheckpointError(f"--tuned {given}: {path} cannot be read: {error}") from None
        if record.get("format") != FORMAT:
            raise CheckpointError(f"--tuned {given}: {path} holds no tuned weights; 'zoo project --tune' writes them")
        return cls(path, str(given), record)

    @classmethod
    def recognised(cls, path: str | Path) -> Self | None:
        """Find out whether a file of any kind, or a run folder, holds tuned weights.

        Args:
            path: Where it is.

        Returns:
            The tuned weights, or None.
        """
        try:
            return cls.find(path)
        except CheckpointError:
            return None

    def as_json(self) -> dict[str, Any]:
        """Describe the file in values, by name of the fact."""
        return {"kind": "tuned", "file": str(self.path), **{name: self.record.get(name) for name in _DESCRIBED}}

    def facts(self) -> dict[str, str | list[str]]:
        """Describe the file in words, by name of the fact."""
        record = {name: self.record.get(name) for name in _DESCRIBED}
        model = plain(record["model"] or "another model")
        return {
            "tuned weights": str(self.path),
            "of": model,
            "sha256 of its weights": plain(record["weights_sha256"] or "not stated"),
            "settings": _settings_in_words(record["settings"]),
            "licence": plain(record["licence"] or "not stated"),
            "pictures": [plain(name) for name in _texts(record["pictures"])] or "not stated",
            "open it": f"--tuned {self.given}, with any command that opens {model}",
        }

    def require_weights(self, name: str, sha256: str) -> None:
        """Refuse tuned weights of other weights.

        Args:
            name: The name of the model that is opened.
            sha256: The hash of its weights.

        Raises:
            CheckpointError: If these are not the ones that were tuned.
        """
        own = plain(self.record.get("weights_sha256", ""))
        if own != sha256:
            home = plain(self.record.get("model", "another model"))
            raise CheckpointError(
                f"--tuned {self.given}: these are tuned weights of {home} ({own[:_SHOWN]}…), "
                f"not of {name} ({sha256[:_SHOWN]}…)"
            )

    def put_into(self, model: Model) -> Model:
        """Replace tensors of a network that was just opened.

        Args:
            model: The model, whose network is changed in place.

        Returns:
            The model, which knows that it is tuned.

        Raises:
            CheckpointError: If the tuned weights belong to other weights or settings, do not fit the network, are not
                finite, or the file is larger than any tuned weights of this network are.
        """
        self.require_weights(model.name, model.weights_sha256)
        self._require_settings(model)
        tensors = self._read(model.adapter.network)
        load_tuned(model.adapter.network, tensors)
        opening = replace(model.opening, tuned=self.given)
        return replace(model, opening=opening, tuned_sha256=digest(model.weights_sha256, tensors))

    def _require_settings(self, model: Model) -> None:
        """Refuse a network with other settings, whose weights may mean something else."""
        tuned, opened = self.record.get("settings"), recorded_settings(model)
        if tuned != opened:
            before, now = (_settings_in_words(settings) for settings in (tuned, opened))
            raise CheckpointError(
                f"--tuned {self.given}: {model.name} was tuned with {before}, and is opened with {now}: "
                "give the same options"
            )

    def _read(self, network: nn.Module) -> dict[str, Tensor]:
        """Read the tensors, once their names, shapes and sizes are known to fit."""
        state = network.state_dict()
        what = f"--tuned {self.given}: {self.path}"
        most = _MOST_TIMES * sum(tensor.nbytes for tensor in state.values()) + _HEADER
        try:
            if self.path.stat().st_size > most:
                raise CheckpointError(
                    f"{what} has more than {most:,} bytes, {_MOST_TIMES} times as many as the network"
                )
            shapes, _ = read_tensor_metadata(self.path)
            for name, shape in shapes.items():
                if name not in state:
                    raise CheckpointError(f"{what} holds {plain(name)}, which the network does not have")
                if shape != tuple(state[name].shape):
                    raise CheckpointError(f"{what}: {name} has shape {shape}, not {tuple(state[name].shape)}")
            tensors, _ = read_tensors(self.path)
        except (UnreadableError, OSError) as error:
            raise CheckpointError(f"{what} cannot be read: {error}") from None
        for name, tensor in tensors.items():
            if tensor.dtype not in FLOATS or not state[name].is_floating_point():
                raise CheckpointError(f"{what}: {name} is {str(tensor.dtype).removeprefix('torch.')}, not a weight")
            if not bool(torch.isfinite(tensor.to(state[name].dtype)).all()):
                raise CheckpointError(f"{what}: {name} holds numbers that are not finite; the file is damaged")
        return tensors


def refuse_tuned(path: Path) -> None:
    """Refuse to open a file of tuned weights as a model.

    Args:
        path: A file of any kind.

    Raises:
        CheckpointError: If it holds tuned weights; the message says how to open them.
    """
    found = TunedFile.recognised(path)
    if found is not None:
        home = plain(found.record.get("model", "a model"))
        raise CheckpointError(f"{path} holds tuned weights of {home}: open that model, with --tuned {path}")


def _texts(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _settings_in_words(settings: object) -> str:
    if not isinstance(settings, dict) or not settings:
        return "the usual settings"
    return ", ".join(plain(f"{name}={value}") for name, value in settings.items())


def load_tuned(network: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Replace tensors of a network, and have it recompute what it derives from them.

    Args:
        network: The network, to be changed in place.
        tensors: Tensors by the keys of its state dict.
    """
    network.load_state_dict({**network.state_dict(), **tensors})


def digest(weights_sha256: str, tensors: Mapping[str, Tensor]) -> str:
    """Hash tuned weights.

    Args:
        weights_sha256: The hash of the weights that they belong to.
        tensors: Tensors by name.

    Returns:
        64 hexadecimal digits, the same whether or not the tensors have been in a file.
    """
    result = hashlib.sha256(weights_sha256.encode())
    for name, tensor in sorted(tensors.items()):
        result.update(f"{name}\0{tensor.dtype}{tuple(tensor.shape)}".encode(errors="surrogatepass"))
        result.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
    return result.hexdigest()


def save_tuned(path: Path, tensors: Mapping[str, Tensor], record: Mapping[str, Any]) -> None:
    """Write tuned weights.

    Args:
        path: The file.
        tensors: The changed tensors, by the keys of the network's state dict.
        record: What the file shall say of itself, beside its format; `weights_sha256` and `settings` are needed to
            open it.

    Raises:
        OutputError: If the operating system refuses.
    """
    write_tensors(path, tensors, {"format": FORMAT, **record})


def recorded_settings(model: Model) -> dict[str, str]:
    """Write the settings of a model's architecture, on which the meaning of its weights depends.

    Args:
        model: The model.

    Returns:
        Texts by name; the names of classes change no weight and are left out.
    """
    chosen = {**model.card.config, **model.opening.options}
    network = {NETWORK_OPTION: chosen[NETWORK_OPTION]} if NETWORK_OPTION in chosen else {}
    settings = {**model.opening.settings, **network}
    return {name: str(value) for name, value in settings.items() if name != "classes"}


def recorded_weights(record: Mapping[str, Any]) -> dict[str, Any]:
    """Take from the record of a result the hashes of the weights that it was found with, as `Model.weights` has them.

    Args:
        record: The provenance of directions, or the like.

    Returns:
        The hashes by name; none if the record names no weights.
    """
    return {name: record[name] for name in ("weights_sha256", "tuned_sha256") if record.get(name) is not None}
