"""BigGAN: residual blocks that each read the class and a part of the code (Brock et al., ICLR 2019)."""

from typing import TYPE_CHECKING

from zoo import AdapterPlugin, hookimpl

if TYPE_CHECKING:
    from zoo import Options


def _load() -> type:
    from zoo_adapters.biggan.adapter import BigGAN

    return BigGAN


def _options() -> "type[Options]":
    from zoo_adapters.biggan.options import BigGANOptions

    return BigGANOptions


@hookimpl
def zoo_adapters() -> list[AdapterPlugin]:
    """Announce BigGAN."""
    return [
        AdapterPlugin(
            name="biggan",
            summary="residual blocks that each read the class and a part of the code (Brock et al., ICLR 2019)",
            load=_load,
            provides=frozenset({"projection", "derivative", "region", "labels"}),
            options=_options,
        )
    ]
