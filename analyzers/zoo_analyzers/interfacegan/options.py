"""The options of InterFaceGAN."""

from pathlib import Path

from pydantic import Field

from zoo import Options
from zoo.core import Names


class InterFaceGANOptions(Options):
    """The options of InterFaceGAN.

    Attributes:
        scorer: the scorer to use; None where only one fits the model.
        labelled: a file of codes with scores, instead of a scorer.
        attributes: the attributes to find directions of; empty for all.
        condition: the attributes whose boundaries are projected out of all others.
        draws: the number of codes to draw and score.
        batch: the number of images to render and score at a time.
        share: the share of codes taken at either end of an attribute.
        train: the share of those to learn from; the others are held out.
        penalty: the constant C of the support vector machine.

    """

    scorer: str | None = Field(None, description="the scorer to use; not needed where only one fits the model")
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
