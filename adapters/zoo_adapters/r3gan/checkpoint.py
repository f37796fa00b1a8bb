"""The public file format of R3GAN generators, converted to the keys of `R3GANGenerator`.

The factor 4 by which a filter makes up for the zeros between the pixels of an upsampled map is folded into the filter.
"""

from collections.abc import Mapping
from typing import Any

from zoo import Layout, State
from zoo.checkpoints import StateDictConverter, count_numbered, require_modules
from zoo_adapters.r3gan.network import R3GANGenerator, Stage

_OWNER = "the R3GAN file"
_MARK = "MainLayers.0.Layers.0.Basis"
# What modules that were pickled whole say.
_ATTRIBUTES = {
    r".*\.LinearLayer2\.Layer\.padding\.\d": 1,
    r".*\.LinearLayer[13]?\.Layer\.padding\.\d": 0,
}


def _convert(state: State, meta: Mapping[str, Any]) -> tuple[State, dict[str, Any]]:
    """Keys of the published pickles; their half precision is not reproduced."""
    require_modules(meta, _OWNER, classes={"Conv2d": {}, "Linear": {}}, attributes=_ATTRIBUTES)
    converter = StateDictConverter(state, _OWNER)
    converter.assign("basis", _MARK)
    converter.assign("start.weight", "MainLayers.0.Layers.0.LinearLayer.weight")
    if "EmbeddingLayer.weight" in converter.remaining:
        # A linear layer of one-hot labels: (embedding, classes).
        converter.converted["embed"] = converter.pop("EmbeddingLayer.weight").T
    converter.peek("MainLayers.0.Layers.1.LinearLayer1.Layer.weight")  # there is at least one block
    for index in range(count_numbered(converter.remaining, "MainLayers.{}.Layers.1.LinearLayer1.Layer.weight")):
        key = f"MainLayers.{index}.Layers"
        if index:
            converter.converted[f"stages.{index}.kernel"] = converter.pop(f"{key}.0.Resampler.Kernel") * 4
        if f"{key}.0.LinearLayer.Layer.weight" in converter.remaining:
            converter.assign(f"stages.{index}.change.weight", f"{key}.0.LinearLayer.Layer.weight")
        blocks = count_numbered(converter.remaining, f"{key}.{{}}.LinearLayer1.Layer.weight", first=1)
        for block in range(blocks):
            _convert_block(converter, f"stages.{index}.blocks.{block}", f"{key}.{block + 1}")
    converter.assign("colour.weight", "AggregationLayer.Layer.weight")
    return converter.finish(), {}


def _convert_block(converter: StateDictConverter, name: str, key: str) -> None:
    for layer, part in enumerate(("widen", "mix", "narrow"), 1):
        converter.assign(f"{name}.{part}.weight", f"{key}.LinearLayer{layer}.Layer.weight")
    for layer, part in enumerate(("widen", "mix"), 1):
        converter.assign(f"{name}.{part}.bias", f"{key}.NonLinearity{layer}.Bias")


LAYOUTS = (
    Layout(
        "r3gan",
        _convert,
        about="the authors' pickles, or state dicts of them",
        required_keys=(_MARK, "MainLayers.0.Layers.0.LinearLayer.weight"),
    ),
)


def network_from_state(state: State) -> R3GANGenerator:
    """Build the network whose sizes the shapes of a canonical state give; its weights are not filled in.

    Args:
        state: the canonical state.

    Returns:
        The network.

    Raises:
        LookupError, ValueError: where the shapes fit no network.
    """
    start_outputs, start_inputs = state["start.weight"].shape
    classes, embedding_dim = state["embed"].shape if "embed" in state else (0, 0)
    stages: list[Stage] = []
    for index in range(count_numbered(state, "stages.{}.blocks.0.mix.weight")):
        stages.append(_stage(state, f"stages.{index}", stages[-1].channels if stages else start_outputs))
    return R3GANGenerator(
        start_inputs - embedding_dim,
        stages,
        embedding_dim=embedding_dim,
        classes=classes,
        img_channels=len(state["colour.weight"]),
    )


def _stage(state: State, name: str, in_channels: int) -> Stage:
    count = count_numbered(state, f"{name}.blocks.{{}}.mix.weight")
    # A grouped convolution's weight is (width, width / groups, 3, 3).
    shapes = [state[f"{name}.blocks.{block}.mix.weight"].shape for block in range(count)]
    blocks = [(shape[0], shape[0] // shape[1]) for shape in shapes]
    # (width, channels, 1, 1)
    channels = state[f"{name}.blocks.0.widen.weight"].shape[1]
    return Stage(in_channels, channels, blocks, upsample=f"{name}.kernel" in state)
