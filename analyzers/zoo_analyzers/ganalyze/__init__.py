"""GANalyze: directions that change one scored attribute, found by gradient through the scorer."""

from zoo import AnalyzerPlugin, hookimpl


@hookimpl
def zoo_analyzers() -> list[AnalyzerPlugin]:
    """Announce GANalyze."""
    return [
        AnalyzerPlugin(
            name="ganalyze",
            summary="one attribute alone, by gradient through a scorer (Goetschalckx et al., ICCV 2019)",
            load="zoo_analyzers.ganalyze.analyzer:GANalyze",
            requires=frozenset({"derivative", "region"}),
            options="zoo_analyzers.ganalyze.options:GANalyzeOptions",
            supervised=True,
        )
    ]
