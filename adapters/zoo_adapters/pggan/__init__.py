"""PGGAN: convolutions from a normalised code, each pixel normalised after them (Karras et al., ICLR 2018)."""

from zoo import AdapterPlugin, hookimpl


@hookimpl
def zoo_adapters() -> list[AdapterPlugin]:
    """Announce PGGAN."""
    return [
        AdapterPlugin(
            name="pggan",
            summary="convolutions from a normalised code, grown resolution by resolution (Karras et al., ICLR 2018)",
            load="zoo_adapters.pggan.adapter:PGGAN",
            provides=frozenset({"projection", "derivative", "region"}),
            options="zoo_adapters.pggan.options:PGGANOptions",
        )
    ]
