"""StyleSwin: attention in windows that reads a mapped code (Zhang et al., CVPR 2022)."""

from zoo import AdapterPlugin, hookimpl


@hookimpl
def zoo_adapters() -> list[AdapterPlugin]:
    """Announce StyleSwin."""
    everywhere = frozenset({"derivative", "region"})
    return [
        AdapterPlugin(
            name="styleswin",
            summary="a mapped code in blocks of attention within windows (Zhang et al., CVPR 2022)",
            load="zoo_adapters.styleswin.adapter:StyleSwin",
            provides=everywhere | {"projection"},
            spaces={"z": everywhere},
            options="zoo_adapters.styleswin.options:StyleSwinOptions",
            layers="zoo.nn:name_row_pairs",
        )
    ]
