"""Asking a plugin's projector for the codes of pictures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zoo.core.codes import Codes
from zoo.core.options import parse_options
from zoo.core.projector import Pictures, Projector
from zoo.errors import CapabilityError, CodesError, ContractError
from zoo.models.model import Model
from zoo.plugins.containment import blaming
from zoo.plugins.entries import ProjectorPlugin
from zoo.registry.cards import Card


def open_projector(plugin: ProjectorPlugin, options: Mapping[str, Any], card: Card) -> Projector[Any]:
    """Make a projector, and refuse a model that it does not serve.

    Args:
        plugin: Its entry.
        options: Its options.
        card: The card of the model.

    Returns:
        The projector.

    Raises:
        CapabilityError: If it does not serve the model.
        ContractError: If it fails.
        OptionError: If an option is wrong.
    """
    parsed = parse_options(plugin.name, plugin.schema(), options)
    with blaming(f"the projector {plugin.name}", card.name):
        projector = plugin.resolve()(parsed)
        served = projector.fits(card)
    if not served:
        raise CapabilityError(
            f"--projector {plugin.name}: it does not serve {card.name}; leave it out for zoo's own search"
        )
    return projector


def ask_projector(plugin: ProjectorPlugin, options: Mapping[str, Any], model: Model, pictures: Pictures) -> Codes:
    """Have a projector find codes. Any error of its own, and codes that do not fit, are its author's mistake.

    Args:
        plugin: Its entry.
        options: Its options.
        model: The model.
        pictures: The pictures (n).

    Returns:
        The codes (n), on the network's device and in its dtype.

    Raises:
        CapabilityError: If it does not serve the model.
        ContractError: If it fails, or the codes are not those of n pictures in the model.
    """
    what = f"the projector {plugin.name}"
    projector = open_projector(plugin, options, model.card)
    with blaming(what, model.name):
        codes = projector.project(model.adapter, pictures)
    if not isinstance(codes, Codes):
        raise ContractError(f"{what} returned {type(codes).__name__}, not zoo.Codes")
    if len(codes) != len(pictures):
        raise ContractError(f"{what} returned {len(codes)} codes for {len(pictures)} pictures")
    codes = codes.to(model.adapter.device, model.adapter.dtype)
    try:
        model.adapter.check(codes, f"what {what} returned")
    except CodesError as error:
        raise ContractError(str(error)) from error
    return codes
