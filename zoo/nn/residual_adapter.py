"""Adapters of residual generators that read a normal code z and a class.

Their network is `zoo.nn.ResidualGenerator`, and `zoo.nn.ResidualConverter` converts files to its keys.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isqrt
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from zoo.checkpoints.keys import count_keys
from zoo.checkpoints.loading import build_module
from zoo.core.adapter import Adapter, Projection, State
from zoo.core.codes import Codes, LatentSpace
from zoo.core.options import Settings, name_classes
from zoo.core.region import Region
from zoo.core.sampling import draw_labels, draw_normal, truncated
from zoo.errors import CodesError, unknown_name
from zoo.nn.layer_names import name_resolutions
from zoo.nn.placement import to_device
from zoo.nn.residual_block import BlockSpec, ConditionalNorm
from zoo.nn.residual_network import ResidualGenerator
from zoo.nn.window import Patch, Window


class ResidualSettings(Settings):
    """What a residual network's file says beside the weights and the options."""

    shared: bool = False


class ResidualAdapter(Adapter):
    """A generator of residual blocks, with codes z.

    Families set `family`, `layouts` and `epsilon`, and define `tiny`.

    Args:
        network: the network; it is put into evaluation mode, and its parameters need no gradient.
        classes: names of the network's classes; else they are numbered.

    Attributes:
        family: the family's name in messages.
        norm: the type of the normalisations.
        epsilon: what normalisations add to variances, unless the config has an `epsilon`.
        last_epsilon: the same of the last normalisation, which no option changes; None where it is no other one.
    """

    family: ClassVar[str]
    settings: ClassVar[type[Settings]] = ResidualSettings
    norm: ClassVar[type[ConditionalNorm]] = ConditionalNorm
    epsilon: ClassVar[float]
    last_epsilon: ClassVar[float | None] = None
    network: ResidualGenerator

    def __init__(self, network: ResidualGenerator, classes: Sequence[str] = ()) -> None:
        self.network = network.eval().requires_grad_(False)
        self.classes = name_classes(classes, network.classes)
        self.space = LatentSpace("z", network.dim)
        self.resolution = (network.img_resolution, network.img_resolution)
        self.channels = network.img_channels

    @classmethod
    def load(
        cls,
        state: State,
        config: Mapping[str, Any],
        *,
        space: str | None = None,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> Self:
        """Build the adapter from the keys of `zoo.nn.ResidualGenerator`, whose shapes give the sizes.

        Args:
            state: the canonical state.
            config: `shared`, whether every block reads the whole code, and the family's options.
            space: "z", the default.
            device: where the network computes.
            dtype: in which type.

        Returns:
            The adapter.

        Raises:
            CheckpointError: if the state does not fit.
            UnknownNameError: for any other space.
        """
        if space not in {None, "z"}:
            raise unknown_name(f"space of a {cls.family}", str(space), ["z"])
        network = build_module(lambda: cls._build_network(state, config), state, f"the {cls.family} file")
        return cls(to_device(network, device, dtype), config.get("classes", ()))

    @classmethod
    def _build_network(cls, state: State, config: Mapping[str, Any]) -> ResidualGenerator:
        """Build the network whose sizes a canonical state and its config give; its weights are not filled in."""
        if empty := [key for key, tensor in state.items() if not tensor.numel()]:
            raise ValueError(f"{empty[0]} is empty")
        count = count_keys(state, r"blocks\.\d+\.conv2\.weight")
        specs = [_block_spec(state, f"blocks.{index}") for index in range(count)]
        # The first layer makes in_channels · bottom_width² numbers.
        start_outputs, start_inputs = state["start.weight"].shape
        shared_code = bool(config.get("shared"))
        classes, embedding_dim = state["embed"].shape if "embed" in state else (0, 0)
        # A gain is (channels, embedding_dim + chunk_dim).
        gain = state.get("blocks.0.norm1.gain")
        return ResidualGenerator(
            specs,
            isqrt(start_outputs // specs[0].in_channels),
            first_dim=start_inputs - embedding_dim * shared_code,
            chunk_dim=0 if gain is None else gain.shape[1] - embedding_dim,
            shared_code=shared_code,
            classes=classes,
            embedding_dim=embedding_dim,
            norm=cls.norm,
            epsilon=float(config.get("epsilon", cls.epsilon)),
            last_epsilon=cls.last_epsilon,
            img_channels=len(state["colour.weight"]),
        )

    def sample(
        self,
        count: int,
        generator: torch.Generator,
        labels: Tensor | None = None,
        truncation: float | None = None,
    ) -> Codes:
        """Draw z from a standard normal distribution.

        Args:
            count: how many codes.
            generator: the source of random numbers, on the CPU.
            labels: (count,), or None to draw them uniformly.
            truncation: the bound of the truncated normal distribution (Brock et al., ICLR 2019, section 3.1): numbers
                lie within ± truncation. It is reached by a monotone map of each number, so that the codes of a seed
                resemble each other at all truncations.

        Returns:
            The codes.
        """
        z, labels = self._draw(count, generator, labels)
        return Codes(z if truncation is None else truncated(z, truncation), labels, truncation)

    def _draw(self, count: int, generator: torch.Generator, labels: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Draw standard normal numbers (count, dim), and, where there are classes, labels if none are given."""
        if not self.classes:
            return draw_normal(count, self.space.dim, generator), labels
        z, drawn = draw_labels(count, self.space.dim, len(self.classes), generator)
        return z, drawn if labels is None else labels

    def projections(self) -> list[Projection]:
        """List the weights that read the code.

        Layer 0 is the first map's. Layer i + 1 holds the weights of the gains and biases in block i. Columns of the
        class are cut off, and columns of numbers that the layer does not read are zero.

        Returns:
            A projection for the first map, and one for each block that reads the code.
        """
        network = self.network
        first = self._stack_rows([network.start.weight], 0, network.first_dim)
        layers = [first]
        if network.shared_code or network.chunk_dim:
            width = network.first_dim if network.shared_code else network.chunk_dim
            for index, block in enumerate(network.blocks):
                norms = [module for module in block.modules() if isinstance(module, ConditionalNorm)]
                weights = [weight for norm in norms for weight in (norm.gain, norm.bias) if weight is not None]
                offset = 0 if network.shared_code else network.first_dim + index * width
                layers.append(self._stack_rows(weights, offset, width))
        return [Projection(layer, weight) for layer, weight in enumerate(layers)]

    def layer_names(self) -> dict[str, tuple[int, ...]]:
        """Name the layers after the size of the maps that they compute.

        Returns:
            The layers by names such as ``8x8``: the first map's, and those of the blocks that read the code.
        """
        network = self.network
        reading = len(network.blocks) if network.shared_code or network.chunk_dim else 0
        return name_resolutions(network.sides()[: 1 + reading])

    def _stack_rows(self, weights: Sequence[Tensor], offset: int, width: int) -> Tensor:
        """Stack the rows of weights whose last `width` columns read z[offset : offset + width]: (rows, dim)."""
        # The columns before the last `width` read the class.
        rows = torch.cat([weight[:, -width:] for weight in weights])
        return torch.nn.functional.pad(rows, (offset, self.space.dim - offset - width))

    def synthesize(self, codes: Codes) -> Tensor:
        """Render whole images.

        Args:
            codes: n codes z.

        Returns:
            (n, channels, height, width) in [-1, 1].

        Raises:
            CodesError: for codes of a conditional network without labels.
        """
        return self._render(codes, None)

    def region_output(self, codes: Codes, region: Region) -> Tensor:
        """Render a region, computing only the windows that it needs; attention needs the whole maps before it.

        Args:
            codes: n codes z.
            region: p pixels of the image.

        Returns:
            (n, channels, p), in row-major order.

        Raises:
            CodesError: for codes of a conditional network without labels.
        """
        window = Window.around(region)
        return Patch(self._render(codes, window), window).pixels(region)

    def _render(self, codes: Codes, window: Window | None) -> Tensor:
        if self.classes and codes.labels is None:
            raise CodesError(f"this {self.family} is conditional: its codes need labels")
        images: Tensor = self.network(codes.latents, codes.labels, window, codes.truncation)
        return images


def _block_spec(state: State, key: str) -> BlockSpec:
    """Infer a block's structure from the shapes of its weights."""
    conv1 = state[f"{key}.conv1.weight"].shape
    narrow = state.get(f"{key}.narrow.conv.weight")
    # A transposed convolution has 4x4 taps, and its inputs come first: (in, out, 4, 4).
    upsample = conv1[-1] == 4
    if narrow is None:
        in_channels = conv1[0 if upsample else 1]
        out_channels = state[f"{key}.conv2.weight"].shape[0]
    else:
        in_channels = narrow.shape[1]
        out_channels = state[f"{key}.widen.conv.weight"].shape[0]
    return BlockSpec(
        in_channels,
        out_channels,
        bottleneck=None if narrow is None else narrow.shape[0],
        upsample=upsample,
        shortcut=f"{key}.shortcut.weight" in state,
        attention=f"{key}.attention.query" in state,
    )
