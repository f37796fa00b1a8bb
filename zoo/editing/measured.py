"""The record of how directions were measured: from it, later commands take the same codes and the same steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from zoo.core.adapter import Adapter
from zoo.core.codes import Codes
from zoo.core.directions import Directions
from zoo.core.sampling import derived_generator
from zoo.core.truncation import MOST_TRUNCATION
from zoo.editing.steps import LARGEST_STEP
from zoo.models.limits import MAX_CODES
from zoo.models.model import Model
from zoo.models.tuned import recorded_weights

# The entry of a directions file that holds the record.
ENTRY = "measured"

# What unseen codes are drawn for: codes for this purpose are none that are analysed.
UNSEEN = "unseen codes"


@dataclass(frozen=True, kw_only=True)
class MeasuredRecord:
    """The codes and steps at which directions were measured.

    Attributes:
        steps: How far each direction was moved both ways.
        seed: The seed of the unseen codes.
        codes: How many unseen codes there were; 0 for none.
        labels: Their classes; None where they have none.
        truncation: Their truncation; None is the family's usual one.
    """

    steps: tuple[float, ...]
    seed: int
    codes: int
    labels: tuple[int, ...] | None
    truncation: float | None

    @classmethod
    def of(cls, steps: Tensor, codes: Codes | None, seed: int) -> MeasuredRecord:
        """Make the record.

        Args:
            steps: How far each direction was moved (k,).
            codes: The unseen codes.
            seed: The seed that they were drawn with.

        Returns:
            The record.
        """
        labels = None if codes is None or codes.labels is None else tuple(codes.labels.tolist())
        truncation = None if codes is None else codes.truncation
        count = 0 if codes is None else len(codes)
        return cls(steps=tuple(steps.tolist()), seed=seed, codes=count, labels=labels, truncation=truncation)

    @classmethod
    def read(cls, directions: Directions, model: Model) -> MeasuredRecord | None:
        """Read the record of directions.

        Args:
            directions: The directions.
            model: The model that they are used in.

        Returns:
            The record; None where there is none that holds for these weights, or it cannot be read.
        """
        found = directions.provenance.get(ENTRY)
        if not isinstance(found, dict) or recorded_weights(directions.provenance) != model.weights:
            return None
        try:
            labels, truncation = found["labels"], found["truncation"]
            record = cls(
                steps=tuple(float(step) for step in found["steps"]),
                seed=int(found["seed"]),
                codes=int(found["codes"]),
                labels=None if labels is None else tuple(int(label) for label in labels),
                truncation=None if truncation is None else float(truncation),
            )
        except (KeyError, TypeError, ValueError, OverflowError):
            return None
        return record if record._is_usable(model.adapter) else None

    def _is_usable(self, adapter: Adapter) -> bool:
        """Say whether all values are within their ranges."""
        classes = range(len(adapter.classes))
        return (
            all(0 < step <= LARGEST_STEP for step in self.steps)
            and 0 <= self.seed < 2**32
            and 0 <= self.codes <= MAX_CODES
            and (self.labels is None or (len(self.labels) == self.codes and all(one in classes for one in self.labels)))
            and (self.truncation is None or 0 <= self.truncation <= MOST_TRUNCATION)
        )

    def as_json(self) -> dict[str, Any]:
        """Return the fields as plain values."""
        labels = None if self.labels is None else list(self.labels)
        return {**asdict(self), "steps": list(self.steps), "labels": labels}


def draw_unseen(
    adapter: Adapter, count: int, seed: int, labels: Sequence[int] | None, truncation: float | None
) -> Codes:
    """Draw codes that no analysis of the same seed analyses.

    Args:
        adapter: The network.
        count: How many codes to draw; the first ones do not depend on it.
        seed: The seed.
        labels: Their classes, repeated in this order as often as needed; without any, they are drawn too.
        truncation: Their truncation.

    Returns:
        The codes, on the network's device and in its type.
    """
    repeated = torch.tensor(labels).repeat(-(-count // len(labels)))[:count] if labels else None
    return adapter.sample(count, derived_generator(seed, UNSEEN), repeated, truncation).to(
        adapter.device, adapter.dtype
    )
