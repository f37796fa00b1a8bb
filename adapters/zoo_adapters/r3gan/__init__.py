"""R3GAN: residual blocks of grouped convolutions, from a normal code and a class (Huang et al., NeurIPS 2024)."""

from zoo import AdapterPlugin, hookimpl


@hookimpl
def zoo_adapters() -> list[AdapterPlugin]:
    """Announce R3GAN."""
    return [
        AdapterPlugin(
            name="r3gan",
            summary="residual blocks of grouped convolutions, no normalisation (Huang et al., NeurIPS 2024)",
            load="zoo_adapters.r3gan.adapter:R3GAN",
            provides=frozenset({"projection", "derivative", "region", "labels"}),
            options="zoo_adapters.r3gan.options:R3GANOptions",
        )
    ]
