"""Converting files of residual generators to the keys of `zoo.nn.ResidualGenerator`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from zoo.checkpoints.conversion import StateDictConverter, fold_upsample_into_conv
from zoo.checkpoints.modules import require_modules
from zoo.errors import CheckpointError

_MOST_CLASSES = 4_000

# The layers of torch in residual generators.
_CLASSES: Mapping[str, Mapping[str, Any]] = {
    name: {} for name in ("Conv2d", "Linear", "Embedding", "BatchNorm2d", "ReLU", "Tanh", "MaxPool2d", "Softmax")
}


class ResidualConverter(StateDictConverter, ABC):
    """The conversion of a file to the keys of `zoo.nn.ResidualGenerator`. Families define `norm`.

    Spectral norms are divided out as torch's `spectral_norm` does in evaluation, by uᵀWv with the stored vectors u and
    v. A family whose files store them in another way overrides `weight`.
    """

    def weight(self, key: str) -> Tensor:
        """Pop a weight, and divide it by its spectral norm if it has one.

        Args:
            key: the layer's key in the file, without ``.weight`` or ``.weight_orig``.

        Returns:
            The effective weight.

        Raises:
            CheckpointError: if a tensor is missing, or the norm's vectors do not fit the weight.
        """
        return self.effective_weight(key)

    def require_modules(self, meta: Mapping[str, Any], norms: str, epsilon: Any, **attributes: Any) -> None:
        """Compare the modules of a network that was pickled whole with those that zoo builds.

        Args:
            meta: the plain values beside the tensors.
            norms: a regular expression of the keys of the normalisations.
            epsilon: what these add to variances.
            **attributes: the values of further attributes, by name, of all modules that have them.

        Raises:
            CheckpointError: for another layer or another value.
        """
        named = {rf"(.*\.)?{name}": value for name, value in attributes.items()}
        require_modules(meta, self.owner, classes=_CLASSES, attributes={rf"({norms})\.eps": epsilon, **named})

    def epsilon(self, said: Any, assumed: float, **settings: Any) -> dict[str, Any]:
        """Make the config, with what normalisations add to variances.

        Args:
            said: the value in the file; None where it does not tell.
            assumed: that of the published networks, which is the default of the family.
            **settings: what else the adapter needs beside the weights.

        Returns:
            The config for `ResidualAdapter.load`.
        """
        self.setting("epsilon", said, assumed)
        return self.config(**({} if said is None else {"epsilon": said}), **settings)

    def layer(self, name: str, key: str, *, upsample: bool = False) -> None:
        """Convert a layer's weight and bias.

        Args:
            name: the layer's canonical name.
            key: its key in the file.
            upsample: fold nearest-neighbour upsampling into the 3x3 convolution, which becomes a transposed one.

        Raises:
            CheckpointError: if a tensor is missing, or has a shape that cannot be converted.
        """
        weight = self.weight(key)
        with self.fitting(key):
            self.converted[f"{name}.weight"] = fold_upsample_into_conv(weight) if upsample else weight
        self.assign(f"{name}.bias", f"{key}.bias")

    @abstractmethod
    def norm(self, name: str, key: str) -> None:
        """Convert a block's normalisation, by `set_norm`.

        Args:
            name: the normalisation's canonical name.
            key: its key in the file.
        """

    def set_norm(self, name: str, mean: Tensor, variance: Tensor, **affine: Tensor) -> None:
        """Set the tensors of a normalisation.

        Args:
            name: the normalisation's canonical name.
            mean: the stored means, (channels,).
            variance: the stored variances, (channels,).
            **affine: `scale` and `shift` (channels,), by default 1 and 0; `gain` and `bias` (channels, condition).
        """
        channels = mean.shape[-1:]
        tensors = {"scale": torch.ones(channels), "shift": torch.zeros(channels), **affine}
        for part, tensor in {**tensors, "mean": mean, "variance": variance}.items():
            self.converted[f"{name}.{part}"] = tensor

    def block(self, name: str, key: str, parts: Mapping[str, str], *, upsample: bool = True) -> None:
        """Convert a residual block.

        Args:
            name: the block's canonical name.
            key: its key in the file.
            parts: the file's name of each part, by the canonical name, such as "conv1" or "narrow.norm".
            upsample: whether the block upsamples, which its ``conv1`` does.

        Raises:
            CheckpointError: if a tensor is missing, or has a shape that cannot be converted.
        """
        for part, file_part in parts.items():
            if "norm" in part:
                self.norm(f"{name}.{part}", f"{key}.{file_part}")
            else:
                self.layer(f"{name}.{part}", f"{key}.{file_part}", upsample=upsample and part == "conv1")

    def set_one_hot(self, gain: Tensor) -> None:
        """Set the identity as the embedding of classes, for gains and biases that have a column for each class.

        Args:
            gain: the gain of a normalisation, (channels, classes).

        Raises:
            CheckpointError: for more classes than networks have.
        """
        classes = gain.shape[-1] if gain.ndim else 0
        if classes > _MOST_CLASSES:
            raise CheckpointError(f"{self.owner} has {classes:,} classes; at most {_MOST_CLASSES:,} are read")
        self.converted["embed"] = torch.eye(classes)

    def stage_ends(self, blocks: Sequence[str], inputs: str, outputs: str) -> list[bool]:
        """Say which blocks of a deep network upsample: the last one of each stage.

        Stages are equally deep, and channels change at their ends only. Where they never change, the network is the one
        of 32² pixels, which has three stages.

        Args:
            blocks: keys of the blocks in the file, in order.
            inputs: what follows a block's key in that of a tensor with a number for each channel of its input.
            outputs: the same of its output.

        Returns:
            For each block whether it upsamples.
        """
        channels = [(len(self.peek(f"{key}.{inputs}")), len(self.peek(f"{key}.{outputs}"))) for key in blocks]
        changes = [index for index, (before, after) in enumerate(channels) if before != after]
        depth = min((after - before for before, after in pairwise(changes)), default=max(1, len(blocks) // 3))
        return [index % depth == depth - 1 for index in range(len(blocks))]

    def pair_attention(self, modules: Iterable[str], gamma: str) -> list[tuple[str, str | None]]:
        """Pair the blocks in a list of modules with the attention that follows each, if any.

        Attention that follows no block is left in `remaining`, and so ends in a message.

        Args:
            modules: keys of blocks and attentions in the file, in order.
            gamma: the file's name of attention's factor γ, by which attention is recognised.

        Returns:
            (block, attention or None) for each block, in order.
        """
        pairs: list[tuple[str, str | None]] = []
        for key in modules:
            if f"{key}.{gamma}" not in self.remaining:
                pairs.append((key, None))
            elif pairs and pairs[-1][1] is None:
                pairs[-1] = pairs[-1][0], key
        return pairs

    def attention(self, name: str, key: str, parts: Mapping[str, str], gamma: str) -> None:
        """Convert self-attention, whose weights have no bias.

        Args:
            name: the attention's canonical name.
            key: its key in the file.
            parts: the file's names of query, key, value and output, by these.
            gamma: the file's name of the factor γ.

        Raises:
            CheckpointError: if a tensor is missing.
        """
        for part, file_part in parts.items():
            self.converted[f"{name}.{part}"] = self.weight(f"{key}.{file_part}")
        self.converted[f"{name}.strength"] = self.pop(f"{key}.{gamma}").squeeze()
