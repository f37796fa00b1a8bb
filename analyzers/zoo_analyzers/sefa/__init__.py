"""SeFa: closed-form factorization of the weights that first touch the latent code."""

from pydantic import Field

from zoo import AnalyzerPlugin, Options, hookimpl


class SeFaOptions(Options):
    """Options of SeFa."""

    k: int = Field(10, ge=1, description="how many directions to return, at most")
    normalize: bool = Field(True, description="scale each row of the weights to unit length first, as the released code")


def _load() -> type:
    from zoo_analyzers.sefa.analyzer import SeFa

    return SeFa


@hookimpl
def zoo_analyzers() -> list[AnalyzerPlugin]:
    """Announce SeFa."""
    return [
        AnalyzerPlugin(
            name="sefa",
            summary="closed form, from the weights alone (Shen & Zhou, CVPR 2021)",
            load=_load,
            requires=frozenset({"projection"}),
            options=SeFaOptions,
        )
    ]
