"""The network: a UNet of diffusers, what decodes its latent image, and the embedded prompts."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from zoo import CheckpointError
from zoo_adapters.diffusers.libraries import library
from zoo_adapters.diffusers.scheduling import OneStep

# Numbers of the attention matrix that are computed at a time: an image of 64 x 64 tokens has 16 million for each head.
_MOST_WEIGHTS = 2**22

# Whether something within blocks is replaced: computed again later, they would give something else.
_replacing: ContextVar[bool] = ContextVar("_replacing", default=False)


class Attention:
    """Attention in operations of torch that have a forward-mode derivative, some queries at a time.

    torch's own fused kernels have none. diffusers calls an object of this class in the place of its own processors.
    """

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
    ) -> Tensor:
        """Attend from tokens or maps to themselves, or to the tokens of a prompt.

        Args:
            attn: the layer of diffusers, with its weights.
            hidden_states: (n, tokens, channels), or maps (n, channels, height, width).
            encoder_hidden_states: the embedded prompt, (n, tokens, channels).
            attention_mask: not used: every token of a prompt is read.
            temb: not used.

        Returns:
            What is attended to, in the shape of `hidden_states`.
        """
        residual = hidden_states
        tokens = hidden_states.flatten(2).transpose(1, 2) if hidden_states.ndim == 4 else hidden_states
        if attn.group_norm is not None:
            tokens = attn.group_norm(tokens.transpose(1, 2)).transpose(1, 2)
        read = tokens if encoder_hidden_states is None else encoder_hidden_states
        query, key, value = (
            layer(source).unflatten(2, (attn.heads, -1)).transpose(1, 2)
            for layer, source in ((attn.to_q, tokens), (attn.to_k, read), (attn.to_v, read))
        )
        size = max(16, _MOST_WEIGHTS // (attn.heads * key.shape[2]))
        keys = key.transpose(2, 3) * attn.scale
        parts = [recomputed(_attended, part, keys, value) for part in query.split(size, dim=2)]
        tokens = attn.to_out[0](torch.cat(parts, dim=2).transpose(1, 2).flatten(2))
        if residual.ndim == 4:
            tokens = tokens.transpose(1, 2).reshape(residual.shape)
        result: Tensor = (tokens + residual if attn.residual_connection else tokens) / attn.rescale_output_factor
        return result


def _attended(query: Tensor, keys: Tensor, value: Tensor) -> Tensor:
    return torch.softmax(query @ keys, dim=-1) @ value


def recomputed(function: Callable[..., Tensor], *args: Any, **kwargs: Any) -> Tensor:
    """Call a function whose intermediate results reverse mode computes again instead of keeping them.

    Maps of 512 x 512 pixels with 128 channels take 134 MB, and a decoder has dozens of them.

    Args:
        function: the function.
        *args: its arguments.
        **kwargs: its named arguments.

    Returns:
        Its result.
    """
    if _replacing.get() or not torch.is_grad_enabled():
        return function(*args, **kwargs)
    result: Tensor = checkpoint(function, *args, use_reentrant=False, preserve_rng_state=False, **kwargs)
    return result


class _Recomputing:
    """Put before the class of a module: `recomputed` is what its forward pass is then."""

    def forward(self, *args: Any, **kwargs: Any) -> Tensor:
        parent: Any = super()
        return recomputed(parent.forward, *args, **kwargs)


class DiffusionNetwork(nn.Module):
    """A UNet, the decoder of its latent images if it has one, and the prompts that it may read.

    Args:
        unet: a UNet2DModel or UNet2DConditionModel.
        vae: what decodes latent images, with its `scaling_factor`; None for a UNet that draws pixels.
        prompts: (prompts, tokens, channels), the embedded prompts; None for a UNet that reads none.
        guidance: (channels,) the embedded guidance scale; None for a UNet that reads none.

    Raises:
        CheckpointError: if the UNet has a kind of attention that zoo does not compute.
    """

    def __init__(
        self, unet: nn.Module, vae: nn.Module | None, prompts: Tensor | None = None, guidance: Tensor | None = None
    ) -> None:
        super().__init__()
        self.unet: Any = unet
        self.vae: Any = vae
        self.prompts = None if prompts is None else nn.Buffer(prompts)
        self.guidance = None if guidance is None else nn.Buffer(guidance)
        layer = library("diffusers.models.attention_processor").Attention
        blocks = (
            library("diffusers.models.resnet").ResnetBlock2D,
            library("diffusers.models.attention").BasicTransformerBlock,
        )
        for module in self.modules():
            if isinstance(module, blocks):
                kind = type(module)
                module.__class__ = type(kind.__name__, (_Recomputing, kind), {})  # a copy would share an attribute
            if isinstance(module, layer):
                attention: Any = module
                if attention.spatial_norm is not None or attention.norm_cross or attention.added_kv_proj_dim:
                    raise CheckpointError("the UNet has attention with norms or keys that zoo does not compute")
                attention.set_processor(Attention())

    @property
    def shape(self) -> tuple[int, int, int]:
        """The channels, height and width of the UNet's input."""
        size = self.unet.config.sample_size
        height, width = size if isinstance(size, list | tuple) else (size, size)
        return int(self.unet.config.in_channels), int(height), int(width)

    @property
    def scale(self) -> int:
        """How many pixels of the image, in height and width, a latent number stands for."""
        if self.vae is None:
            return 1
        config = self.vae.config
        blocks = config.get("decoder_block_out_channels", config.get("block_out_channels"))
        return int(config.get("upsampling_scaling_factor", 2) ** (len(blocks) - 1))

    def mean(self, x: Tensor, step: OneStep, labels: Tensor | None) -> Tensor:
        """Predict the posterior mean x̂0 of a noisy image, in latent numbers or pixels.

        Args:
            x: (n, channels, height, width).
            step: the timestep and its factors.
            labels: (n,) indices of prompts or of classes; None for the first prompt.

        Returns:
            x̂0, in the shape of `x`.
        """
        time = torch.tensor(step.timestep, device=x.device)
        conditions: dict[str, Any] = {}
        if self.prompts is not None:
            chosen = torch.zeros(len(x), dtype=torch.long, device=x.device) if labels is None else labels
            conditions["encoder_hidden_states"] = self.prompts[chosen]
        elif labels is not None:
            conditions["class_labels"] = labels
        if self.guidance is not None:
            conditions["timestep_cond"] = self.guidance.expand(len(x), -1)
        output: Tensor = self.unet(x * step.c_in, time, return_dict=False, **conditions)[0]
        return step.c_skip * x + step.c_out * output

    def decode(self, mean: Tensor) -> Tensor:
        """Decode a latent image to pixels; pixels stay as they are.

        Args:
            mean: (n, channels, height, width).

        Returns:
            (n, 3, height, width), nominally in [-1, 1].
        """
        if self.vae is None:
            return mean
        images: Tensor = self.vae.decode(mean / self.vae.config.scaling_factor, return_dict=False)[0]
        return images

    @property
    def time_layers(self) -> dict[str, nn.Linear]:
        """The layers of the UNet's blocks that read the embedded timestep, in the order in which the image passes."""
        named = [(name, module) for name, module in self.unet.named_modules() if name.endswith("time_emb_proj")]
        order = {"down_blocks": 0, "mid_block": 1, "up_blocks": 2}
        return dict(sorted(named, key=lambda item: order.get(item[0].partition(".")[0], 3)))


@contextmanager
def replaced_bottleneck(network: DiffusionNetwork, replacement: Tensor) -> Iterator[None]:
    """Put something in the place of what the UNet's middle block computes.

    Args:
        network: the network.
        replacement: (n, channels, height, width).
    """
    handle = network.unet.mid_block.register_forward_hook(lambda *_: replacement)
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def replaced_embeddings(network: DiffusionNetwork, rows: Tensor) -> Iterator[None]:
    """Put something in the place of the embedded timestep that each block reads, after its activation.

    Args:
        network: the network.
        rows: (n, blocks, channels), in the order of `DiffusionNetwork.time_layers`.
    """
    with ExitStack() as stack:
        stack.callback(_replacing.reset, _replacing.set(True))
        for index, layer in enumerate(network.time_layers.values()):
            handle = layer.register_forward_pre_hook(lambda *_, row=index: (rows[:, row],))
            stack.callback(handle.remove)
        yield


def recorded(modules: list[nn.Module], run: Callable[[], object], *, inputs: bool) -> list[Tensor]:
    """Run a network and record what some of its modules read or give.

    Args:
        modules: the modules.
        run: runs the network.
        inputs: whether to record their first input instead of their output.

    Returns:
        A tensor for each module.
    """
    found: dict[int, Tensor] = {}

    def keep(index: int) -> Callable[..., None]:
        return lambda _, given, result: found.__setitem__(index, given[0] if inputs else result)

    with ExitStack() as stack:
        for index, module in enumerate(modules):
            stack.callback(module.register_forward_hook(keep(index)).remove)
        run()
    return [found[index] for index in range(len(modules))]


def embedded_guidance(scale: float, dim: int) -> Tensor:
    """Embed a guidance scale as networks of LCM read it: sines and cosines of 1000 (w − 1).

    Args:
        scale: the guidance scale w.
        dim: the numbers of the embedding.

    Returns:
        (dim,).
    """
    half = dim // 2
    frequencies = torch.exp(-math.log(10_000.0) / (half - 1) * torch.arange(half, dtype=torch.float32))
    angles = 1000 * (scale - 1) * frequencies
    return nn.functional.pad(torch.cat([angles.sin(), angles.cos()]), (0, dim % 2))
