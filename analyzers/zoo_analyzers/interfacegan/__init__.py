"""InterFaceGAN: directions are the normals of boundaries of attributes, learned from scores."""

from zoo import AnalyzerPlugin, hookimpl


@hookimpl
def zoo_analyzers() -> list[AnalyzerPlugin]:
    """Announce InterFaceGAN."""
    return [
        AnalyzerPlugin(
            name="interfacegan",
            summary="boundaries of scored attributes, supervised (Shen et al., CVPR 2020)",
            load="zoo_analyzers.interfacegan.analyzer:InterFaceGAN",
            requires=frozenset({"region"}),
            options="zoo_analyzers.interfacegan.options:InterFaceGANOptions",
            supervised=True,
        )
    ]
