"""The adapter contract: one adapter object is one generator network in one latent space."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from zoo.core.codes import Codes, LatentSpace, check_codes
from zoo.core.layers import LayerNames
from zoo.core.options import Settings
from zoo.core.region import Region
from zoo.errors import CodesError, LayersError

# The tensors of a weights file, by key.
State = dict[str, Tensor]


@dataclass(frozen=True, eq=False)
class Projection:
    """The weight by which one layer of a network reads the latent code.

    Attributes:
        layer: the row of the code that the layer reads, counted from 0.
        weight: (out, dim), the *effective* weight: learning-rate multipliers are applied, it is divided by its spectral
            norm where the network normalises it, and columns that read a class embedding are cut off.
        geometric: whether the layer turns or shifts the whole image, like the input layer of StyleGAN3. Analyses leave
            such a projection out unless its layer is chosen explicitly.
    """

    layer: int
    weight: Tensor
    geometric: bool = False


@dataclass(frozen=True)
class Layout:
    """One public file format of a family of networks.

    zoo finds networks by the `required_keys`, wherever in the file they are, and gives both functions the network
    without its prefix. `meta` is what the file holds besides tensors, such as constructor arguments in a pickle; it is
    empty where there is nothing.

    Attributes:
        name: the name of the format, unique within the family.
        convert: ``convert(state, meta)`` returns the family's canonical state and the config for `Adapter.load`.
        required_keys: keys that every network of this layout has, without the network's prefix. The documentation
            lists them, and so does the error for a file that fits no layout. Without any, the functions are given the
            whole file.
        detect: ``detect(state, meta)`` returns whether a network that has the required keys has this layout; None if
            the keys decide.
        about: one line on whose files these are, for the documentation.
        keys_beside: keys of tensors that stand beside the network, or beside what holds it, instead of inside; the
            functions get them too.
        averaged: whether all files of this layout hold averaged (EMA) weights although their keys do not say so.
    """

    name: str
    convert: Callable[[State, Mapping[str, Any]], tuple[State, dict[str, Any]]]
    _: KW_ONLY
    required_keys: tuple[str, ...] = ()
    detect: Callable[[State, Mapping[str, Any]], bool] | None = None
    about: str = ""
    keys_beside: tuple[str, ...] = ()
    averaged: bool = False

    def fits(self, state: State, meta: Mapping[str, Any]) -> bool:
        """Tell whether a network has this layout. A `detect` that fails means that it has not.

        Args:
            state: the network's tensors, by their keys without the network's prefix.
            meta: its plain values, likewise.

        Returns:
            Whether all required keys are there and `detect` agrees.
        """
        if not all(key in state for key in self.required_keys):
            return False
        try:
            return self.detect is None or self.detect(state, meta)
        except (LookupError, TypeError, ValueError, AttributeError):
            return False


class Adapter(ABC):
    """A generator in one latent space.

    Subclasses set the instance attributes and define `load`, `tiny`, `sample`, `projections` and `synthesize`.

    Attributes:
        layouts: the file formats that the family can be read from.
        settings: the types and bounds of what the layouts put into the config beside the options; none by default.
        network: the network, in evaluation mode. What it derives from its weights ahead of time, its `load_state_dict`
            recomputes; while the weights need gradients, `synthesize` computes it anew, so that they can be tuned.
        space: the latent space that the codes are in.
        resolution: (height, width) of the images, in pixels.
        channels: how many the images have: 1 (grey), 3 (RGB, the default) or 4 (RGBA, straight alpha, of which -1 is
            transparent and 1 opaque).
        classes: the names of the classes of a conditional network; empty for any other.
    """

    layouts: ClassVar[Sequence[Layout]] = ()
    settings: ClassVar[type[Settings]] = Settings
    network: nn.Module
    space: LatentSpace
    resolution: tuple[int, int]
    channels: int = 3
    classes: tuple[str, ...] = ()

    @classmethod
    @abstractmethod
    def load(
        cls,
        state: State,
        config: Mapping[str, Any],
        *,
        space: str | None = None,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> Self:
        """Build the network from a canonical state.

        Args:
            state: the tensors, with the keys that `Layout.convert` gives them.
            config: what the layout, the model card and the user's options say, by the types of `settings` and options.
            space: the latent space to analyse; None is the family's usual one.
            device: the device to put the network on.
            dtype: the floating point type to compute in.

        Returns:
            The adapter of the loaded network.

        Raises:
            CheckpointError: the state does not fit the network.
            UnknownNameError: the family has no such space.
        """

    @classmethod
    @abstractmethod
    def tiny(cls, seed: int) -> Self:
        """Build a small untrained network without any download.

        Args:
            seed: determines the weights; the same seed gives the same network.

        Returns:
            The adapter of the network, for tests.
        """

    @abstractmethod
    def sample(
        self,
        count: int,
        generator: torch.Generator,
        labels: Tensor | None = None,
        truncation: float | None = None,
    ) -> Codes:
        """Draw codes on the CPU, so that a seed gives the same codes on every device and in every dtype.

        Args:
            count: the number of codes.
            generator: a CPU generator; the only source of randomness.
            labels: (count,) class indices. A conditional network draws labels itself when this is None.
            truncation: the strength of the truncation trick, from 0 (the mean) to 2; None and 1 draw untruncated.

        Returns:
            `count` codes of `space`, in float32 on the CPU (w is computed on the network's device).
        """

    @abstractmethod
    def projections(self) -> Sequence[Projection]:
        """Return the weights that read the latent code, by layer: the matrices that SeFa factorizes.

        Returns:
            The projections; empty for a network without any in this space.
        """

    @abstractmethod
    def synthesize(self, codes: Codes) -> Tensor:
        """Render codes deterministically, with plain torch operations that have forward- and reverse-mode derivatives.

        Args:
            codes: n codes on the network's device and in its dtype.

        Returns:
            (n, channels, height, width) images, nominally in [-1, 1]. They are not clamped, as clamping has no
            derivative.
        """

    def region_output(self, codes: Codes, region: Region) -> Tensor:
        """Render only a region of the image.

        The default renders the whole image and cuts it. A family may override this to compute less.

        Args:
            codes: n codes on the network's device and in its dtype.
            region: the p pixels to render.

        Returns:
            (n, channels, p), the pixels in row-major order.
        """
        images = self.synthesize(codes).flatten(2)
        if region.whole:
            return images
        return images[..., torch.from_numpy(region.pixels).to(images.device)]

    def move(self, codes: Codes, delta: Tensor, layers: Sequence[int] | None = None) -> Codes:
        """Add `delta` to every code, and change nothing else.

        Args:
            codes: n codes of `space`.
            delta: (dim,), what is added to each row; or (layers, dim), what is added to each of them.
            layers: the rows of the codes to move; None moves all rows. Must be None in a space with a single row.

        Returns:
            The moved codes.

        Raises:
            CodesError: `delta` has another shape.
            LayersError: the space has a single row and `layers` is given, or a row does not exist.
        """
        if tuple(delta.shape) not in {(self.space.dim,), self.space.shape}:
            raise CodesError(f"a move in {self.space} has shape ({self.space.dim},), not {tuple(delta.shape)}")
        if self.space.layers == 1:
            if layers is not None:
                raise LayersError(f"{self.space} has a single row: a code cannot be moved in some layers only")
            return replace(codes, latents=codes.latents + delta)
        chosen = range(self.space.layers) if layers is None else layers
        if not chosen or min(chosen) < 0 or max(chosen) >= self.space.layers:
            raise LayersError(f"layers {list(chosen)} are not within the rows of {self.space}")
        # A factor of 0 or 1 for each row: vmap does not allow in-place additions of a batched delta to some rows.
        rows = torch.zeros(self.space.layers, 1, dtype=delta.dtype, device=delta.device)
        rows[list(chosen)] = 1
        return replace(codes, latents=codes.latents + rows * delta)

    def layer_names(self) -> LayerNames:
        """Name layers as the family's users call them, so that ``--layers coarse,64x64`` can be written.

        Layers are counted as `Projection.layer` counts them, and as the rows of codes with several rows.

        Returns:
            The layers by name, in ascending order: a name may stand for several layers, and a layer may have several
            names. Where some are called ``coarse``, ``middle`` and ``fine``, the report shows directions on these. The
            default names none.
        """
        return {}

    def normalize(self, codes: Codes) -> Codes:
        """Bring codes from a file into the form in which `sample` draws them.

        The default returns them unchanged. Families whose network normalises the code (PGGAN) override this.

        Args:
            codes: codes as they were read.

        Returns:
            The normalised codes.
        """
        return codes

    @property
    def needs_labels(self) -> bool:
        """Whether `synthesize` reads labels; False where the mapping network has already read them."""
        return bool(self.classes)

    def check(self, codes: Codes, origin: str) -> None:
        """Check that codes fit this network.

        Args:
            codes: the codes to check.
            origin: where they come from; the error message begins with it.

        Raises:
            CodesError: they have another shape, lack labels or are not finite.
        """
        check_codes(codes, self.space, origin, classes=len(self.classes), needs_labels=self.needs_labels)

    @property
    def device(self) -> torch.device:
        """The device that the network is on."""
        return next(self.network.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """The floating point type that the network computes in."""
        return next(self.network.parameters()).dtype
