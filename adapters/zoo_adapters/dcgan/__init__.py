"""DCGAN: transposed convolutions from a normal code (Radford, Metz & Chintala, ICLR 2016)."""

from zoo import AdapterPlugin, hookimpl


@hookimpl
def zoo_adapters() -> list[AdapterPlugin]:
    """Announce DCGAN."""
    return [
        AdapterPlugin(
            name="dcgan",
            summary="transposed convolutions from a normal code (Radford et al., ICLR 2016)",
            load="zoo_adapters.dcgan.adapter:DCGAN",
            provides=frozenset({"projection", "derivative", "region", "labels"}),
            options="zoo_adapters.dcgan.options:DCGANOptions",
        )
    ]
