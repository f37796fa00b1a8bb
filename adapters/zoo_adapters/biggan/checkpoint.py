"""The public file format of BigGAN generators, converted to the keys of `zoo.nn.ResidualGenerator`."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor
from torch.nn.functional import normalize

from zoo import Layout, State
from zoo.checkpoints import count_keys
from zoo.nn import ResidualConverter

_EPSILON = 1e-6
_NORM_EPSILON = 1e-5
# Below, images depend on whether a network was trained with 1e-5 or, as DeepMind's, with 1e-4.
_SMALL_VARIANCE = 1e-3
_REQUIRED_KEYS = ("shared.weight", "linear.u0", "blocks.0.0.bn1.gain.u0")
_BLOCK_PARTS = {"norm1": "bn1", "conv1": "conv1", "norm2": "bn2", "conv2": "conv2", "shortcut": "conv_sc"}
_ATTENTION_PARTS = {"query": "theta", "key": "phi", "value": "g", "output": "o"}


class _Converter(ResidualConverter):
    """The conversion of a BigGAN's layers."""

    def weight(self, key: str) -> Tensor:
        """Pop a weight W and divide it by its spectral norm, as the original does in evaluation.

        Args:
            key: the layer's key in the file, without ``.weight``.

        Returns:
            The effective weight.

        Raises:
            CheckpointError: if a tensor is missing, or the stored vector does not fit the weight.
        """
        weight = self.pop(f"{key}.weight")
        stored = self.pop(f"{key}.u0")
        with self.fitting(key):
            # One power iteration from the stored vector u: v = uW / |uW|, u' = vWᵀ / |vWᵀ|, σ = vWᵀ · u'.
            matrix = weight.flatten(1)
            right = normalize(stored @ matrix, eps=_EPSILON)
            left = normalize(right @ matrix.T, eps=_EPSILON)
            return weight / (right @ matrix.T @ left.T)

    def norm(self, name: str, key: str) -> None:
        """Convert a normalisation that reads the class and a part of the code.

        Args:
            name: its canonical name.
            key: its key in the file.
        """
        affine = {part: self.weight(f"{key}.{part}") for part in ("gain", "bias")}
        self.set_norm(name, self.pop(f"{key}.stored_mean"), self.pop(f"{key}.stored_var"), **affine)


def _convert(state: State, meta: Mapping[str, Any]) -> tuple[State, dict[str, Any]]:
    # The singular values `sv0` are a log of training.
    weights = {key: tensor for key, tensor in state.items() if not key.endswith(".sv0")}
    converter = _Converter(weights, "the BigGAN file")
    converter.assign("embed", "shared.weight")
    converter.layer("start", "linear")
    for index in range(count_keys(state, r"blocks\.\d+\.0\.conv1\.weight")):
        converter.block(f"blocks.{index}", f"blocks.{index}.0", _BLOCK_PARTS)
        if f"blocks.{index}.1.gamma" in state:
            converter.attention(f"blocks.{index}.attention", f"blocks.{index}.1", _ATTENTION_PARTS, "gamma")
    scale, shift, mean, variance = (
        converter.pop(f"output_layer.0.{name}") for name in ("gain", "bias", "stored_mean", "stored_var")
    )
    converter.set_norm("norm", mean, variance, scale=scale, shift=shift)
    converter.layer("colour", "output_layer.2")
    said = meta.get("blocks.0.0.bn1.eps", meta.get("BN_eps"))
    if said is None and any(float(state[key].min()) < _SMALL_VARIANCE for key in state if key.endswith("stored_var")):
        converter.in_doubt.add("epsilon")
    converter.require_modules(meta, r"blocks\.\d+\.0\.bn\d", said, norm_style="bn", num_itrs=1, num_svs=1)
    return converter.finish(), converter.epsilon(said, _NORM_EPSILON)


LAYOUTS = (
    Layout(
        "ajbrock",
        _convert,
        about="the first author's PyTorch port, `G_ema.pth`",
        required_keys=_REQUIRED_KEYS,
    ),
)
