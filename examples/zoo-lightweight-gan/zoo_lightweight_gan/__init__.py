"""Networks of the package lightweight-gan for zoo, and a model that it trained."""

from pathlib import Path

from zoo import AdapterPlugin, hookimpl


@hookimpl
def zoo_adapters() -> list[AdapterPlugin]:
    """Announce the architecture."""
    return [
        AdapterPlugin(
            name="lightweight-gan",
            summary="the generators of the package lightweight-gan (after Liu et al., ICLR 2021)",
            load="zoo_lightweight_gan.adapter:LightweightGAN",
            provides=frozenset({"projection", "derivative", "region"}),
            options="zoo_lightweight_gan.options:LightweightGANOptions",
        )
    ]


@hookimpl
def zoo_registries() -> list[Path]:
    """Ship a model."""
    return [Path(__file__).with_name("registry.yaml")]
