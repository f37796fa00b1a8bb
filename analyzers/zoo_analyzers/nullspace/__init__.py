"""Null-space editing: make directions local by projecting them onto the null space of the rest of the image."""

from zoo import AnalyzerPlugin, hookimpl


@hookimpl
def zoo_analyzers() -> list[AnalyzerPlugin]:
    """Announce null-space editing."""
    return [
        AnalyzerPlugin(
            name="nullspace",
            summary="local edits: directions of the rest's null space (Zhu et al., NeurIPS 2021)",
            load="zoo_analyzers.nullspace.analyzer:NullSpace",
            requires=frozenset({"derivative", "region"}),
            options="zoo_analyzers.nullspace.options:NullSpaceOptions",
            local=True,
        )
    ]
