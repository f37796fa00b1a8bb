"""StyleGAN3: a mapped code and layers free of aliasing, configurations T and R (Karras et al., NeurIPS 2021)."""

from zoo import AdapterPlugin, hookimpl


@hookimpl
def zoo_adapters() -> list[AdapterPlugin]:
    """Announce StyleGAN3."""
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
        )
    ]
