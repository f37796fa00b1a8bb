"""The options of GANSpace."""

from typing import Literal

from pydantic import Field

from zoo import Options


class GANSpaceOptions(Options):
    """The options of GANSpace.

    Attributes:
        where: whether to analyse codes or first-layer activations.
        draws: the number of codes to draw.
        batch: the number of codes to draw at a time.
        k: the largest number of components to return.

    """

    where: Literal["auto", "codes", "activations"] = Field(
        "auto", description="components of what: auto takes codes where a code has several rows (w), else activations"
    )
    draws: int = Field(10_000, ge=2, le=10_000_000, description="how many codes are drawn; the paper draws 1,000,000")
    batch: int = Field(1000, ge=1, le=100_000, description="how many codes are drawn at a time")
    k: int = Field(10, ge=1, description="how many components to return, at most")
