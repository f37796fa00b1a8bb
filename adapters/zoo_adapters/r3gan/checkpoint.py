"""The public file format of R3GAN generators, brought to the keys of the family's generator.

Folded in on the way: the 4 by which a filter makes up for the zeros between the pixels of a doubled map.
"""

from collections.abc import Mapping
from typing import Any

from zoo import Layout, State
from zoo.checkpoints import StateDictConverter, count_numbered, detect_by_keys, network_state
from zoo_adapters.r3gan.network import R3GANGenerator, Stage

_MARK, _PREFIXES = "MainLayers.0.Layers.0.Basis", ("G_ema.Model.", "G.Model.", "Model.", "")


def _convert(state: State, meta: Mapping[str, Any]) -> tuple[State, dict[str, Any]]:
    """Keys of the published pickles; their half precision is not repeated."""
    found = StateDictConverter(network_state(state, _MARK, _PREFIXES) or {}, "the R3GAN file")
    found.move("basis", _MARK)
    found.move("start.weight", "MainLayers.0.Layers.0.LinearLayer.weight")
    if "EmbeddingLayer.weight" in found.left:
        found.made["embed"] = found.take("EmbeddingLayer.weight").T
    for index in range(count_numbered(found.left, "MainLayers.{}.Layers.1.LinearLayer1.Layer.weight")):
        key = f"MainLayers.{index}.Layers"
        if index:
            found.made[f"stages.{index}.kernel"] = found.take(f"{key}.0.Resampler.Kernel") * 4
        if f"{key}.0.LinearLayer.Layer.weight" in found.left:
            found.move(f"stages.{index}.change.weight", f"{key}.0.LinearLayer.Layer.weight")
        for block in range(count_numbered(found.left, f"{key}.{{}}.LinearLayer1.Layer.weight", first=1)):
            _convert_block(found, f"stages.{index}.blocks.{block}", f"{key}.{block + 1}")
    found.move("colour.weight", "AggregationLayer.Layer.weight")
    return found.finish(), {}


def _convert_block(found: StateDictConverter, name: str, key: str) -> None:
    for layer, part in enumerate(("widen", "mix", "narrow"), 1):
        found.move(f"{name}.{part}.weight", f"{key}.LinearLayer{layer}.Layer.weight")
    for layer, part in enumerate(("widen", "mix"), 1):
        found.move(f"{name}.{part}.bias", f"{key}.NonLinearity{layer}.Bias")


LAYOUTS = (
    Layout(
        "r3gan",
        detect_by_keys(_MARK, _PREFIXES),
        _convert,
        about="the authors' pickles, or state dicts of them",
        required_keys=(_MARK,),
    ),
)


def sized(state: State) -> R3GANGenerator:
    """Build the network of the sizes that a canonical state tells."""
    width, inputs = state["start.weight"].shape
    classes, embedding = state["embed"].shape if "embed" in state else (0, 0)
    stages: list[Stage] = []
    for index in range(count_numbered(state, "stages.{}.blocks.0.mix.weight")):
        stages.append(_stage(state, f"stages.{index}", stages[-1].channels if stages else width))
    return R3GANGenerator(inputs - embedding, stages, embedding=embedding, classes=classes)


def _stage(state: State, name: str, inputs: int) -> Stage:
    shapes = [
        state[f"{name}.blocks.{block}.mix.weight"].shape
        for block in range(count_numbered(state, f"{name}.blocks.{{}}.mix.weight"))
    ]
    channels = state[f"{name}.blocks.0.widen.weight"].shape[1]
    return Stage(
        inputs, channels, [(shape[0], shape[0] // shape[1]) for shape in shapes], doubles=f"{name}.kernel" in state
    )
