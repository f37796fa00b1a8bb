"""One-step diffusion: generators of the library diffusers that draw an image in a single step."""

from zoo import AdapterPlugin, hookimpl

_PIXELS = frozenset({"derivative", "region", "labels"})


@hookimpl
def zoo_adapters() -> list[AdapterPlugin]:
    """Announce the generators of diffusers."""
    return [
        AdapterPlugin(
            name="diffusers",
            summary="one step of diffusion: SD-Turbo, LCM, DMD2, consistency models; needs 'latent-zoo[diffusers]'",
            load="zoo_adapters.diffusers.adapter:OneStepDiffusion",
            provides=_PIXELS,
            spaces={"noise": _PIXELS, "h": _PIXELS, "temb": _PIXELS | {"projection"}},
            options="zoo_adapters.diffusers.options:DiffusersOptions",
        )
    ]
