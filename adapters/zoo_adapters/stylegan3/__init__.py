"""StyleGAN3: a mapped code and layers free of aliasing, configurations T and R (Karras et al., NeurIPS 2021).

StyleGAN-XL (Sauer et al., SIGGRAPH 2022) is built of the same layers.
"""

from zoo import AdapterPlugin, hookimpl


@hookimpl
def zoo_adapters() -> list[AdapterPlugin]:
    """Announce StyleGAN3 and StyleGAN-XL."""
    everywhere = frozenset({"derivative", "region", "labels"})
    return [
        AdapterPlugin(
            name="stylegan3",
            summary="a mapped code, in layers that do not alias (Karras et al., NeurIPS 2021)",
            load="zoo_adapters.stylegan3.adapter:StyleGAN3",
            provides=everywhere | {"projection"},
            spaces={"z": everywhere},
            options="zoo_adapters.stylegan3.options:StyleGAN3Options",
            layers="zoo_adapters.stylegan3.layers:name_layers",
        ),
        AdapterPlugin(
            name="stylegan-xl",
            summary="StyleGAN3 with stages of layers and embedded classes (Sauer et al., SIGGRAPH 2022)",
            load="zoo_adapters.stylegan3.xl_adapter:StyleGANXL",
            provides=everywhere | {"projection"},
            spaces={"z": everywhere},
            options="zoo_adapters.stylegan3.options:StyleGAN3Options",
        ),
    ]
