"""StyleGAN3: a mapped code and layers free of aliasing, configurations T and R (Karras et al., NeurIPS 2021)."""

from typing import TYPE_CHECKING

from zoo import AdapterPlugin, hookimpl

if TYPE_CHECKING:
    from zoo import Options


def _load() -> type:
    from zoo_adapters.stylegan3.adapter import StyleGAN3

    return StyleGAN3


def _options() -> "type[Options]":
    from zoo_adapters.stylegan3.options import StyleGAN3Options

    return StyleGAN3Options


@hookimpl
def zoo_adapters() -> list[AdapterPlugin]:
    """Announce StyleGAN3."""
    everywhere = frozenset({"derivative", "region", "labels"})
    return [
        AdapterPlugin(
            name="stylegan3",
            summary="a mapped code, in layers that do not alias (Karras et al., NeurIPS 2021)",
            load=_load,
            provides=everywhere | {"projection"},
            spaces={"z": everywhere},
            options=_options,
        )
    ]
