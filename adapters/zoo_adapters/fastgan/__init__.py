"""FastGAN: skip-layer excitation and gated linear units, for few pictures (Liu et al., ICLR 2021).

The package lightweight-gan builds networks after it.
"""

from zoo import AdapterPlugin, hookimpl


@hookimpl
def zoo_adapters() -> list[AdapterPlugin]:
    """Announce FastGAN and lightweight-gan."""
    return [
        AdapterPlugin(
            name="fastgan",
            summary="gated convolutions, excited by the first maps, for few pictures (Liu et al., ICLR 2021)",
            load="zoo_adapters.fastgan.adapter:FastGAN",
            provides=frozenset({"projection", "derivative", "region"}),
            options="zoo_adapters.fastgan.options:FastGANOptions",
        ),
        AdapterPlugin(
            name="lightweight-gan",
            summary="FastGAN with learned upsampling and attention, as the package lightweight-gan builds it",
            load="zoo_adapters.fastgan.lightweight_adapter:LightweightGAN",
            provides=frozenset({"projection", "derivative", "region"}),
            options="zoo_adapters.fastgan.options:LightweightOptions",
        ),
    ]
