"""Null-space editing: make directions local by projecting them onto the null space of the rest of the image."""

from typing import TYPE_CHECKING

from zoo import AnalyzerPlugin, hookimpl

if TYPE_CHECKING:
    from zoo import Options


def _load() -> type:
    from zoo_analyzers.nullspace.analyzer import NullSpace

    return NullSpace


def _options() -> "type[Options]":
    from zoo_analyzers.nullspace.options import NullSpaceOptions

    return NullSpaceOptions


@hookimpl
def zoo_analyzers() -> list[AnalyzerPlugin]:
    """Announce null-space editing."""
    return [
        AnalyzerPlugin(
            name="nullspace",
            summary="local edits: directions projected onto the rest's null space (Zhu et al., NeurIPS 2021)",
            load=_load,
            requires=frozenset({"derivative", "region"}),
            options=_options,
            local=True,
        )
    ]
