"""The figures of each method in each repetition, kept in a file, so that an interrupted bench goes on."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zoo._utils.files import atomic_file
from zoo.errors import OutputError

FORMAT = "zoo-bench-unfinished/1"


@dataclass(frozen=True)
class Sample:
    """What was measured of one method in one repetition.

    Attributes:
        method: Its name.
        seed: The seed of the repetition.
        draw: Which draw of random directions; 0 for other methods.
        figures: The figures by table and key; NaN where there is none.
        seconds: Processor time to find the directions.
        directions: How many directions were measured.
    """

    method: str
    seed: int
    draw: int
    figures: Mapping[str, Mapping[str, float]]
    seconds: float
    directions: int

    def as_json(self) -> dict[str, Any]:
        """Return plain values; figures that are not finite are None."""
        figures = {
            table: {key: value if math.isfinite(value) else None for key, value in row.items()}
            for table, row in self.figures.items()
        }
        return {**vars(self), "figures": figures}

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> Sample:
        """Read what `as_json` returned."""
        figures = {
            str(table): {str(key): math.nan if value is None else float(value) for key, value in row.items()}
            for table, row in values["figures"].items()
        }
        return cls(
            method=str(values["method"]),
            seed=int(values["seed"]),
            draw=int(values["draw"]),
            figures=figures,
            seconds=float(values["seconds"]),
            directions=int(values["directions"]),
        )


@dataclass(eq=False)
class Samples:
    """All samples of a bench, and why methods were left out; kept in a file while it goes on.

    Attributes:
        path: The file; None keeps nothing.
        question: What the bench is asked, by which a file is known to belong to it.
        found: The samples.
        skipped: Of methods that cannot run, the reasons.
    """

    path: Path | None
    question: Mapping[str, Any]
    found: list[Sample] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """A digest of the question."""
        return hashlib.sha256(json.dumps(self.question, sort_keys=True, default=str).encode()).hexdigest()

    def resume(self) -> int:
        """Take up the file of an earlier run of the same bench; return how many samples it has.

        Raises:
            OutputError: If there is a file of that name that no bench wrote.
        """
        if self.path is None or not self.path.exists():
            return 0
        try:
            stored = json.loads(self.path.read_text(encoding="utf-8"))
            known = stored["format"] == FORMAT
            same = known and stored["key"] == self.key
            found = [Sample.read(one) for one in stored["samples"]] if same else []
            skipped = {str(name): str(why) for name, why in stored["skipped"].items()} if same else {}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            known = False
        if not known:
            raise OutputError(f"{self.path} is no unfinished bench: move it away, or name another folder with --out")
        self.found, self.skipped = found, skipped
        return len(found)

    def has(self, method: str, seed: int, draw: int) -> bool:
        """Say whether a sample is there."""
        return any((one.method, one.seed, one.draw) == (method, seed, draw) for one in self.found)

    def add(self, sample: Sample) -> None:
        """Add a sample and keep it."""
        self.found.append(sample)
        self.keep()

    def skip(self, method: str, reason: str) -> None:
        """Leave a method out, with what it had."""
        self.found = [one for one in self.found if one.method != method]
        self.skipped[method] = reason
        self.keep()

    def keep(self) -> None:
        """Write the file."""
        if self.path is None:
            return
        text = json.dumps(
            {
                "format": FORMAT,
                "key": self.key,
                "samples": [one.as_json() for one in self.found],
                "skipped": self.skipped,
            }
        )
        with atomic_file(self.path) as partial:
            partial.write_text(text, encoding="utf-8")

    def forget(self) -> None:
        """Remove the file."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)

    def of(self, method: str) -> Iterator[Sample]:
        """Yield the samples of a method."""
        return (one for one in self.found if one.method == method)
