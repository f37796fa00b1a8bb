"""Options of the scorer. Nothing here imports torch."""

from pathlib import Path

from pydantic import Field

from zoo import Options

# The network in the box.
BUNDLED = "avatars"

# An architecture and weights of open_clip.
USUAL_CLIP = "ViT-B-32"
USUAL_PRETRAINED = "laion2b_s34b_b79k"


class TextOptions(Options):
    """What compares pictures with words, and which words."""

    words: Path | None = Field(
        default=None, description="file of opposites, two a line with a slash between them; by default the card's"
    )
    clip: str | None = Field(
        default=None,
        description=f"an architecture of open_clip, such as {USUAL_CLIP}, or a JSON file of one; {BUNDLED} is the "
        "network in the box; by default that one for avatars, and else the former",
    )
    pretrained: str = Field(
        default=USUAL_PRETRAINED, description="weights of that architecture: a tag of open_clip, or a file"
    )
