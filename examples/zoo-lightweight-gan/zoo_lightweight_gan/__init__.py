"""The networks of the package lightweight-gan for zoo, and a small model."""

from pathlib import Path

from zoo import AdapterPlugin, hookimpl


@hookimpl
def zoo_adapters() -> list[AdapterPlugin]:
    """Return the architecture."""
    return [
        AdapterPlugin(
            name="lightweight-gan-library",
            summary="the package lightweight-gan's own generators (after Liu et al., ICLR 2021)",
            load="zoo_lightweight_gan.adapter:LightweightGAN",
            provides=frozenset({"projection", "derivative", "region"}),
            options="zoo_lightweight_gan.options:LightweightGANOptions",
        )
    ]


@hookimpl
def zoo_registries() -> list[Path]:
    """Return the registry file of the model."""
    return [Path(__file__).with_name("registry.yaml")]
