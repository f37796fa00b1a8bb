"""BigGAN-deep: bottleneck blocks that each read the class and the whole code (Brock et al., ICLR 2019)."""

from zoo import AdapterPlugin, hookimpl


@hookimpl
def zoo_adapters() -> list[AdapterPlugin]:
    """Announce BigGAN-deep."""
    return [
        AdapterPlugin(
            name="biggan-deep",
            summary="bottleneck blocks that each read the class and the whole code (Brock et al., ICLR 2019)",
            load="zoo_adapters.biggan_deep.adapter:BigGANDeep",
            provides=frozenset({"projection", "derivative", "region", "labels"}),
            options="zoo_adapters.biggan_deep.options:BigGANDeepOptions",
        )
    ]
