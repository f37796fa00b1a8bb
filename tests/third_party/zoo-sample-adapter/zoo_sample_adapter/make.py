"""Write the weights that ship in the wheel: ``python -m zoo_sample_adapter.make FILE``."""

import sys
from pathlib import Path

from safetensors.torch import save_file

from zoo_sample_adapter.checkpoint import PREFIX
from zoo_sample_adapter.network import untrained


def make(path: Path) -> None:
    """Write the weights of mosaic.pebbles32.

    Args:
        path: the file.
    """
    state = untrained(dim=12, width=8, side=8, seed=32).state_dict()
    save_file({f"{PREFIX}{key}": tensor.contiguous() for key, tensor in state.items()}, path)


if __name__ == "__main__":
    make(Path(sys.argv[1]))
