"""The public file format of BigGAN generators, brought to the keys of `zoo.nn.ResidualGenerator`."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor
from torch.nn.functional import normalize

from zoo import Layout, State
from zoo.checkpoints import count_keys, detect_by_keys, network_state
from zoo.nn import ResidualConverter

_EPSILON = 1e-6
_PREFIXES = ("G_ema.", "G.", "state_dict.", "")
_MARKS = ("shared.weight", "linear.u0", "blocks.0.0.bn1.gain.u0")
_PARTS = {"norm1": "bn1", "conv1": "conv1", "norm2": "bn2", "conv2": "conv2", "shortcut": "conv_sc"}
_ATTENTION = {"query": "theta", "key": "phi", "value": "g", "output": "o"}


class _Converter(ResidualConverter):
    """The conversion of a BigGAN's layers."""

    def weight(self, key: str) -> Tensor:
        """Take a weight, its spectral norm divided out.

        The norm is that of evaluation in the original: one power iteration from the vector that is stored.
        """
        weight, stored = self.take(f"{key}.weight"), self.take(f"{key}.u0")
        with self.fitting(key):
            matrix = weight.flatten(1)
            right = normalize(stored @ matrix, eps=_EPSILON)
            left = normalize(right @ matrix.T, eps=_EPSILON)
            return weight / (right @ matrix.T @ left.T)

    def norm(self, name: str, key: str) -> None:
        """Convert a normalisation that reads the class and a part of the code."""
        affine = {part: self.weight(f"{key}.{part}") for part in ("gain", "bias")}
        self.set_norm(name, self.take(f"{key}.stored_mean"), self.take(f"{key}.stored_var"), **affine)


def _convert(state: State, meta: Mapping[str, Any]) -> tuple[State, dict[str, Any]]:
    state = network_state(state, _MARKS[0], _PREFIXES) or {}
    kept = {key: tensor for key, tensor in state.items() if not key.endswith(".sv0")}  # a record of training
    found = _Converter(kept, "the BigGAN file")
    found.move("embed", "shared.weight")
    found.layer("start", "linear")
    for index in range(count_keys(state, r"blocks\.\d+\.0\.conv1\.weight")):
        found.block(f"blocks.{index}", f"blocks.{index}.0", _PARTS)
        if f"blocks.{index}.1.gamma" in state:
            found.attention(f"blocks.{index}.attention", f"blocks.{index}.1", _ATTENTION, "gamma")
    scale, shift, mean, variance = (
        found.take(f"output_layer.0.{name}") for name in ("gain", "bias", "stored_mean", "stored_var")
    )
    found.set_norm("norm", mean, variance, scale=scale, shift=shift)
    found.layer("colour", "output_layer.2")
    return found.finish(), {}


_ABOUT = "the first author's PyTorch port, `G_ema.pth`"
LAYOUTS = (Layout("ajbrock", detect_by_keys(_MARKS[0], _PREFIXES, *_MARKS[1:]), _convert, _ABOUT, _MARKS),)
