"""StyleGAN: a mapped code that gives each layer's channels a mean and a spread (Karras et al., CVPR 2019)."""

from zoo import AdapterPlugin, hookimpl


@hookimpl
def zoo_adapters() -> list[AdapterPlugin]:
    """Announce StyleGAN."""
    everywhere = frozenset({"derivative", "region", "labels"})
    return [
        AdapterPlugin(
            name="stylegan",
            summary="a mapped code that gives each layer's channels a mean and a spread (Karras et al., CVPR 2019)",
            load="zoo_adapters.stylegan.adapter:StyleGAN",
            provides=everywhere | {"projection"},
            spaces={"z": everywhere, "s": everywhere},
            options="zoo_adapters.stylegan.options:StyleGANOptions",
            layers="zoo.nn:name_row_pairs",
        )
    ]
