"""Numbers recorded from the original implementations: random weights, inputs and outputs, with tolerances.

Each file of tests/data has the tensors ``state/KEY``, ``in/NAME`` and ``out/NAME``, and a card in its metadata that
names the original's repository and commit, its configuration and the calls that were made. The tolerance of an output
is 20 times the deviation of the original in float32 from itself in float64: ours sums in another order.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import safe_open
from torch import Tensor


@dataclass(frozen=True)
class Golden:
    """One recorded network, with the name of its file."""

    name: str
    state: dict[str, Tensor]
    inputs: dict[str, Tensor]
    outputs: dict[str, Tensor]
    card: dict[str, Any]

    @classmethod
    def read(cls, name: str) -> Golden:
        with safe_open(Path(__file__).parents[1] / "data" / f"{name}.safetensors", framework="pt") as file:
            parts: dict[str, dict[str, Tensor]] = {"state": {}, "in": {}, "out": {}}
            for key in file.keys():  # noqa: SIM118 (it is no dictionary)
                part, _, name_in_part = key.partition("/")
                parts[part][name_in_part] = file.get_tensor(key)
            return cls(name, parts["state"], parts["in"], parts["out"], json.loads(file.metadata()["card"]))

    def check(self, name: str, actual: Tensor) -> None:
        """Assert that an output is within its tolerance; append by how far to the file that PARITY_LISTING names."""
        expected = self.outputs[name]
        tolerance = self.card["tolerance"][f"out/{name}"]["suggested_atol"]
        assert actual.shape == expected.shape
        deviation = float((actual - expected).abs().max())
        if "PARITY_LISTING" in os.environ:
            with Path(os.environ["PARITY_LISTING"]).open("a") as listing:
                listing.write(json.dumps([self.name, name, deviation, tolerance]) + "\n")
        assert deviation <= tolerance, name
