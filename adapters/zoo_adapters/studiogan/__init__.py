"""StudioGAN's residual networks: SNGAN, SAGAN, BigGAN and BigGAN-deep (Kang et al., TPAMI 2023)."""

from zoo import AdapterPlugin, hookimpl


@hookimpl
def zoo_adapters() -> list[AdapterPlugin]:
    """Announce StudioGAN."""
    return [
        AdapterPlugin(
            name="studiogan",
            summary="SNGAN, SAGAN, BigGAN and BigGAN-deep as StudioGAN builds them (Kang et al., TPAMI 2023)",
            load="zoo_adapters.studiogan.adapter:StudioGAN",
            provides=frozenset({"projection", "derivative", "region", "labels"}),
            options="zoo_adapters.studiogan.options:StudioGANOptions",
        )
    ]
