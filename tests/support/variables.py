"""The variables of TensorFlow networks, as the official files name and lay them out, made of genforce's states."""

from __future__ import annotations

from torch import Tensor

from zoo import State


def pggan(state: State, *, fused: bool = False) -> State:
    """Variables of `G_paper`; the states of fused networks have weights (in, out, k, k), and the variables too."""
    first, levels = state["layer0.weight"].flip(2, 3), _levels(state, "output")
    made = {
        "lod": state["lod"],
        "4x4/Dense/weight": first.permute(1, 0, 2, 3).flatten(1),
        "4x4/Dense/bias": state["layer0.bias"],
    }
    for index in range(1, 2 * levels):
        part = ("Conv1" if index > 1 else "Conv") if index % 2 else "Conv0_up" if fused else "Conv0"
        made |= _convolution(f"{_block(index)}/{part}", state, f"layer{index}")
    return made | _colours("", "output", state, levels)


def stylegan(state: State) -> State:
    """Variables of `G_style`, those of its components with their names in front."""
    levels = _levels(state, "synthesis.output")
    made = {"lod": state["synthesis.lod"], "synthesis/lod": state["synthesis.lod"], **_mapping(state)}
    made["synthesis/4x4/Const/const"] = state["synthesis.layer0.const"]
    for index in range(2 * levels):
        part = ("Conv0_up" if index else "Const") if index % 2 == 0 else "Conv1" if index > 1 else "Conv"
        block, key = f"synthesis/{_block(index)}/{part}", f"synthesis.layer{index}"
        made[f"synthesis/noise{index}"] = state[f"{key}.apply_noise.noise"]
        made |= _convolution(block, state, key) if index else {f"{block}/bias": state[f"{key}.bias"]}
        made[f"{block}/Noise/weight"] = state[f"{key}.apply_noise.weight"]
        made |= {f"{block}/StyleMod/weight": state[f"{key}.style.weight"].T}
        made |= {f"{block}/StyleMod/bias": state[f"{key}.style.bias"]}
    return made | _colours("synthesis/", "synthesis.output", state, levels)


def stylegan2(state: State) -> State:
    """Variables of `G_main` with output skips, those of its components with their names in front."""
    made = {**_mapping(state), "synthesis/4x4/Const/const": state["synthesis.early_layer.const"]}
    levels = _levels(state, "synthesis.output")
    for index in range(2 * levels - 1):
        part = "Conv0_up" if index % 2 else "Conv1" if index else "Conv"
        block, key = f"synthesis/{_block(index + 1)}/{part}", f"synthesis.layer{index}"
        made[f"synthesis/noise{index}"] = state[f"{key}.noise"]
        made[f"{block}/noise_strength"] = state[f"{key}.noise_strength"].reshape(())
        made |= _modulated(block, state, key)
    for level in range(levels):
        made |= _modulated(f"synthesis/{_block(2 * level)}/ToRGB", state, f"synthesis.output{level}")
    return made


def _levels(state: State, output: str) -> int:
    return sum(key.startswith(output) and key.endswith(".bias") and ".style" not in key for key in state)


def _block(index: int) -> str:
    return f"{4 << index // 2}x{4 << index // 2}"


def _convolution(name: str, state: State, key: str) -> dict[str, Tensor]:
    return {f"{name}/weight": state[f"{key}.weight"].permute(2, 3, 1, 0), f"{name}/bias": state[f"{key}.bias"]}


def _modulated(name: str, state: State, key: str) -> dict[str, Tensor]:
    style = {f"{name}/mod_weight": state[f"{key}.style.weight"].T, f"{name}/mod_bias": state[f"{key}.style.bias"]}
    return {**_convolution(name, state, key), **style, f"{name}/bias": state[f"{key}.bias"].flatten()}


def _colours(prefix: str, output: str, state: State, levels: int) -> dict[str, Tensor]:
    made: dict[str, Tensor] = {}
    for level in range(levels):
        made |= _convolution(f"{prefix}ToRGB_lod{levels - 1 - level}", state, f"{output}{level}")
    return made


def _mapping(state: State) -> dict[str, Tensor]:
    made = {"dlatent_avg": state["truncation.w_avg"]}
    for index in range(_levels(state, "mapping.dense")):
        made[f"mapping/Dense{index}/weight"] = state[f"mapping.dense{index}.weight"].T
        made[f"mapping/Dense{index}/bias"] = state[f"mapping.dense{index}.bias"]
    return made
