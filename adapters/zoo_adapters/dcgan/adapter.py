"""The DCGAN adapter: a normal code z, and the first transposed convolution as its projection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import torch
from torch import Tensor

from zoo import Adapter, CheckpointError, Codes, CodesError, LatentSpace, Projection, Region, State, unknown_name
from zoo.checkpoints import build_module
from zoo.core import Settings, draw_labels, draw_normal
from zoo.nn import Patch, Window, to_device
from zoo_adapters.dcgan.checkpoint import LAYOUTS
from zoo_adapters.dcgan.network import DCGANGenerator


class DCGANSettings(Settings):
    """What a DCGAN file says beside the weights and the options."""

    classes: tuple[str, ...] = ()


class DCGAN(Adapter):
    """A DCGAN generator; conditional ones take a one-hot label after the code.

    Args:
        network: the network; it is put into evaluation mode, and its parameters need no gradient.
        classes: names of the classes whose one-hot labels the network reads.
    """

    layouts = LAYOUTS
    settings = DCGANSettings
    network: DCGANGenerator

    def __init__(self, network: DCGANGenerator, classes: Sequence[str] = ()) -> None:
        self.network = network.eval().requires_grad_(False)
        network.fold()
        self.classes = tuple(classes)
        self.space = LatentSpace("z", network.widths[0] - len(self.classes))
        self.resolution = (network.img_resolution, network.img_resolution)
        self.channels = network.widths[-1]

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
        """Build the adapter from the keys of `DCGANGenerator`, whose shapes give the widths.

        Args:
            state: the canonical state.
            config: `classes`, their names, and the settings `epsilon`, `negative_slope` and
                `output_activation`.
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
            raise unknown_name("space of a DCGAN", str(space), ["z"])
        weights = [state.get(f"convs.{index}.weight") for index in range(len(state))]
        shapes = [tuple(weight.shape) for weight in weights if weight is not None]
        if len(shapes) < 2 or any(len(shape) != 4 for shape in shapes):
            raise CheckpointError(f"a DCGAN has at least two 4-d weights, found {shapes[:6]}")
        channels = [shapes[0][0], *(shape[1] for shape in shapes)]
        last = f"convs.{len(shapes) - 1}"
        settings: dict[str, Any] = {
            name: float(config[name]) for name in ("epsilon", "negative_slope") if name in config
        }
        activation = config.get("output_activation", "tanh")
        if activation == "sigmoid":
            # From [0, 1] to [-1, 1]: 2 σ(x) - 1 = tanh(x / 2)
            state = {key: tensor / 2 if key.startswith(f"{last}.") else tensor for key, tensor in state.items()}
        ends = {"bias": f"{last}.bias" in state, "tanh": activation != "none"}
        network = build_module(lambda: DCGANGenerator(channels, **settings, **ends), state, "the DCGAN file")
        return cls(to_device(network, device, dtype), config.get("classes", ()))

    @classmethod
    def tiny(cls, seed: int) -> Self:
        """Build an untrained network of 16x16 pixels, with codes of 12 numbers and random statistics.

        Args:
            seed: the same seed gives the same weights.

        Returns:
            The adapter.
        """
        network = DCGANGenerator([12, 16, 12, 3])
        generator = torch.Generator().manual_seed(seed)
        for key, tensor in network.state_dict().items():
            if tensor.is_floating_point():
                noise = torch.randn(tensor.shape, generator=generator)
                tensor.copy_(noise.abs() + 0.5 if key.endswith("running_var") else noise * 0.3)
        return cls(network)

    def sample(
        self,
        count: int,
        generator: torch.Generator,
        labels: Tensor | None = None,
        truncation: float | None = None,
    ) -> Codes:
        """Draw z from a normal distribution.

        Args:
            count: how many codes.
            generator: the source of random numbers, on the CPU.
            labels: (count,), or None to draw them uniformly.
            truncation: the standard deviation; None for 1.

        Returns:
            The codes.
        """
        scale = 1.0 if truncation is None else truncation
        if not self.classes:
            return Codes(draw_normal(count, self.space.dim, generator) * scale, labels, truncation)
        latents, drawn = draw_labels(count, self.space.dim, len(self.classes), generator)
        return Codes(latents * scale, drawn if labels is None else labels, truncation)

    def projections(self) -> list[Projection]:
        """Return the first transposed convolution, without its rows for classes.

        Returns:
            One projection, with a row for each (output channel, tap).
        """
        # (inputs, channels, 4, 4): a code of one pixel is multiplied by each tap.
        weight = self.network.first_weight[: self.space.dim]
        return [Projection(0, weight.flatten(1).T)]

    def synthesize(self, codes: Codes) -> Tensor:
        """Render whole images.

        Args:
            codes: n codes z.

        Returns:
            (n, channels, height, width) in [-1, 1]; without an output activation, what the last convolution gives.

        Raises:
            CodesError: for codes of a conditional network without labels.
        """
        images: Tensor = self.network(self._inputs(codes))
        return images

    def region_output(self, codes: Codes, region: Region) -> Tensor:
        """Render a region, computing only the window of each layer that it needs.

        Args:
            codes: n codes z.
            region: p pixels of the image.

        Returns:
            (n, channels, p), in row-major order.

        Raises:
            CodesError: for codes of a conditional network without labels.
        """
        window = Window.around(region)
        return Patch(self.network(self._inputs(codes), window), window).pixels(region)

    def _inputs(self, codes: Codes) -> Tensor:
        if not self.classes:
            return codes.latents
        if codes.labels is None:
            raise CodesError("this DCGAN is conditional: its codes need labels")
        one_hot = torch.nn.functional.one_hot(codes.labels, len(self.classes)).to(codes.latents)
        return torch.cat([codes.latents, one_hot], dim=1)
