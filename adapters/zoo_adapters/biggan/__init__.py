"""BigGAN: residual blocks that each read the class and a part of the code (Brock et al., ICLR 2019)."""

from zoo import AdapterPlugin, hookimpl


@hookimpl
def zoo_adapters() -> list[AdapterPlugin]:
    """Announce BigGAN."""
    return [
        AdapterPlugin(
            name="biggan",
            summary="residual blocks that each read the class and a part of the code (Brock et al., ICLR 2019)",
            load="zoo_adapters.biggan.adapter:BigGAN",
            provides=frozenset({"projection", "derivative", "region", "labels"}),
            options="zoo_adapters.biggan.options:BigGANOptions",
        )
    ]
