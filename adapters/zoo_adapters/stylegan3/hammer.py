"""The keys of Hammer, on which the released ReSeFa is built, renamed to those of NVIDIA's networks."""

from zoo import CheckpointError, State
from zoo.checkpoints import count_numbered, rename_modules

REQUIRED_KEYS = ("synthesis.early_layer.grid", "synthesis.early_layer.frequency", "synthesis.layer0.conv.weight")

# Points of a map beyond the image on each side, in published networks.
MARGIN = 10


def rename_to_nvidia(state: State, margin: int) -> State:
    """Rename the keys of a network.

    Args:
        state: the network's tensors, by Hammer's keys.
        margin: points of its maps beyond the image, on each side.

    Returns:
        The same by NVIDIA's keys, without the points of the input's map, which zoo computes.

    Raises:
        CheckpointError: if the input's map does not have this margin.
        LookupError, TypeError: where the shapes fit no network.
    """
    names = {
        "w_avg": "mapping.w_avg",
        "mapping.embedding": "mapping.embed",
        "synthesis.early_layer": "synthesis.input",
        "synthesis.early_layer.frequency": "synthesis.input.freqs",
        "synthesis.early_layer.phase": "synthesis.input.phases",
    }
    dense_layers = count_numbered(state, "mapping.dense{}.weight")
    names |= {f"mapping.dense{index}": f"mapping.fc{index}" for index in range(dense_layers)}
    for index, size in enumerate(_map_sizes(state, margin)):
        key = f"synthesis.layer{index}"
        name = f"synthesis.L{index}_{size}_{len(state[f'{key}.conv.weight'])}"
        names |= {key: name, f"{key}.conv": name, f"{key}.conv.style": f"{name}.affine", f"{key}.filter": name}
    return rename_modules({key: tensor for key, tensor in state.items() if key != REQUIRED_KEYS[0]}, names)


def _map_sizes(state: State, margin: int) -> list[int]:
    """Return the side of each layer's map, which NVIDIA's keys contain: the lengths of the filters give their ratios.

    The last layer makes the image, and it and the layer before have no margin.
    """
    rate = state[REQUIRED_KEYS[0]].shape[1] - 2 * margin
    if rate < 1 or rate & (rate - 1):  # sampling rates are powers of two
        raise CheckpointError(
            f"the StyleGAN3 file does not fit the network; its first map of {rate + 2 * margin} points a side has no "
            f"margin of {margin}"
        )
    rates = []
    for index in range(count_numbered(state, "synthesis.layer{}.filter.down_filter")):
        up, down = (len(state[f"synthesis.layer{index}.filter.{part}_filter"]) for part in ("up", "down"))
        rate = rate * up // down
        rates.append(rate)
    return [*(rate + 2 * margin for rate in rates[:-1]), rate, rate]
