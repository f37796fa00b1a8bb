"""StyleGAN: a mapped code that gives each layer's channels a mean and a spread (Karras et al., CVPR 2019)."""

from typing import TYPE_CHECKING

from zoo import AdapterPlugin, hookimpl

if TYPE_CHECKING:
    from zoo import Options


def _load() -> type:
    from zoo_adapters.stylegan.adapter import StyleGAN

    return StyleGAN


def _options() -> "type[Options]":
    from zoo_adapters.stylegan.options import StyleGANOptions

    return StyleGANOptions


@hookimpl
def zoo_adapters() -> list[AdapterPlugin]:
    """Announce StyleGAN."""
    everywhere = frozenset({"derivative", "region", "labels"})
    return [
        AdapterPlugin(
            name="stylegan",
            summary="a mapped code that gives each layer's channels a mean and a spread (Karras et al., CVPR 2019)",
            load=_load,
            provides=everywhere | {"projection"},
            spaces={"z": everywhere},
            options=_options,
        )
    ]
