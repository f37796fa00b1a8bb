"""The networks of the StyleGAN families: the mapping from z to w, and the interface of what reads w."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from zoo.checkpoints.keys import count_keys
from zoo.core.adapter import State
from zoo.core.options import Settings
from zoo.errors import CheckpointError
from zoo.nn.stored_names import store_as
from zoo.nn.window import Window

_SLOPE = 0.2
_EPSILON = 1e-8

# The learning-rate multiplier of the mapping in all published networks.
LR_MLP = 0.01


class StyleSettings(Settings):
    """What a style network's file says beside the weights and the options."""

    folded_lr_mlp: float = Field(LR_MLP, gt=0, description="the multiplier that is folded into the mapping's weights")


class MappingNetwork(nn.Module):
    """The mapping f: z → w, with the gains and the learning-rate multipliers folded into the weights.

    z is normalised (`pixel_norm`) before the first layer. A label's embedding is appended to z, and either normalised
    by itself or together with z. Each layer is linear and followed by a leaky ReLU.

    Its state dict holds `w_avg` as ``mean``.

    Args:
        z_dim: numbers of z.
        widths: of the mapping's layers, from the input on: z_dim plus those of the label's embedding, …, w_dim.
        classes: how many classes there are; 0 for an unconditional network.
        normalize_with_label: normalise z and the embedded label together, as StyleGAN does; else each by itself, as
            NVIDIA's PyTorch code.
        w_avg_per_class: whether each class has a mean code, as in StyleGAN-XL.

    Attributes:
        w_avg: (w_dim,), the mean of w over many codes; (classes, w_dim) if each class has its own.
    """

    def __init__(
        self,
        z_dim: int,
        widths: Sequence[int],
        classes: int,
        *,
        normalize_with_label: bool = False,
        w_avg_per_class: bool = False,
    ) -> None:
        super().__init__()
        self.z_dim = z_dim
        self.classes = classes
        self.normalize_with_label = normalize_with_label
        self.embed = nn.Linear(classes, widths[0] - z_dim) if classes else None
        self.layers = nn.ModuleList(nn.Linear(inputs, outputs) for inputs, outputs in pairwise(widths))
        self.w_avg = nn.Buffer(torch.zeros([classes, widths[-1]] if w_avg_per_class else widths[-1]))
        store_as(self, {"w_avg": "mean"})

    @property
    def w_dim(self) -> int:
        """Numbers of a row of w."""
        return self.w_avg.shape[-1]

    def forward(self, z: Tensor, one_hot: Tensor | None = None) -> Tensor:
        """Map codes to w.

        Args:
            z: (n, z_dim).
            one_hot: labels (n, classes); None for an unconditional network.

        Returns:
            w (n, w_dim), before it is repeated for each layer.
        """
        if self.embed is None:
            x = pixel_norm(z)
        elif self.normalize_with_label:
            x = pixel_norm(torch.cat([z, self.embed(one_hot)], dim=1))
        else:
            x = torch.cat([pixel_norm(z), pixel_norm(self.embed(one_hot))], dim=1)
        # The weights contain the gain √2 of the activation.
        for layer in self.layers:
            x = leaky_relu(layer(x), _SLOPE)
        return x


def mapping_from_state(state: State, *, normalize_with_label: bool = False, z_dim: int | None = None) -> MappingNetwork:
    """Build the mapping whose sizes the shapes of a canonical state give; its weights are not filled in.

    Args:
        state: a canonical state, the mapping's keys under ``mapping.``.
        normalize_with_label: as `MappingNetwork` takes it.
        z_dim: numbers of z, where the file or the option `z_dim` says so.

    Returns:
        The mapping.

    Raises:
        CheckpointError: where the first layer reads more or fewer numbers than z and the embedding of labels have.
        LookupError, ValueError: where the shapes fit no mapping. `zoo.checkpoints.build_module` turns both into a
            `CheckpointError`.
    """
    depth = count_keys(state, r"mapping\.layers\.\d+\.weight")
    shapes = [tuple(state[f"mapping.layers.{index}.weight"].shape) for index in range(depth)]
    widths = [shapes[0][1], *(outputs for outputs, _ in shapes)]
    embedding_dim, classes = state["mapping.embed.weight"].shape if "mapping.embed.weight" in state else (0, 0)
    if embedding_dim >= widths[0]:
        raise CheckpointError(
            f"the file has mapping.embed.weight, an embedding of labels in {embedding_dim:,} numbers, but its mapping "
            f"reads {widths[0]:,} numbers in all, as one without labels: remove the embedding"
        )
    if z_dim is None and not classes and widths[0] == 2 * widths[-1]:
        raise CheckpointError(
            f"the mapping reads {widths[0]:,} numbers, twice as many as w has, as one that reads labels, but the file "
            f"has no embedding of labels: if codes z have {widths[0]:,} numbers, say so with -o z_dim={widths[0]}"
        )
    if z_dim is not None and z_dim + embedding_dim != widths[0]:
        raise CheckpointError(
            f"the mapping reads {widths[0]:,} numbers, which are not the {z_dim:,} of z and the {embedding_dim:,} of "
            "an embedded label"
        )
    return MappingNetwork(
        widths[0] - embedding_dim,
        widths,
        classes,
        normalize_with_label=normalize_with_label,
        w_avg_per_class="mapping.mean" in state and state["mapping.mean"].ndim == 2,
    )


def rescale_mapping(state: State, config: Mapping[str, Any]) -> State:
    """Apply the option `lr_mlp`, instead of the multiplier that is folded into the mapping's weights and biases.

    Args:
        state: a canonical state.
        config: `lr_mlp`, if it was chosen, and `folded_lr_mlp`, the multiplier that was folded in.

    Returns:
        The state with the chosen multiplier.
    """
    if "lr_mlp" not in config:
        return state
    factor = float(config["lr_mlp"]) / float(config.get("folded_lr_mlp", LR_MLP))
    return {key: tensor * factor if key.startswith("mapping.layers.") else tensor for key, tensor in state.items()}


def zero_w_avg(state: State) -> State:
    """Make a mean code of zeros, as wide as the mapping's last layer.

    Args:
        state: a canonical state.

    Returns:
        The mean code under its canonical key; nothing where the state has no mapping.
    """
    depth = count_keys(state, r"mapping\.layers\.\d+\.bias")
    last_bias = state.get(f"mapping.layers.{depth - 1}.bias")
    return {} if last_bias is None else {"mapping.mean": torch.zeros_like(last_bias)}


def pixel_norm(x: Tensor) -> Tensor:
    """Scale to a root mean square of 1 over axis 1 (pixel normalisation, Karras et al., ICLR 2018, section 4.2).

    Args:
        x: codes (n, dim), each of which is scaled; or maps (n, channels, height, width), each pixel of which is.

    Returns:
        x / √(mean(x²) + 10⁻⁸), of the same shape.
    """
    return x * torch.rsqrt(x.square().mean(dim=1, keepdim=True) + _EPSILON)


class StyleNetwork(nn.Module):
    """The interface of a network that `StyleAdapter` opens.

    `forward(w, window=None)` renders w (n, num_ws, w_dim) as (n, img_channels, height, width): the whole image, or a
    window of it.

    Attributes:
        mapping: the mapping from z to w.
        img_resolution: height and width of the image; a pair where they differ.
        img_channels: channels of the image, 3 unless a family says otherwise.
        num_ws: rows of w that the layers read.
    """

    mapping: MappingNetwork
    img_resolution: int | tuple[int, int]
    img_channels: int = 3
    num_ws: int

    def fold(self) -> None:
        """Recompute what depends on the weights alone; called once the weights are in place."""


class ModulatedNetwork(StyleNetwork):
    """A network whose layers read w through their affine maps alone, so that it can be given the styles instead.

    The styles of all layers are the codes of StyleSpace (Wu, Lischinski and Shechtman, CVPR 2021).
    """

    @abstractmethod
    def affine_maps(self) -> list[tuple[int, nn.Module]]:
        """List the affine maps in the order of the forward pass, those of ToRGB layers included.

        Returns:
            For each map, the row of w that it reads and the linear module.
        """

    @abstractmethod
    def synthesize(self, styles: Sequence[Tensor], window: Window | None = None) -> Tensor:
        """Render images of styles.

        Args:
            styles: for each of `affine_maps`, (n, its outputs).
            window: the window of the image to compute; None for all of it.

        Returns:
            (n, img_channels, height, width) of the image or of the window.
        """

    def styles(self, w: Tensor) -> list[Tensor]:
        """Compute the styles of all layers.

        Args:
            w: (n, num_ws, w_dim).

        Returns:
            For each of `affine_maps`, (n, its outputs).
        """
        return [affine(w[:, row]) for row, affine in self.affine_maps()]

    def style_sizes(self) -> tuple[int, ...]:
        """Count the styles.

        Returns:
            How many each of `affine_maps` gives.
        """
        return tuple(len(affine.get_parameter("bias")) for _, affine in self.affine_maps())

    def forward(self, w: Tensor, window: Window | None = None) -> Tensor:
        """Render images of w.

        Args:
            w: (n, num_ws, w_dim).
            window: the window of the image to compute; None for all of it.

        Returns:
            (n, img_channels, height, width) of the image or of the window.
        """
        return self.synthesize(self.styles(w), window)
