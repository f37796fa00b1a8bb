"""The options of the diffusers adapter."""

from typing import Annotated

from pydantic import BeforeValidator, Field

from zoo import Options
from zoo.core import ClassNames

# Prompts: a list in a card, a text with | between them on the command line.
Prompts = Annotated[
    tuple[Annotated[str, Field(max_length=500)], ...],
    BeforeValidator(lambda given: [part.strip() for part in given.split("|")] if isinstance(given, str) else given),
]


class DiffusersOptions(Options):
    """The options of the diffusers adapter."""

    prompts: Prompts = Field(
        (), description="what the images show, with | between prompts, which are the labels; by default the empty one"
    )
    timestep: int | None = Field(
        None, ge=0, description="the timestep of the step, such as 399 for DMD2; by default the scheduler's first"
    )
    ddim_steps: int = Field(
        0,
        ge=0,
        le=1000,
        description="steps of DDIM, in which codes of the space noise are brought from the last timestep to the chosen "
        "one; with 0, a code is noise there too",
    )
    noise: int = Field(0, ge=0, lt=2**32, description="the seed of the noise that is fixed in the spaces h and temb")
    guidance: float = Field(
        8.5, ge=0, le=100, description="the guidance scale that networks of LCM read; no other network has one"
    )
    classes: ClassNames = Field((), description="names of the classes of a network that reads a class; or imagenet")
