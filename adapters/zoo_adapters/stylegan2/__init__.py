"""StyleGAN2: a mapped code that scales the channels of every layer (Karras et al., CVPR 2020), ADA's networks too."""

from typing import TYPE_CHECKING

from zoo import AdapterPlugin, hookimpl

if TYPE_CHECKING:
    from zoo import Options


def _load() -> type:
    from zoo_adapters.stylegan2.adapter import StyleGAN2

    return StyleGAN2


def _options() -> "type[Options]":
    from zoo_adapters.stylegan2.options import StyleGAN2Options

    return StyleGAN2Options


@hookimpl
def zoo_adapters() -> list[AdapterPlugin]:
    """Announce StyleGAN2."""
    everywhere = frozenset({"derivative", "region", "labels"})
    return [
        AdapterPlugin(
            name="stylegan2",
            summary="a mapped code that scales the channels of every layer (Karras et al., CVPR 2020)",
            load=_load,
            provides=everywhere | {"projection"},
            spaces={"z": everywhere},
            options=_options,
        )
    ]
