"""Reading the words of a request that depend on analyzer and model: capabilities, region and layers."""

from __future__ import annotations

from collections.abc import Sequence

from zoo.core.common_regions import COMMON_REGIONS
from zoo.core.layers import resolve_layers
from zoo.core.region import Region, parse_region
from zoo.errors import CapabilityError, LayersError, RegionError
from zoo.models.model import Model
from zoo.plugins.entries import AnalyzerPlugin
from zoo.registry.cards import Card
from zoo.registry.registry import Installation


def check_capabilities(plugin: AnalyzerPlugin, installation: Installation, card: Card, space: str | None) -> None:
    """Refuse an analyzer that requires what the architecture does not provide.

    Args:
        plugin: The analyzer.
        installation: The plugins and the registry.
        card: The card of the model.
        space: The latent space; None is the family's usual one.

    Raises:
        CapabilityError: If something is missing.
    """
    obstacle = plugin.obstacle(installation.plugins.adapter(card.adapter), space)
    if obstacle:
        raise CapabilityError(obstacle)


def read_region(text: str, plugin: AnalyzerPlugin, card: Card, size: tuple[int, int]) -> Region:
    """Read a region, and refuse the whole image where the analyzer compares a region with the rest of the image.

    Args:
        text: The text of the region.
        plugin: The analyzer.
        card: The card of the model, which may name regions of its own.
        size: The height and width of the images.

    Returns:
        The region.

    Raises:
        UnknownNameError: If a name in the text is unknown.
        RegionError: If the text cannot be read, or the region is the whole image where it must not be.
    """
    region = parse_region(text, size, card.regions)
    if plugin.local and region.whole:
        names = ", ".join([*card.regions, *(name for name in COMMON_REGIONS if name != "all")])
        raise RegionError(
            f"{plugin.name} sets a region against the rest of the image, but {text} is the whole image: "
            f"pass --region, one of {names}"
        )
    return region


def read_layers(layers: str | Sequence[int] | None, plugin: AnalyzerPlugin, model: Model) -> tuple[int, ...] | None:
    """Read the rows of a code that directions move.

    An analyzer of projections can choose among the projections by the rows that they read, even where the codes have a
    single row.

    Args:
        layers: Text such as ``4-7`` or ``coarse``, or indices; None is all.
        plugin: The analyzer.
        model: The model.

    Returns:
        The rows in ascending order, or None.

    Raises:
        LayersError: If the text cannot be read, or there is no such row.
        CapabilityError: If the analyzer needs projections, and the model has none.
    """
    if layers is None:
        return None
    space = model.adapter.space
    if "projection" not in plugin.requires:
        if space.layers == 1:
            raise LayersError(
                f"--layers: {model.name} has a single row of {space}, and {plugin.name} moves rows; leave it out"
            )
        return resolve_layers(layers, space.layers, model.adapter.layer_names())
    rows = [projection.layer for projection in model.adapter.projections()]
    if not rows:
        raise CapabilityError(
            f"{model.name} has no projection in {space}, so there is nothing for {plugin.name} to read"
        )
    return resolve_layers(layers, max(space.layers, 1 + max(rows)), model.adapter.layer_names())
