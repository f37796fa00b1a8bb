"""PGGAN: convolutions from a normalised code, each pixel normalised after them (Karras et al., ICLR 2018)."""

from typing import TYPE_CHECKING

from zoo import AdapterPlugin, hookimpl

if TYPE_CHECKING:
    from zoo import Options


def _load() -> type:
    from zoo_adapters.pggan.adapter import PGGAN

    return PGGAN


def _options() -> "type[Options]":
    from zoo_adapters.pggan.options import PGGANOptions

    return PGGANOptions


@hookimpl
def zoo_adapters() -> list[AdapterPlugin]:
    """Announce PGGAN."""
    return [
        AdapterPlugin(
            name="pggan",
            summary="convolutions from a normalised code, grown resolution by resolution (Karras et al., ICLR 2018)",
            load=_load,
            provides=frozenset({"projection", "derivative", "region"}),
            options=_options,
        )
    ]
