"""FastGAN: skip-layer excitation and gated linear units, for few pictures (Liu et al., ICLR 2021)."""

from zoo import AdapterPlugin, hookimpl


@hookimpl
def zoo_adapters() -> list[AdapterPlugin]:
    """Announce FastGAN."""
    return [
        AdapterPlugin(
            name="fastgan",
            summary="gated convolutions, excited by the first maps, for few pictures (Liu et al., ICLR 2021)",
            load="zoo_adapters.fastgan.adapter:FastGAN",
            provides=frozenset({"projection", "derivative", "region"}),
            options="zoo_adapters.fastgan.options:FastGANOptions",
        )
    ]
