"""What every command starts from: a model that is opened in a certain way, and codes that are given or drawn."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from zoo._utils.paths import expand_home
from zoo._utils.progress import Progress, silent
from zoo._utils.untrusted.opening import why_no_file
from zoo.core.codes import Codes
from zoo.core.files.arrays import CODES
from zoo.core.files.codes import GivenCodes, codes_file
from zoo.core.files.reading import split_name
from zoo.errors import CodesError, OptionError
from zoo.models.limits import check_count, check_seed, parse_seeds
from zoo.models.model import Model
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
        tuned: Tuned weights to put in the place of some of the model's: a file, or the run folder that holds it.
    """

    space: str | None = None
    device: str = "auto"
    dtype: str = "float32"
    options: Mapping[str, Any] = field(default_factory=dict)
    tuned: str | Path | None = None

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
            tuned=self.tuned,
            progress=progress,
        )

    def choices(self) -> dict[str, Any]:
        """Return what decides the images, by the names of options; None for what is as usual."""
        dtype = None if self.dtype == "float32" else self.dtype
        return {**self.options, "space": self.space, "tuned": self.tuned, "dtype": dtype}


def command_line(
    command: Sequence[str], words: Mapping[str, Any], usual: Mapping[str, Any], options: Mapping[str, Any], model: Model
) -> str:
    """Write a command line, with how its model was opened.

    Args:
        command: How it begins, such as ``zoo analyze biggan``.
        words: The values of its options, by name; True is an option that has no value.
        usual: Those that may be left out.
        options: What ``-o`` gives, except to the architecture; None is left out.
        model: The model, which knows how it was opened.

    Returns:
        The command.
    """
    parts = list(command)
    for name, value in words.items():
        if value is True and value != usual[name]:
            parts.append(f"--{name}")
        elif value != usual[name]:
            listed = isinstance(value, Sequence) and not isinstance(value, str)
            parts += [f"--{name}", ",".join(map(str, value)) if listed else str(value)]
    for name, value in {**options, **model.opening.options}.items():
        parts += ["-o", f"{name}={value}"] if value is not None else []
    if model.opening.space is not None:
        parts += ["--space", model.opening.space]
    if model.opening.tuned is not None:
        parts += ["--tuned", model.opening.tuned]
    if model.dtype != "float32":
        parts += ["--dtype", model.dtype]
    return shlex.join(parts)


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
    """Which codes to work on: those of `codes`, else one drawn with each of `seeds`, else `samples` drawn with `seed`.

    Attributes:
        codes: Codes, or the path of a file of codes or of a run folder; None draws them.
        samples: How many codes to draw, at least 1; None is `usual`.
        seed: The seed that they are drawn with, 0 to 2**32 − 1; None is 0.
        seeds: A seed for each code, as text such as ``1,2,3`` or ``1-8`` or as numbers; see `Model.sample_seeds`.
        label: The class of a conditional model, by name or index; it also labels codes of a file.
        truncation: The truncation of drawn codes, 0 (the mean) to 2; None is the family's usual one.
        read_as: How to read an array of another project whose shape leaves it open, ``rows`` or ``codes``.
        usual: How many codes are drawn unless `samples` or `seeds` are given.
    """

    codes: Codes | Tensor | NDArray[Any] | Path | None = None
    samples: int | None = None
    seed: int | None = None
    seeds: str | Sequence[int] | None = None
    label: int | str | None = None
    truncation: float | None = None
    read_as: str | None = None
    usual: int = 1

    @property
    def given(self) -> bool:
        """Whether anything says which codes to take."""
        return any(words is not None for words in (self.codes, self.samples, self.seed, self.seeds))

    @property
    def count(self) -> int:
        """How many codes are drawn where neither `codes` nor `seeds` are given."""
        return self.usual if self.samples is None else self.samples

    @property
    def seed_or_zero(self) -> int:
        """The seed of everything that is drawn."""
        return self.seed or 0

    def choices(self) -> dict[str, Any]:
        """Return what decides the codes, by the names of options; None for what is as usual."""
        return {
            "samples": None if self.samples == self.usual else self.samples,
            "seed": self.seed or None,
            "seeds": self.seeds,
            "codes": self.codes if isinstance(self.codes, Path) else None,
            "codes-as": self.read_as,
            "label": self.label,
            "truncation": self.truncation,
        }

    def check(self) -> None:
        """Refuse what is wrong without any model.

        Raises:
            OptionError: If the number of samples or a seed is out of range, the seeds cannot be read, two options say
                which codes to take, or a truncation is given with codes; or if there is no such reading.
            CodesError: If there is no file of codes at the path.
        """
        check_count("--samples", self.count)
        check_seed(self.seed_or_zero)
        if self.seeds is not None:
            parse_seeds(self.seeds)
            for option, value in {"--codes": self.codes, "--samples": self.samples, "--seed": self.seed}.items():
                if value is not None:
                    raise OptionError(f"{option} and --seeds both say which codes to take: leave one of them out")
        if self.codes is not None and self.samples is not None:
            raise OptionError("--codes and --samples both say which codes to take: leave one of them out")
        if self.codes is not None:
            self.refuse_truncation("those of --codes")
        CODES.check_reading(self.read_as)
        if isinstance(self.codes, Path) and (obstacle := why_no_file(split_name(codes_file(self.codes))[0])):
            raise CodesError(f"cannot read codes from {self.codes}: {obstacle}")

    def refuse_truncation(self, codes: str) -> None:
        """Refuse a truncation where no codes are drawn.

        Args:
            codes: Which codes are taken instead.

        Raises:
            OptionError: If there is a truncation.
        """
        if self.truncation is not None:
            raise OptionError(f"--truncation {self.truncation:g} is of codes that are drawn, but {codes} are taken")

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
        self.check()
        if self.codes is not None:
            return model.take_codes(self.codes, label=self.label, read_as=self.read_as)
        if self.seeds is not None:
            return model.sample_seeds(parse_seeds(self.seeds), label=self.label, truncation=self.truncation)
        if generator is None:
            generator = torch.Generator().manual_seed(self.seed_or_zero)
        return model.draw(self.count, generator, label=self.label, truncation=self.truncation)


def codes_command(
    command: Sequence[str], codes: CodesRequest, words: Mapping[str, Any], usual: Mapping[str, Any], model: Model
) -> str | None:
    """Write a command line that works on codes, as `command_line` does; None is left out of its words.

    Args:
        command: How the line begins.
        codes: The codes.
        words: The values of other options, by their names.
        usual: The values that are left out.
        model: The model.

    Returns:
        The command; None for codes from Python, which no command can name.
    """
    if codes.codes is not None and not isinstance(codes.codes, Path):
        return None
    words = {**words, **codes.choices()}
    return command_line(command, words, {**dict.fromkeys(words), **usual}, {}, model)


def as_path(codes: GivenCodes | None) -> Codes | Tensor | NDArray[Any] | Path | None:
    """Turn the text of a path into a path.

    Args:
        codes: Codes, an array of them, the path of a file of codes, or None.

    Returns:
        The same, but for text, and with the home folder in place of ``~``.
    """
    return expand_home(codes) if isinstance(codes, str | Path) else codes
