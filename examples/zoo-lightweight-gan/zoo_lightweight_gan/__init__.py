"""Networks of the package lightweight-gan for zoo, and a model that it trained."""

from pathlib import Path
from typing import TYPE_CHECKING

from zoo import AdapterPlugin, hookimpl

if TYPE_CHECKING:
    from zoo import Adapter, Options


def _load() -> "type[Adapter]":
    from zoo_lightweight_gan.adapter import LightweightGAN

    return LightweightGAN


def _options() -> "type[Options]":
    from zoo_lightweight_gan.options import LightweightGANOptions

    return LightweightGANOptions


@hookimpl
def zoo_adapters() -> list[AdapterPlugin]:
    """Announce the architecture."""
    return [
        AdapterPlugin(
            name="lightweight-gan",
            summary="the generators of the package lightweight-gan (after Liu et al., ICLR 2021)",
            load=_load,
            provides=frozenset({"projection", "derivative", "region"}),
            options=_options,
        )
    ]


@hookimpl
def zoo_registries() -> list[Path]:
    """Ship a model."""
    return [Path(__file__).with_name("registry.yaml")]
