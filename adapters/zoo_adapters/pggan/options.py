"""The options of the PGGAN adapter."""

from pydantic import Field

from zoo import Options


class PGGANOptions(Options):
    """The options of the PGGAN adapter."""

    lod: float = Field(
        0.0, ge=0, description="the level of detail, instead of the file's own: 1 leaves out the last resolution"
    )
    fused: bool = Field(
        False, description="whether upsampling layers are transposed convolutions, if the file does not say"
    )
