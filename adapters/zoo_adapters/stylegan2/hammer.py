"""The keys of Hammer, on which the released ReSeFa is built, renamed to those of NVIDIA's networks."""

from zoo import State
from zoo.checkpoints import count_numbered, rename_modules


def rename_to_nvidia(state: State) -> State:
    """Rename the keys of a network.

    Args:
        state: the network's tensors, by Hammer's keys.

    Returns:
        The same by NVIDIA's keys.

    Raises:
        LookupError: where the shapes fit no network.
    """
    names = {
        "w_avg": "mapping.w_avg",
        "mapping.embedding": "mapping.embed",
        "synthesis.filter": "synthesis.resample_filter",
        "synthesis.early_layer": "synthesis.b4",
    }
    dense_layers = count_numbered(state, "mapping.dense{}.weight")
    names |= {f"mapping.dense{index}": f"mapping.fc{index}" for index in range(dense_layers)}
    for level in range(count_numbered(state, "synthesis.layer{}.weight") // 2 + 1):
        block = f"synthesis.b{4 << level}"
        layers = {f"layer{2 * level - 1}": "conv0", f"layer{2 * level}": "conv1", f"output{level}": "torgb"}
        layers[f"skip_layer{level - 1}"] = "skip"
        for layer, name in layers.items():
            parts = {"": "", ".style": ".affine", ".noise": ".noise_const", ".filter": ".resample_filter"}
            names |= {f"synthesis.{layer}{part}": f"{block}.{name}{renamed}" for part, renamed in parts.items()}
    renamed = rename_modules(state, names)
    renamed["synthesis.b4.const"] = renamed["synthesis.b4.const"][0]
    return renamed
