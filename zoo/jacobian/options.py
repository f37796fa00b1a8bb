"""The options that say what an analysis of images differentiates."""

import re
from pathlib import Path

from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from zoo._utils.untrusted.opening import why_no_file
from zoo.core.options import Options

FEATURES = "timm:"  # begins the name of an output that consists of features; the name of a timm model follows


class OutputOptions(Options):
    """What is differentiated, for the options of an analysis to inherit and for `zoo.jacobian.open_output`.

    Attributes:
        output: ``grey``, ``rgb``, or ``timm:NAME`` for the features of a timm model.
        features: File of that model's weights; None takes those on the Hugging Face Hub.
    """

    output: str = Field(
        "grey", description="what is differentiated: grey, rgb, or timm:NAME, the features of that timm model"
    )
    features: Path | None = Field(
        None, description="file of the timm model's weights; by default those on the Hugging Face Hub"
    )

    @field_validator("output")
    @classmethod
    def _is_known(cls, value: str) -> str:
        if not re.fullmatch(rf"grey|rgb|{FEATURES}[\w.-]+", value, flags=re.ASCII):
            raise PydanticCustomError("output", "there are grey, rgb and timm:NAME, such as timm:resnet18")
        return value

    @field_validator("features")
    @classmethod
    def _is_needed_and_there(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        if value is None:
            return None
        if not str(info.data.get("output", FEATURES)).startswith(FEATURES):
            raise PydanticCustomError("features", "weights are read for -o output=timm:NAME only: pass that too")
        if obstacle := why_no_file(value):
            raise PydanticCustomError("features", "{obstacle}", {"obstacle": obstacle})
        return value
