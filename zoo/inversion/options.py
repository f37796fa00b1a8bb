"""What can be asked of a search. Importing it is torch-free."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pydantic import Field, field_validator
from pydantic_core import PydanticCustomError

from zoo.errors import OptionError
from zoo.jacobian.options import FEATURES, OutputOptions

# The label that is found.
AUTO = "auto"
ROWS = ("auto", "tied", "free")
LOSSES = ("pixels", "features")
_MOST_STARTS = 32
USUAL_LOCALITY, USUAL_STEPS = 0.1, 350
_MOST_STEPS = 100_000


@dataclass(frozen=True, kw_only=True)
class SearchOptions:
    """What can be asked of a search.

    Attributes:
        rows: Of codes with several rows: ``tied`` seeks one vector for all, ``free`` one for each; ``auto`` ties them,
            and frees them if the picture is not reproduced.
        ridge: The weight of ‖u‖² in the end; None is 0 where the picture is reproduced or the code is like drawn ones,
            else what the search had before.
        starts: How many drawn codes to begin from at most, while the picture is not reproduced; None is 6 where exact
            Jacobians pay, and then codes around the best that was found, and else 1.

    Raises:
        OptionError: If a value is out of range.
    """

    rows: str = "auto"
    ridge: float | None = None
    starts: int | None = None

    def __post_init__(self) -> None:
        if self.rows not in ROWS:
            raise OptionError(f"--rows {self.rows}: there are {', '.join(ROWS)}")
        if self.ridge is not None and not 0 <= self.ridge < math.inf:
            raise OptionError(f"--ridge {self.ridge:g}: it is a number from 0 on, such as 1e-5")
        if self.starts is not None and not 1 <= self.starts <= _MOST_STARTS:
            raise OptionError(f"--starts {self.starts}: it is a number from 1 to {_MOST_STARTS}")


@dataclass(frozen=True, kw_only=True)
class TuneOptions:
    """How a network is fine-tuned.

    Attributes:
        locality: The weight of the term that holds the images of other codes; 0 leaves it out.
        steps: How many steps are taken, for as many pictures as are tuned at a time.

    Raises:
        OptionError: If a value is out of range.
    """

    locality: float = USUAL_LOCALITY
    steps: int = USUAL_STEPS

    def __post_init__(self) -> None:
        if not 1 <= self.steps <= _MOST_STEPS:
            raise OptionError(f"--steps {self.steps}: it is a number from 1 to {_MOST_STEPS:,}")
        if not 0 <= self.locality < math.inf:
            raise OptionError(f"--locality {self.locality:g}: it is a number from 0 on, such as {USUAL_LOCALITY:g}")


class FeatureOptions(OutputOptions):
    """Whose features count with ``--loss features``.

    Attributes:
        output: ``timm:NAME``, a network of timm.
        features: File of its weights; None takes those on the Hugging Face Hub.
    """

    output: str = Field("timm:resnet18", description="whose features count: timm:NAME, a network of timm")

    @field_validator("output")
    @classmethod
    def _has_features(cls, value: str) -> str:
        if not value.startswith(FEATURES):
            raise PydanticCustomError("output", "features are those of timm:NAME, such as timm:resnet18")
        return value
