"""BigGAN-deep: bottleneck blocks that each read the class and the whole code (Brock et al., ICLR 2019)."""

from typing import TYPE_CHECKING

from zoo import AdapterPlugin, hookimpl

if TYPE_CHECKING:
    from zoo import Options


def _load() -> type:
    from zoo_adapters.biggan_deep.adapter import BigGANDeep

    return BigGANDeep


def _options() -> "type[Options]":
    from zoo_adapters.biggan_deep.options import BigGANDeepOptions

    return BigGANDeepOptions


@hookimpl
def zoo_adapters() -> list[AdapterPlugin]:
    """Announce BigGAN-deep."""
    return [
        AdapterPlugin(
            name="biggan-deep",
            summary="bottleneck blocks that each read the class and the whole code (Brock et al., ICLR 2019)",
            load=_load,
            provides=frozenset({"projection", "derivative", "region", "labels"}),
            options=_options,
        )
    ]
