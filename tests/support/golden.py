"""Numbers recorded from the original implementations: random weights, inputs and what came out, with tolerances.

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
    """One recorded network; `name` is its file's."""

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
                kind, _, rest = key.partition("/")
                parts[kind][rest] = file.get_tensor(key)
            return cls(name, parts["state"], parts["in"], parts["out"], json.loads(file.metadata()["card"]))

    def check(self, name: str, found: Tensor) -> None:
        """Assert that an output was met within its tolerance; note by how far in the file that PARITY_LISTING names."""
        wanted, allowed = self.outputs[name], self.card["tolerance"][f"out/{name}"]["suggested_atol"]
        assert found.shape == wanted.shape
        deviation = float((found - wanted).abs().max())
        if "PARITY_LISTING" in os.environ:
            with Path(os.environ["PARITY_LISTING"]).open("a") as listing:
                listing.write(json.dumps([self.name, name, deviation, allowed]) + "\n")
        assert deviation <= allowed, name
