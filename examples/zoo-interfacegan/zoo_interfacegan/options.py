"""What InterFaceGAN can be told."""

from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field

from zoo import Options

Names = Annotated[
    tuple[str, ...],
    BeforeValidator(
        lambda given: tuple(part.strip() for part in given.split(",")) if isinstance(given, str) else given
    ),
]
"""Names with commas between them, or a sequence of names."""


class InterFaceGANOptions(Options):
    """Options of InterFaceGAN."""

    scorer: str | None = Field(None, description="the scorer to ask; may be left out where one fits the model")
    labelled: Path | None = Field(
        None, description="a safetensors file of latents (n, ...) and score/NAME (n,) tensors, instead of a scorer"
    )
    attributes: Names = Field((), description="names with commas; by default all that the scorer knows")
    condition: Names = Field(
        (), description="names whose boundaries are projected out of all others; all: each out of each other"
    )
    draws: int = Field(2000, ge=20, le=1_000_000, description="how many codes are drawn and scored")
    batch: int = Field(16, ge=1, description="how many images are rendered and scored at a time")
    share: float = Field(0.1, gt=0, le=0.5, description="share of the codes taken at either end of an attribute")
    train: float = Field(
        0.7, gt=0, lt=1, description="share of those that a boundary is learned from; the rest test it"
    )
    penalty: float = Field(1.0, gt=0, description="C of the support vector machine: what an error costs")
