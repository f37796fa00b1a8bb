"""What every command starts from: a model that is opened in a certain way, and codes that are given or drawn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from zoo._utils.files import is_file
from zoo._utils.progress import Progress, silent
from zoo.core.codes import Codes
from zoo.errors import CodesError
from zoo.models.model import Model, check_count, check_seed
from zoo.models.opening import open_model
from zoo.registry.cards import Card, is_file_name
from zoo.registry.registry import Installation


@dataclass(frozen=True, kw_only=True)
class OpeningRequest:
    """How a model is opened.

    Attributes:
        space: The latent space; None is the family's usual one.
        device: Where the network computes, such as ``cpu`` or ``cuda:1``; ``auto`` is CUDA where there is one.
        dtype: The type that it computes in, ``float32`` or ``float64``.
        options: Options of the architecture, by name.
    """

    space: str | None = None
    device: str = "auto"
    dtype: str = "float32"
    options: Mapping[str, Any] = field(default_factory=dict)

    def open(self, name: str | Path, installation: Installation, progress: Progress = silent) -> Model:
        """Open a model in this way.

        Args:
            name: The name of a card, or the path of a weights file.
            installation: The plugins and the registry.
            progress: Called while weights are fetched and the network is built.

        Returns:
            The model.

        Raises:
            ZooError: Whatever `zoo.models.opening.open_model` raises.
        """
        return open_model(
            name,
            installation,
            space=self.space,
            device=self.device,
            dtype=self.dtype,
            options=self.options,
            progress=progress,
        )


# A model is opened so unless something else is asked for.
USUAL_OPENING = OpeningRequest()


def card_by_name(name: str | Path, installation: Installation) -> Card | None:
    """Look up the card of a model without opening it; a weights file has none before it is read.

    Args:
        name: The name of a card, or the path of a weights file.
        installation: The plugins and the registry.

    Returns:
        The card, or None for a weights file.

    Raises:
        UnknownNameError: If no card has that name.
    """
    return None if is_file_name(str(name)) else installation.registry.resolve(str(name))


@dataclass(frozen=True, kw_only=True, eq=False)
class CodesRequest:
    """Which codes to work on: those of `codes`, or else `samples` drawn with `seed`.

    Attributes:
        codes: Codes, or the path of a file of codes; None draws them.
        samples: How many codes to draw, at least 1.
        seed: The seed that they are drawn with, 0 to 2**32 − 1.
        label: The class of a conditional model, by name or index; it also labels codes of a file.
        truncation: The truncation of drawn codes, 0 (the mean) to 2; None is the family's usual one.
    """

    codes: Codes | Path | None = None
    samples: int = 1
    seed: int = 0
    label: int | str | None = None
    truncation: float | None = None

    def check(self) -> None:
        """Refuse what is wrong without any model.

        Raises:
            OptionError: If the number of samples or the seed is out of range.
            CodesError: If there is no file of codes at the path.
        """
        check_count("--samples", self.samples)
        check_seed(self.seed)
        if isinstance(self.codes, Path) and not is_file(self.codes):
            raise CodesError(f"cannot read codes from {self.codes}: there is no such file")

    def take(self, model: Model, generator: torch.Generator | None = None) -> Codes:
        """Read the codes that were given, or draw them.

        Args:
            model: The model whose codes they are.
            generator: Draws the codes; None makes one from `seed`.

        Returns:
            Codes on the model's device and in its type.

        Raises:
            CodesError: If given codes cannot be read, or do not fit the model.
            OptionError: If something is out of range, or the model takes no label.
            UnknownNameError: If the model has no class of that name.
        """
        if self.codes is not None:
            return model.take_codes(self.codes, label=self.label)
        if generator is None:
            generator = torch.Generator().manual_seed(check_seed(self.seed))
        return model.draw(self.samples, generator, label=self.label, truncation=self.truncation)


def as_path(codes: Codes | str | Path | None) -> Codes | Path | None:
    """Turn the text of a path into a path.

    Args:
        codes: Codes, the path of a file of codes, or None.

    Returns:
        The same, but for text.
    """
    return Path(codes) if isinstance(codes, str) else codes
