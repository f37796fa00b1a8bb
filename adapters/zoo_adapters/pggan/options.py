"""The options of the PGGAN adapter."""

from pydantic import Field

from zoo import Options


class PGGANOptions(Options):
    """The options of the PGGAN adapter."""

    lod: float = Field(0.0, ge=0, description="the level of detail, instead of the file's own: 1 omits a doubling")
    fused: bool = Field(False, description="doubling layers are transposed convolutions, where the file does not tell")
