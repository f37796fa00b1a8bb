"""The variables of TensorFlow networks, with the names and axes of the official files, made from genforce's states."""

from __future__ import annotations

from torch import Tensor

from zoo import State


def pggan(state: State, *, fused: bool = False) -> State:
    """Return the variables of `G_paper`. In fused networks, weights are (in, out, k, k) in both."""
    first = state["layer0.weight"].flip(2, 3)
    levels = _levels(state, "output")
    variables = {
        "lod": state["lod"],
        "4x4/Dense/weight": first.permute(1, 0, 2, 3).flatten(1),
        "4x4/Dense/bias": state["layer0.bias"],
    }
    for index in range(1, 2 * levels):
        part = ("Conv1" if index > 1 else "Conv") if index % 2 else "Conv0_up" if fused else "Conv0"
        variables |= _convolution(f"{_block(index)}/{part}", state, f"layer{index}")
    return variables | _to_rgbs("", "output", state, levels)


def stylegan(state: State) -> State:
    """Return the variables of `G_style`, with those of its components prefixed by their names."""
    levels = _levels(state, "synthesis.output")
    variables = {"lod": state["synthesis.lod"], "synthesis/lod": state["synthesis.lod"], **_mapping(state)}
    variables["synthesis/4x4/Const/const"] = state["synthesis.layer0.const"]
    for index in range(2 * levels):
        part = ("Conv0_up" if index else "Const") if index % 2 == 0 else "Conv1" if index > 1 else "Conv"
        block, key = f"synthesis/{_block(index)}/{part}", f"synthesis.layer{index}"
        variables[f"synthesis/noise{index}"] = state[f"{key}.apply_noise.noise"]
        variables |= _convolution(block, state, key) if index else {f"{block}/bias": state[f"{key}.bias"]}
        variables[f"{block}/Noise/weight"] = state[f"{key}.apply_noise.weight"]
        variables |= {f"{block}/StyleMod/weight": state[f"{key}.style.weight"].T}
        variables |= {f"{block}/StyleMod/bias": state[f"{key}.style.bias"]}
    return variables | _to_rgbs("synthesis/", "synthesis.output", state, levels)


def stylegan2(state: State) -> State:
    """Return the variables of `G_main` with output skips, with those of its components prefixed by their names."""
    variables = {**_mapping(state), "synthesis/4x4/Const/const": state["synthesis.early_layer.const"]}
    levels = _levels(state, "synthesis.output")
    for index in range(2 * levels - 1):
        part = "Conv0_up" if index % 2 else "Conv1" if index else "Conv"
        block, key = f"synthesis/{_block(index + 1)}/{part}", f"synthesis.layer{index}"
        variables[f"synthesis/noise{index}"] = state[f"{key}.noise"]
        variables[f"{block}/noise_strength"] = state[f"{key}.noise_strength"].reshape(())
        variables |= _modulated(block, state, key)
    for level in range(levels):
        variables |= _modulated(f"synthesis/{_block(2 * level)}/ToRGB", state, f"synthesis.output{level}")
    return variables


def _levels(state: State, output: str) -> int:
    return sum(key.startswith(output) and key.endswith(".bias") and ".style" not in key for key in state)


def _block(index: int) -> str:
    return f"{4 << index // 2}x{4 << index // 2}"


def _convolution(name: str, state: State, key: str) -> dict[str, Tensor]:
    return {f"{name}/weight": state[f"{key}.weight"].permute(2, 3, 1, 0), f"{name}/bias": state[f"{key}.bias"]}


def _modulated(name: str, state: State, key: str) -> dict[str, Tensor]:
    style = {f"{name}/mod_weight": state[f"{key}.style.weight"].T, f"{name}/mod_bias": state[f"{key}.style.bias"]}
    return {**_convolution(name, state, key), **style, f"{name}/bias": state[f"{key}.bias"].flatten()}


def _to_rgbs(prefix: str, output: str, state: State, levels: int) -> dict[str, Tensor]:
    variables: dict[str, Tensor] = {}
    for level in range(levels):
        variables |= _convolution(f"{prefix}ToRGB_lod{levels - 1 - level}", state, f"{output}{level}")
    return variables


def _mapping(state: State) -> dict[str, Tensor]:
    variables = {"dlatent_avg": state["truncation.w_avg"]}
    for index in range(_levels(state, "mapping.dense")):
        variables[f"mapping/Dense{index}/weight"] = state[f"mapping.dense{index}.weight"].T
        variables[f"mapping/Dense{index}/bias"] = state[f"mapping.dense{index}.bias"]
    return variables
