"""Write the weights of zoo's face detector from those in a wheel: `python -m recipes.faces WHEEL`.

The wheel comes by `pip download --no-deps facenet-pytorch==2.6.0`. Its licence is MIT, which `zoo/faces/LICENSE.mtcnn`
repeats. Its networks flatten their last feature maps column by column, zoo's row by row, so the inputs of the first
linear layers change places. Everything else is copied.
"""

from __future__ import annotations

import io
import sys
import zipfile
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from zoo.faces.detector import WEIGHTS
from zoo.faces.networks import ProposalNetwork, output_network, refinement_network

_NETWORKS = {"p": ProposalNetwork, "r": refinement_network, "o": output_network}
_SIDE = 3  # of the last feature maps


def convert(wheel: Path) -> dict[str, Tensor]:
    """Read the networks in the wheel.

    Args:
        wheel: The file.

    Returns:
        The weights by zoo's names: network, module, parameter.
    """
    weights: dict[str, Tensor] = {}
    with zipfile.ZipFile(wheel) as archive:
        for name, build in _NETWORKS.items():
            content = archive.read(f"facenet_pytorch/data/{name}net.pt")
            stored = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
            weights |= {f"{name}.{key}": value for key, value in _renamed(build(), stored).items()}
    return weights


def _renamed(network: nn.Module, stored: dict[str, Tensor]) -> dict[str, Tensor]:
    """Give the parameters zoo's names; both networks have them in the order in which they are used."""
    weights = dict(zip(network.state_dict(), stored.values(), strict=True))
    if (first := "hidden.0.weight") in weights:
        weights[first] = weights[first].unflatten(1, (_SIDE, _SIDE, -1)).permute(0, 3, 2, 1).flatten(1)
    network.load_state_dict(weights)
    return {name: value.contiguous() for name, value in weights.items()}


if __name__ == "__main__":
    save_file(convert(Path(sys.argv[1])), WEIGHTS)
