"""The diffusers adapter: one step from noise to image, and three places of it that count as latent spaces."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import torch
from pydantic import Field
from torch import Tensor, nn

from zoo import Adapter, CapabilityError, Codes, LatentSpace, OptionError, Projection, State, unknown_name
from zoo.core import Settings, draw_labels, draw_normal
from zoo.nn import to_device
from zoo_adapters.diffusers.building import build_network, tiny_network
from zoo_adapters.diffusers.checkpoint import LAYOUTS
from zoo_adapters.diffusers.network import (
    DiffusionNetwork,
    recorded,
    replaced_bottleneck,
    replaced_embeddings,
)
from zoo_adapters.diffusers.scheduling import OneStep, brought_by_ddim, one_step

_SPACES = ["noise", "h", "temb"]


class DiffusersSettings(Settings):
    """What a folder of diffusers says beside the weights and the options: the settings of its parts."""

    pipeline: str = ""
    unet: dict[str, Any] = Field(default_factory=dict)
    vae: dict[str, Any] = Field(default_factory=dict)
    text_encoder: dict[str, Any] = Field(default_factory=dict)
    tokenizer: dict[str, Any] = Field(default_factory=dict)
    scheduler: dict[str, Any] = Field(default_factory=dict)


class OneStepDiffusion(Adapter):
    """A diffusion model whose image is the posterior mean x̂0 of one step, decoded where the model is latent.

    The spaces are ``noise``, the numbers that the step begins with; ``h``, what the UNet's middle block computes (Kwon
    et al., ICLR 2023, arXiv 2210.10960); and ``temb``, the embedded timestep, with a row for each block that reads it.
    In the last two, what does not come from the code comes from one noise, that of `noise_seed`.

    Args:
        network: the network; it is put into evaluation mode, and its parameters need no gradient.
        step: how the scheduler takes its one step.
        space: the name of the space.
        classes: the names of the prompts or classes; empty for a network with a single one.
        noise_seed: the seed of the noise in the spaces h and temb.
        ddim_steps: how many steps of DDIM bring drawn codes to the timestep.
    """

    layouts = LAYOUTS
    settings = DiffusersSettings
    network: DiffusionNetwork

    def __init__(
        self,
        network: DiffusionNetwork,
        step: OneStep,
        space: str = "noise",
        classes: tuple[str, ...] = (),
        *,
        noise_seed: int = 0,
        ddim_steps: int = 0,
    ) -> None:
        self.network = network.eval().requires_grad_(False)
        self.step, self.classes = step, classes
        self._shape = network.shape
        self._numbers = self._shape[0] * self._shape[1] * self._shape[2]
        self._ddim_steps = ddim_steps
        # The noise (1, numbers) of the spaces h and temb.
        self._noise = draw_normal(1, self._numbers, torch.Generator().manual_seed(noise_seed))
        scale = network.scale
        self.resolution = (self._shape[1] * scale, self._shape[2] * scale)
        self.channels = 3
        self._bottleneck: tuple[int, ...] = ()
        self.space = LatentSpace("noise", self._numbers)
        if space != "noise":
            self.space = self._inner_space(space)

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
        """Build the adapter from the parts of a pipeline.

        Args:
            state: the canonical state.
            config: the settings of the parts, and the options.
            space: "noise", the default; "h" or "temb".
            device: where the network computes.
            dtype: in which type.

        Returns:
            The adapter.

        Raises:
            CheckpointError: if the state does not fit, or a part is of a class that zoo does not know.
            CapabilityError: if diffusers is not installed, or the UNet has nothing that is the space.
            OptionError: for an option that this pipeline has no use for.
            UnknownNameError: for any other space.
        """
        if space not in {None, *_SPACES}:
            raise unknown_name("space of a diffusion model", str(space), _SPACES)
        network, classes = build_network(state, config)
        step = one_step(config.get("scheduler", {}), config.get("timestep"))
        ddim_steps = int(config.get("ddim_steps", 0))
        if ddim_steps and (step.alphas is None or config.get("timestep") is None):
            raise OptionError(f"option ddim_steps={ddim_steps}: DDIM ends at a timestep, which timestep= names")
        to_device(network, device, dtype)
        return cls(
            network, step, space or "noise", classes, noise_seed=int(config.get("noise", 0)), ddim_steps=ddim_steps
        )

    @classmethod
    def tiny(cls, seed: int) -> Self:
        """Build an untrained latent network of 16x16 pixels and two prompts, with codes of 256 numbers.

        Args:
            seed: the same seed gives the same weights.

        Returns:
            The adapter.

        Raises:
            CapabilityError: if diffusers is not installed.
        """
        step = one_step({"_class_name": "EulerDiscreteScheduler", "timestep_spacing": "trailing"}, None)
        return cls(tiny_network(seed), step, classes=("a circle", "a square"))

    def sample(
        self,
        count: int,
        generator: torch.Generator,
        labels: Tensor | None = None,
        truncation: float | None = None,
    ) -> Codes:
        """Draw noise from a normal distribution, and compute what it becomes in the space.

        Args:
            count: how many codes.
            generator: the source of random numbers, on the CPU.
            labels: (count,) indices of prompts or classes, or None to draw them uniformly.
            truncation: the standard deviation of the noise; None for 1.

        Returns:
            The codes. In the space temb they differ only by their classes, as the timestep is always the same.
        """
        if self.classes:
            noise, drawn = draw_labels(count, self._numbers, len(self.classes), generator)
            labels = drawn if labels is None else labels
        else:
            noise = draw_normal(count, self._numbers, generator)
        noise *= 1.0 if truncation is None else truncation
        if self.space.name == "noise" and not self._ddim_steps:
            return Codes(noise, labels, truncation)
        rows = []
        with torch.no_grad():
            for index in range(count):
                label = None if labels is None else labels[index : index + 1].to(self.device)
                rows.append(self._inner_code(noise[index : index + 1].to(self.device, self.dtype), label))
        return Codes(torch.cat(rows).to("cpu", torch.float32), labels, truncation)

    def projections(self) -> list[Projection]:
        """Return the layers that read the embedded timestep, in the space temb; nothing in the others.

        Returns:
            A projection for each block, with the index of its row.
        """
        if self.space.name != "temb":
            return []
        layers = enumerate(self.network.time_layers.values())
        return [Projection(index, layer.weight) for index, layer in layers]

    def layer_names(self) -> dict[str, list[int]]:
        """Name the rows of the space temb by the part of the UNet that reads them.

        Returns:
            The rows of ``down``, ``mid`` and ``up``; nothing in the other spaces.
        """
        names: dict[str, list[int]] = {}
        if self.space.layers > 1:
            for index, name in enumerate(self.network.time_layers):
                names.setdefault(name.partition("_")[0], []).append(index)
        return names

    def synthesize(self, codes: Codes) -> Tensor:
        """Render whole images: the posterior mean of the step, decoded.

        Args:
            codes: n codes.

        Returns:
            (n, 3, height, width).
        """
        if self.space.name == "noise":
            return self.network.decode(self._mean(codes.latents, codes.labels))
        noise = self._fixed_noise().expand(len(codes), -1)
        if self.space.name == "h":
            replacing = replaced_bottleneck(self.network, codes.latents.reshape(len(codes), *self._bottleneck))
        else:
            replacing = replaced_embeddings(self.network, codes.latents.reshape(len(codes), -1, self.space.dim))
        with replacing:
            mean = self._mean(noise, codes.labels)
        return self.network.decode(mean)

    def _mean(self, noise: Tensor, labels: Tensor | None) -> Tensor:
        """Compute the posterior mean for noise (n, numbers)."""
        x = noise.reshape(len(noise), *self._shape) * self.step.scale
        return self.network.mean(x, self.step, labels if self.classes else None)

    def _fixed_noise(self) -> Tensor:
        """Return the noise (1, numbers) of the spaces h and temb."""
        return self._noise.to(self.device, self.dtype)

    def _inner_code(self, noise: Tensor, label: Tensor | None) -> Tensor:
        """Compute what one noise (1, numbers) becomes in the space."""
        if self.space.name == "noise":
            x = noise.reshape(1, *self._shape)
            label = label if self.classes else None
            at_step = brought_by_ddim(x, self._ddim_steps, self.step, lambda x, step: self.network.mean(x, step, label))
            return at_step.flatten(1)
        if self.space.name == "h":
            [found] = recorded([self.network.unet.mid_block], lambda: self._mean(noise, label), inputs=False)
            return found.flatten(1)
        rows = recorded([*self.network.time_layers.values()], lambda: self._mean(noise, label), inputs=True)
        return rows[0] if len(rows) == 1 else torch.stack(rows, dim=1)

    def _inner_space(self, space: str) -> LatentSpace:
        """Measure a space inside of the UNet by running it once."""
        network = self.network
        label = torch.zeros(1, dtype=torch.long, device=self.device) if self.classes else None
        if space == "h":
            if getattr(network.unet, "mid_block", None) is None:
                raise CapabilityError("this UNet has no middle block, so that there is no space h")
            modules: list[nn.Module] = [network.unet.mid_block]
        else:
            modules = [*network.time_layers.values()]
            if not modules or len({layer.in_features for layer in network.time_layers.values()}) > 1:
                raise CapabilityError(
                    "this UNet's blocks do not read the embedded timestep alike: there is no space temb"
                )
        with torch.no_grad():
            found = recorded(modules, lambda: self._mean(self._fixed_noise(), label), inputs=space == "temb")
        if space == "h":
            self._bottleneck = tuple(found[0].shape[1:])
            return LatentSpace("h", found[0][0].numel())
        return LatentSpace("temb", found[0].shape[1], len(found))
