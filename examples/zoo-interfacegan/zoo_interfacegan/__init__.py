"""InterFaceGAN for zoo: boundaries of attributes, learned from scores, as directions."""

from typing import TYPE_CHECKING

from zoo import AnalyzerPlugin, hookimpl

if TYPE_CHECKING:
    from zoo import Analyzer, Options
    from zoo_interfacegan.options import InterFaceGANOptions


def _load() -> "type[Analyzer[InterFaceGANOptions]]":
    from zoo_interfacegan.analyzer import InterFaceGAN

    return InterFaceGAN


def _options() -> "type[Options]":
    from zoo_interfacegan.options import InterFaceGANOptions

    return InterFaceGANOptions


@hookimpl
def zoo_analyzers() -> list[AnalyzerPlugin]:
    """Announce InterFaceGAN."""
    return [
        AnalyzerPlugin(
            name="interfacegan",
            summary="boundaries of scored attributes, supervised (Shen et al., CVPR 2020)",
            load=_load,
            requires=frozenset({"region"}),
            options=_options,
        )
    ]
