"""GANSpace for zoo: principal components of codes or of first-layer activations."""

from zoo import AnalyzerPlugin, hookimpl


@hookimpl
def zoo_analyzers() -> list[AnalyzerPlugin]:
    """Return the analyzer."""
    return [
        AnalyzerPlugin(
            name="ganspace",
            summary="principal components of sampled codes or activations (Härkönen et al., NeurIPS 2020)",
            load="zoo_ganspace.analyzer:GANSpace",
            requires=frozenset({"projection"}),
            options="zoo_ganspace.options:GANSpaceOptions",
        )
    ]
