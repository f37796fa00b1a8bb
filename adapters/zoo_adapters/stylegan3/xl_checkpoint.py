"""The public file format of StyleGAN-XL generators, converted to the keys of `StyleGAN3Generator`."""

from collections.abc import Mapping
from math import sqrt
from typing import Any

from torch.nn.functional import leaky_relu

from zoo import Layout, State
from zoo.nn import StyleConverter
from zoo_adapters.stylegan3.checkpoint import NVIDIA_KEYS, convert_mapping, is_stylegan_xl
from zoo_adapters.stylegan3.synthesis_conversion import convert_synthesis

_TABLE = "mapping.embed.weight"
_PROJECTION = "mapping.embed_proj"
_SLOPE = 0.2


def _convert(state: State, meta: Mapping[str, Any]) -> tuple[State, dict[str, Any]]:
    """Keys of the authors' networks, stems and those with superresolution stages."""
    converter = StyleConverter(state, "the StyleGAN-XL file")
    settings = convert_synthesis(converter, meta, classes={"Embedding": {"max_norm": None}})
    settings |= convert_mapping(converter, meta)
    if f"{_PROJECTION}.weight" in converter.remaining:
        _convert_labels(converter, meta.get("mapping.c_dim"))
    else:
        converter.pop(_TABLE)  # networks without classes have it too, and never read it
    converter.w_avg("mapping.w_avg")
    return converter.finish(), converter.config(**settings)


def _convert_labels(converter: StyleConverter, c_dim: Any) -> None:
    """Project the features of each class, as the network does before they are normalised and appended to z.

    The table holds features of the classes of ImageNet (section 3.1 of the paper), of which a network of fewer classes
    reads the first ones. The mean code has a row for each class.
    """
    w_avg = converter.remaining.get("mapping.w_avg")
    features = converter.pop(_TABLE)
    classes = len(w_avg) if w_avg is not None and w_avg.ndim == 2 else c_dim
    weight, bias = (converter.pop(f"{_PROJECTION}.{part}") for part in ("weight", "bias"))
    projected = features[:classes] @ weight.T / sqrt(weight.shape[1]) + bias
    converter.set_embedding(leaky_relu(projected, _SLOPE) * sqrt(2))


LAYOUTS = (
    Layout(
        "stylegan-xl",
        _convert,
        about="the authors' networks, configurations T and R, stems and superresolution stages",
        required_keys=(*NVIDIA_KEYS, _TABLE),
        detect=is_stylegan_xl,
    ),
)
