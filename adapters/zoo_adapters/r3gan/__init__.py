"""R3GAN: residual blocks of grouped convolutions, from a normal code and a class (Huang et al., NeurIPS 2024)."""

from typing import TYPE_CHECKING

from zoo import AdapterPlugin, hookimpl

if TYPE_CHECKING:
    from zoo import Options


def _load() -> type:
    from zoo_adapters.r3gan.adapter import R3GAN

    return R3GAN


def _options() -> "type[Options]":
    from zoo_adapters.r3gan.options import R3GANOptions

    return R3GANOptions


@hookimpl
def zoo_adapters() -> list[AdapterPlugin]:
    """Announce R3GAN."""
    return [
        AdapterPlugin(
            name="r3gan",
            summary="residual blocks of grouped convolutions, no normalisation (Huang et al., NeurIPS 2024)",
            load=_load,
            provides=frozenset({"projection", "derivative", "region", "labels"}),
            options=_options,
        )
    ]
