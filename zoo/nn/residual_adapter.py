"""Families of residual generators that read a normal code z and a class: how they are opened, drawn from and rendered.

Their network is `zoo.nn.ResidualGenerator`; `zoo.nn.residual_conversion` converts files to its keys.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isqrt
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from zoo.checkpoints.conversion import count_keys
from zoo.checkpoints.loading import build_module
from zoo.core.adapter import Adapter, Projection, State
from zoo.core.codes import Codes, LatentSpace, draw_labels, draw_normal, truncated
from zoo.core.options import name_classes
from zoo.core.region import Region
from zoo.errors import CodesError, unknown_name
from zoo.nn.residual_network import BlockSpec, ConditionalNorm, ResidualGenerator
from zoo.nn.window import Patch, Window


class ResidualAdapter(Adapter):
    """A generator of residual blocks. Its space z is the whole code; what each block reads is a layer of projections.

    Families set `family`, `layouts` and the epsilons of their normalisations, and define `tiny`.
    """

    family: ClassVar[str]
    norm: ClassVar[type[ConditionalNorm]] = ConditionalNorm
    epsilon: ClassVar[float]
    """What normalisations add to variances, unless a config says otherwise."""
    last_epsilon: ClassVar[float | None] = None
    """The same of the last one, where it is another."""
    network: ResidualGenerator

    def __init__(self, network: ResidualGenerator, classes: Sequence[str] = ()) -> None:
        self.network = network.eval().requires_grad_(False)
        self.classes = name_classes(classes, network.classes)
        self.space = LatentSpace("z", network.dim)
        self.resolution = (network.side, network.side)

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
        """Build from the keys of `zoo.nn.ResidualGenerator`, whose shapes tell its sizes.

        config says whether the code is `shared`, and holds the family's options. Raises what `Adapter.load` does.
        """
        if space not in {None, "z"}:
            raise unknown_name(f"space of a {cls.family}", str(space), ["z"])
        network = build_module(lambda: cls._sized(state, config), state, f"the {cls.family} file")
        return cls(network.to(device, dtype), config.get("classes", ()))

    @classmethod
    def _sized(cls, state: State, config: Mapping[str, Any]) -> ResidualGenerator:
        """Build the network of the sizes that a canonical state tells."""
        if empty := [key for key, tensor in state.items() if not tensor.numel()]:
            raise ValueError(f"{empty[0]} is empty")
        plans = [_plan(state, f"blocks.{index}") for index in range(count_keys(state, r"blocks\.\d+\.conv2\.weight"))]
        (rows, wide), shared = state["start.weight"].shape, bool(config.get("shared"))
        classes, embedding = state["embed"].shape if "embed" in state else (0, 0)
        gain = state.get("blocks.0.norm1.gain")
        return ResidualGenerator(
            plans,
            isqrt(rows // plans[0].inputs),
            first=wide - embedding * shared,
            chunk=0 if gain is None else gain.shape[1] - embedding,
            shared=shared,
            classes=classes,
            embedding=embedding,
            norm=cls.norm,
            epsilon=float(config.get("epsilon", cls.epsilon)),
            last_epsilon=cls.last_epsilon,
        )

    def sample(
        self,
        count: int,
        generator: torch.Generator,
        labels: Tensor | None = None,
        truncation: float | None = None,
    ) -> Codes:
        """Draw z from a standard normal, cut off at ± `truncation` (Brock et al., §3.1); labels are uniform by default.

        The cut distribution is reached by a monotone map of each number, so that a seed's codes at all truncations
        resemble each other.
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
        """Return the weights that read the code, or a part of it, the other columns zero; class columns are cut off.

        Layer 0 makes the first map, layer i + 1 is made of block i's gains and biases.
        """
        network = self.network
        layers = [self._rows([network.start.weight], 0, network.first)]
        if network.shared or network.chunk:
            width = network.first if network.shared else network.chunk
            for index, block in enumerate(network.blocks):
                norms = [module for module in block.modules() if isinstance(module, ConditionalNorm)]
                weights = [weight for norm in norms for weight in (norm.gain, norm.bias) if weight is not None]
                before = 0 if network.shared else network.first + index * width
                layers.append(self._rows(weights, before, width))
        return [Projection(layer, weight) for layer, weight in enumerate(layers)]

    def _rows(self, weights: Sequence[Tensor], before: int, width: int) -> Tensor:
        """Stack the columns of weights that read the `width` numbers of the code behind the first `before`."""
        rows = torch.cat([weight[:, -width:] for weight in weights])
        return torch.nn.functional.pad(rows, (before, self.space.dim - before - width))

    def synthesize(self, codes: Codes) -> Tensor:
        """Render (n, 3, h, w); tanh keeps it within [-1, 1]."""
        return self._render(codes, None)

    def region_output(self, codes: Codes, region: Region) -> Tensor:
        """Render (n, 3, p); behind attention, which reads all pixels, only the windows that the region needs."""
        window = Window.around(region)
        return Patch(self._render(codes, window), window).pixels(region)

    def _render(self, codes: Codes, window: Window | None) -> Tensor:
        if self.classes and codes.labels is None:
            raise CodesError(f"this {self.family} is conditional: its codes need labels")
        images: Tensor = self.network(codes.latents, codes.labels, window, codes.truncation)
        return images


def _plan(state: State, key: str) -> BlockSpec:
    """Tell from the shapes of its weights what a block is; a transposed convolution has four taps."""
    first, narrow = state[f"{key}.conv1.weight"].shape, f"{key}.narrow.conv.weight"
    upsample, bottleneck = first[-1] == 4, state[narrow].shape[0] if narrow in state else None
    last = state[f"{key}.conv2.weight" if bottleneck is None else f"{key}.widen.conv.weight"]
    return BlockSpec(
        inputs=first[0 if upsample else 1] if bottleneck is None else state[narrow].shape[1],
        outputs=last.shape[0],
        bottleneck=bottleneck,
        upsample=upsample,
        shortcut=f"{key}.shortcut.weight" in state,
        attention=f"{key}.attention.query" in state,
    )
