"""StyleGAN2: a mapped code that scales the channels of every layer (Karras et al., CVPR 2020), ADA's networks too."""

from zoo import AdapterPlugin, hookimpl


@hookimpl
def zoo_adapters() -> list[AdapterPlugin]:
    """Announce StyleGAN2."""
    everywhere = frozenset({"derivative", "region", "labels"})
    return [
        AdapterPlugin(
            name="stylegan2",
            summary="a mapped code that scales the channels of every layer (Karras et al., CVPR 2020)",
            load="zoo_adapters.stylegan2.adapter:StyleGAN2",
            provides=everywhere | {"projection"},
            spaces={"z": everywhere, "s": everywhere},
            options="zoo_adapters.stylegan2.options:StyleGAN2Options",
            layers="zoo_adapters.stylegan2.layers:name_layers",
        )
    ]
