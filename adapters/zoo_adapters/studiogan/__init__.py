"""StudioGAN's residual networks: SNGAN, SAGAN, BigGAN and BigGAN-deep (Kang et al., TPAMI 2023)."""

from typing import TYPE_CHECKING

from zoo import AdapterPlugin, hookimpl

if TYPE_CHECKING:
    from zoo import Options


def _load() -> type:
    from zoo_adapters.studiogan.adapter import StudioGAN

    return StudioGAN


def _options() -> "type[Options]":
    from zoo_adapters.studiogan.options import StudioGANOptions

    return StudioGANOptions


@hookimpl
def zoo_adapters() -> list[AdapterPlugin]:
    """Announce StudioGAN."""
    return [
        AdapterPlugin(
            name="studiogan",
            summary="SNGAN, SAGAN, BigGAN and BigGAN-deep as StudioGAN builds them (Kang et al., TPAMI 2023)",
            load=_load,
            provides=frozenset({"projection", "derivative", "region", "labels"}),
            options=_options,
        )
    ]
