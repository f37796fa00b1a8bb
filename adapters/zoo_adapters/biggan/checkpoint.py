"""The file formats of BigGAN-PyTorch's generators, converted to the keys of `zoo.nn.ResidualGenerator`.

Its options change the keys: `--mybn` and `--cross_replica` keep statistics in a module `bn`; without `--G_shared`, each
normalisation has its own embeddings of classes; `--G_param N` leaves out spectral norms.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize

from zoo import Layout, State
from zoo.checkpoints import count_keys
from zoo.nn import ResidualConverter

_EPSILON = 1e-6
_NORM_EPSILON = 1e-5
# Below, images depend on whether a network was trained with 1e-5 or, as DeepMind's, with 1e-4.
_SMALL_VARIANCE = 1e-3
_REQUIRED_KEYS = ("linear.weight", "blocks.0.0.bn1.gain.weight", "blocks.0.0.conv1.bias", "output_layer.0.gain")
_DEEP_KEY = "blocks.0.0.conv4.bias"
_BLOCK_PARTS = {"norm1": "bn1", "conv1": "conv1", "norm2": "bn2", "conv2": "conv2", "shortcut": "conv_sc"}
_DEEP_PARTS = {
    "narrow.norm": "bn1",
    "narrow.conv": "conv1",
    "norm1": "bn2",
    "conv1": "conv2",
    "norm2": "bn3",
    "conv2": "conv3",
    "widen.norm": "bn4",
    "widen.conv": "conv4",
}
_ATTENTION_PARTS = {"query": "theta", "key": "phi", "value": "g", "output": "o"}


class _Converter(ResidualConverter):
    """The conversion of a BigGAN's layers."""

    def weight(self, key: str) -> Tensor:
        """Pop a weight W and divide it by its spectral norm, if it has one, as the original does in evaluation.

        Args:
            key: the layer's key in the file, without ``.weight``.

        Returns:
            The effective weight.

        Raises:
            CheckpointError: if a tensor is missing, or the stored vector does not fit the weight.
        """
        weight = self.pop(f"{key}.weight")
        stored = self.remaining.pop(f"{key}.u0", None)
        if stored is None:
            return weight
        with self.fitting(key):
            # One power iteration from the stored vector u: v = uW / |uW|, u' = vWᵀ / |vWᵀ|, σ = vWᵀ · u'.
            matrix = weight.flatten(1)
            right = normalize(stored @ matrix, eps=_EPSILON)
            left = normalize(right @ matrix.T, eps=_EPSILON)
            return weight / (right @ matrix.T @ left.T)

    def norm(self, name: str, key: str) -> None:
        """Convert a normalisation that reads the class and a part of the code, or the class alone.

        Args:
            name: its canonical name.
            key: its key in the file.
        """
        affine = {part: self.weight(f"{key}.{part}") for part in ("gain", "bias")}
        if "embed" not in self.converted:  # a table (classes, channels), not a layer that reads a shared embedding
            affine = {part: table.movedim(0, -1) for part, table in affine.items()}
        self.set_norm(name, *self.statistics(key), **affine)

    def statistics(self, key: str) -> tuple[Tensor, Tensor]:
        """Pop the statistics of a normalisation.

        Args:
            key: its key in the file.

        Returns:
            Mean and variance, (channels,) each.
        """
        if f"{key}.bn.running_mean" in self.remaining:
            # Outside of parallel training, the original adds such a normalisation's gain instead of multiplying by it.
            self.assumed["cross_replica"] = "gains multiply, as in training on several devices"
            self.in_doubt.add("cross_replica")
            return self.pop(f"{key}.bn.running_mean"), self.pop(f"{key}.bn.running_var")
        owner = f"{key}.bn" if f"{key}.bn.stored_mean" in self.remaining else key
        mean, variance = self.pop(f"{owner}.stored_mean"), self.pop(f"{owner}.stored_var")
        # Standing statistics are stored as sums, with how many there are.
        count = self.remaining.pop(f"{owner}.accumulation_counter", torch.zeros(1)).clamp(min=1)
        return mean / count, variance / count


def _convert(state: State, meta: Mapping[str, Any]) -> tuple[State, dict[str, Any]]:
    deep = _DEEP_KEY in state
    # The singular values `sv0` are a log of training.
    weights = {key: tensor for key, tensor in state.items() if not key.endswith(".sv0")}
    converter = _Converter(weights, "the BigGAN file")
    converter.assign("embed", "shared.weight", optional=True)
    converter.layer("start", "linear")
    keys = [f"blocks.{index}.0" for index in range(count_keys(state, r"blocks\.\d+\.0\.conv1\.weight"))]
    upsamples = converter.stage_ends(keys, "bn1.gain.weight", "conv4.bias") if deep else [True] * len(keys)
    for index, (key, upsample) in enumerate(zip(keys, upsamples, strict=True)):
        converter.block(f"blocks.{index}", key, _DEEP_PARTS if deep else _BLOCK_PARTS, upsample=upsample)
        if f"blocks.{index}.1.gamma" in state:
            converter.attention(f"blocks.{index}.attention", f"blocks.{index}.1", _ATTENTION_PARTS, "gamma")
    if "embed" not in converter.converted:
        converter.set_one_hot(converter.converted["blocks.0.norm1.gain"])
    mean, variance = converter.statistics("output_layer.0")
    scale, shift = (converter.pop(f"output_layer.0.{name}") for name in ("gain", "bias"))
    converter.set_norm("norm", mean, variance, scale=scale, shift=shift)
    converter.layer("colour", "output_layer.2")
    said = meta.get("blocks.0.0.bn1.eps", meta.get("BN_eps"))
    variances = ("stored_var", "running_var")
    if said is None and any(float(state[key].min()) < _SMALL_VARIANCE for key in state if key.endswith(variances)):
        converter.in_doubt.add("epsilon")
    converter.require_modules(meta, r"blocks\.\d+\.0\.bn\d(\.bn)?", said, norm_style="bn", num_itrs=1, num_svs=1)
    return converter.finish(), converter.epsilon(said, _NORM_EPSILON, **({"shared": True} if deep else {}))


LAYOUTS = (
    Layout(
        "ajbrock",
        _convert,
        about="the first author's PyTorch port, `G_ema.pth`, of any options, and networks that it trained",
        required_keys=_REQUIRED_KEYS,
        detect=lambda state, meta: _DEEP_KEY not in state,
    ),
    Layout(
        "ajbrock-deep",
        _convert,
        about="its BigGAN-deep, `--model BigGANdeep`",
        required_keys=(*_REQUIRED_KEYS, _DEEP_KEY),
    ),
)
