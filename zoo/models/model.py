"""A model: a card, the adapter built from its weights, and what both know together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, overload

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from zoo._utils.html_repr import facts_html
from zoo._utils.paths import expand_home
from zoo._utils.progress import Progress, silent
from zoo.core.adapter import Adapter
from zoo.core.channels import CHANNELS
from zoo.core.codes import Codes, join
from zoo.core.files.codes import GivenCodes, latents_from_array, load_codes, save_codes
from zoo.core.files.reading import to_tensor
from zoo.core.region import Region, parse_region
from zoo.errors import CodesError, OptionError, few_names
from zoo.models.choices import OpeningChoices
from zoo.models.limits import check_count, check_seed, check_truncation, find_class
from zoo.models.rendering import render_as
from zoo.registry.cards import Card


@dataclass(frozen=True, eq=False)
class Model:
    """A generator ready to use.

    Attributes:
        card: Its card.
        adapter: The network.
        weights_sha256: The hash of the weights file that the network was built from.
        layout: The public file format of the weights.
        opening: What was chosen when it was opened.
        assumed: Settings on which its images depend and that neither the file nor anybody told, with assumed values.
        tuned_sha256: The hash of the tuned weights that took the place of some of the file's; None for none.
    """

    card: Card
    adapter: Adapter
    weights_sha256: str
    layout: str
    opening: OpeningChoices
    assumed: Mapping[str, Any] = field(default_factory=dict)
    tuned_sha256: str | None = None

    def __repr__(self) -> str:
        tuned = ", tuned" if self.tuned_sha256 else ""
        return f"Model({self.name}: {self.adapter.space}, {self.dtype} on {self.adapter.device}{tuned})"

    def _repr_html_(self) -> str:
        """Show a notebook what the model is and on which terms it may be used."""
        height, width = self.adapter.resolution
        facts = {
            "summary": self.card.summary,
            "adapter": self.card.adapter,
            "images": f"{height} x {width}, {CHANNELS[self.adapter.channels]}",
            "codes": self.adapter.space,
            "classes": few_names(self.adapter.classes),
            "licence": self.card.licence,
            "network": f"{self.dtype} on {self.adapter.device}" + (", tuned" if self.tuned_sha256 else ""),
        }
        return facts_html(f"Model {self.name}", facts)

    @property
    def name(self) -> str:
        """The model's full name."""
        return self.card.name

    @property
    def weights(self) -> dict[str, str]:
        """The hashes of the network's weights, as everything that is found with it records them."""
        tuned = {} if self.tuned_sha256 is None else {"tuned_sha256": self.tuned_sha256}
        return {"weights_sha256": self.weights_sha256, **tuned}

    @property
    def dtype(self) -> str:
        """The name of the dtype that the network computes in, such as ``float32``."""
        return str(self.adapter.dtype).removeprefix("torch.")

    def region(self, text: str, *, opens_files: bool = True) -> Region:
        """Parse a region of this model's images.

        Args:
            text: The region in the region language; names are those of the model's card and the common ones.
            opens_files: Whether it may name masks; pass False for a text that comes from a file.

        Returns:
            The region, at the model's resolution.

        Raises:
            RegionError: If the text cannot be parsed, or the region leaves the image or is empty.
            UnknownNameError: For a name that is not there.
        """
        return parse_region(text, self.adapter.resolution, self.card.regions, opens_files=opens_files)

    def sample(
        self, count: int, seed: int = 0, *, label: int | str | None = None, truncation: float | None = None
    ) -> Codes:
        """Draw codes.

        Args:
            count: How many, from 1 to 100,000.
            seed: From 0 to 2**32 - 1.
            label: A class's name or index; None draws the classes too, if the model has any.
            truncation: The truncation ψ, 0 or more; None stands for none.

        Returns:
            The codes, of the network's dtype and on its device.

        Raises:
            OptionError: If a number is out of range, or for a label where the model is not conditional.
            UnknownNameError: For the name of a class that is not there.
        """
        return self.draw(count, torch.Generator().manual_seed(check_seed(seed)), label=label, truncation=truncation)

    def sample_seeds(
        self, seeds: Sequence[int], *, label: int | str | None = None, truncation: float | None = None
    ) -> Codes:
        """Draw one code with each of some seeds: the first one that `sample` draws with it.

        Args:
            seeds: The seeds, each from 0 to 2**32 - 1.
            label: See `sample`; None draws each code's class with its seed too.
            truncation: See `sample`.

        Returns:
            The codes, in the order of `seeds`, which they keep.

        Raises:
            OptionError: See `sample`.
            UnknownNameError: See `sample`.
        """
        drawn = [self.sample(1, seed, label=label, truncation=truncation) for seed in seeds]
        return replace(join(drawn), seeds=tuple(seeds))

    def draw(
        self,
        count: int,
        generator: torch.Generator,
        *,
        label: int | str | None = None,
        truncation: float | None = None,
    ) -> Codes:
        """Draw codes with a generator.

        Args:
            count: How many, from 1 to 100,000.
            generator: A random generator on the CPU.
            label: See `sample`.
            truncation: See `sample`.

        Returns:
            The codes, of the network's dtype and on its device.

        Raises:
            OptionError: See `sample`.
            UnknownNameError: See `sample`.
        """
        check_count("--samples", count)
        check_truncation(truncation)
        labels = None if label is None else torch.full((count,), self.label_index(label))
        codes = self.adapter.sample(count, generator, labels, truncation)
        return codes.to(self.adapter.device, self.adapter.dtype)

    def label_index(self, label: int | str) -> int:
        """Find a class.

        Args:
            label: Its name, in any case if that is unambiguous, or its index.

        Returns:
            Its index.

        Raises:
            OptionError: If the model has no classes, or the index is out of range.
            UnknownNameError: If no class has the name.
        """
        return find_class(self.name, self.adapter.classes, label)

    def code_name(self, codes: Codes, index: int) -> str:
        """Name one of some codes for a caption.

        Args:
            codes: Codes of this model.
            index: Which of them.

        Returns:
            Its index, or its seed if each code has another one, and its class if any, such as ``code 3, sorrel``.
        """
        name = f"code {index}" if codes.naming_seeds is None else f"seed {codes.naming_seeds[index]}"
        return name + ("" if codes.labels is None else f", {self.adapter.classes[int(codes.labels[index])]}")

    def read_codes(self, path: str | Path, *, label: int | str | None = None, read_as: str | None = None) -> Codes:
        """Read codes from a file and check them against this model's space.

        Args:
            path: A file of `save_codes`, or of another project: see `zoo.core.load_codes`.
            label: The class of all of them, a name or an index, if the network needs one.
            read_as: ``rows`` or ``codes``, for an array (layers, dim) of another project.

        Returns:
            The codes, normalised as the network's own are, of its dtype and on its device.

        Raises:
            CodesError: If the file cannot be read, or its codes are of another space or shape.
            OptionError: For a label where the space or the model takes none, or a reading that there is not.
            UnknownNameError: For the name of a class that is not there.
        """
        codes, metadata = load_codes(expand_home(path), space=self.adapter.space, read_as=read_as)
        space = metadata.get("space", {}).get("name") if isinstance(metadata.get("space"), dict) else None
        if space not in (None, self.adapter.space.name):
            raise CodesError(f"{path} holds codes of the space {space}, but the model's is {self.adapter.space}")
        return self._ready(codes, str(path), label)

    def _ready(self, codes: Codes, origin: str, label: int | str | None) -> Codes:
        """Label, check and normalise codes from elsewhere."""
        if label is not None and self.adapter.classes and not self.adapter.needs_labels:
            raise OptionError(
                f"--label {label}: codes of {self.adapter.space} were made with their class: leave it out"
            )
        if label is not None:
            codes = replace(codes, labels=torch.full((len(codes),), self.label_index(label)))
        codes = codes.to(self.adapter.device, self.adapter.dtype)
        self.adapter.check(codes, origin)
        return self.adapter.normalize(codes)

    def take_codes(self, codes: GivenCodes, *, label: int | str | None = None, read_as: str | None = None) -> Codes:
        """Take codes from a caller, checked and ready for the network.

        Args:
            codes: Codes, the path of a file of codes, or an array (n, dim) or (n, layers, dim).
            label: See `read_codes`; codes have their own.
            read_as: See `read_codes`.

        Returns:
            The codes, of the network's dtype and on its device.

        Raises:
            ZooError: See `read_codes`.
        """
        if isinstance(codes, str | Path):
            return self.read_codes(codes, label=label, read_as=read_as)
        if not isinstance(codes, Codes):
            latents = latents_from_array(to_tensor(codes, "codes="), self.adapter.space, "codes=", read_as)
            return self._ready(Codes(latents), "codes=", label)
        moved = codes.to(self.adapter.device, self.adapter.dtype)
        self.adapter.check(moved, "codes=")
        return moved

    @overload
    def render(self, codes: GivenCodes, *, progress: Progress = ..., to: Literal["tensor"] = "tensor") -> Tensor: ...
    @overload
    def render(self, codes: GivenCodes, *, progress: Progress = ..., to: Literal["numpy"]) -> NDArray[np.uint8]: ...
    @overload
    def render(self, codes: GivenCodes, *, progress: Progress = ..., to: Literal["pil"]) -> list[Image.Image]: ...
    def render(self, codes: GivenCodes, *, progress: Progress = silent, to: str = "tensor") -> Any:
        """Render codes, without derivatives.

        Args:
            codes: See `take_codes`.
            progress: Called after each batch.
            to: What to return: ``tensor``, ``numpy`` or ``pil``.

        Returns:
            Images (n, channels, h, w) on the CPU, in the network's type, nominally in [-1, 1] and not clamped; or an
            array (n, h, w, channels) of uint8; or n pictures of Pillow.

        Raises:
            OptionError: If `to` is something else.
            ZooError: See `take_codes`; or if an image is not finite.
        """
        return render_as(to, self.name, self.adapter, self.take_codes(codes), progress=progress)

    def save_codes(self, path: Path, codes: Codes, command: str | None = None) -> None:
        """Write codes of this model to a file that names the model and its space.

        Args:
            path: The file.
            codes: The codes.
            command: The command line that writes the same again, if there is one.

        Raises:
            OutputError: If the operating system refuses.
        """
        tuned = {} if self.tuned_sha256 is None else {"tuned_sha256": self.tuned_sha256}
        told = {} if command is None else {"command": command}
        save_codes(path, codes, {"model": self.name, "space": self.adapter.space.as_json(), **tuned, **told})
