"""What is checked of adapters, analyzers, scorers, projectors and cards, and where. Importing this needs no torch."""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Contract:
    """One requirement, and the function that checks it.

    Attributes:
        text: the requirement in a line.
        function: the function as ``"module:function"``, so that listing contracts imports nothing.
        takes: what the function is called with: the plugin's ``entry``; a ``network``, which is an adapter and a seed,
            for several seeds; or the whole ``subject``.

    """

    text: str
    function: str
    takes: Literal["entry", "network", "subject"] = "entry"

    def resolve(self) -> Callable[..., None]:
        """Import the function.

        Returns:
            The function, which raises `ContractError` unless the requirement is met.

        """
        function: Callable[..., None] = pkgutil.resolve_name(self.function)
        return function


def _architecture(text: str, function: str) -> Contract:
    return Contract(text, f"zoo.testing.architecture_checks:{function}")


def _network(text: str, function: str) -> Contract:
    return Contract(text, f"zoo.testing.network_checks:{function}", takes="network")


def _analyzer(text: str, function: str) -> Contract:
    return Contract(text, f"zoo.testing.analyzer_checks:{function}")


def _scorer(text: str, function: str) -> Contract:
    return Contract(text, f"zoo.testing.scorer_checks:{function}")


def _projector(text: str, function: str) -> Contract:
    return Contract(text, f"zoo.testing.projector_checks:{function}")


def _card(text: str, function: str) -> Contract:
    return Contract(text, f"zoo.testing.card_checks:{function}", takes="subject")


_IMPORT = Contract(
    "importing the plugin and its options does not import torch", "zoo.testing.subject:check_import", takes="subject"
)
_OPTIONS = Contract(
    "each option has a default and a description; unknown ones are refused", "zoo.testing.option_checks:check_options"
)
_PROJECTIONS = Contract(
    "the declared projections are the weights by which the network reads the code, as measured",
    "zoo.testing.projection_checks:check_first_steps",
    takes="network",
)

# By kind and name, in the order in which they are checked.
CONTRACTS: Mapping[str, Mapping[str, Contract]] = {
    "adapter": {
        "import": _IMPORT,
        "announcement": _architecture("the entry announces what the network can do", "check_announcement"),
        "tiny": _architecture("tiny builds a small network without a download, from its seed alone", "check_tiny"),
        "layouts": _architecture("layouts have different names and detect no other files", "check_layouts"),
        "refusals": _architecture("load refuses what does not fit with zoo's own errors", "check_refusals"),
        "codes": _network("codes fit the space and depend only on the seed", "check_codes"),
        "images": _network("images have the declared shape, are finite, and depend on the code", "check_images"),
        "determinism": _network("the same code gives the same image", "check_determinism"),
        "batches": _network("an image does not depend on the rest of its batch", "check_batches"),
        "moves": _network("move adds to the chosen rows of a code and does nothing else", "check_moves"),
        "projections": _network("projections are finite weights (out, dim) of existing layers", "check_projections"),
        "first-steps": _PROJECTIONS,
        "layer-names": _network("names of layers stand for layers that there are", "check_layer_names"),
        "regions": _network("the output of a region is the image, cut", "check_regions"),
        "forward": _network("forward-mode derivatives agree with central differences", "check_forward"),
        "reverse": _network("reverse-mode derivatives agree with central differences", "check_reverse"),
        "types": _network("codes and images in float64 are those in float32, up to rounding", "check_types"),
        "devices": _network("rendering creates its tensors on the device of the codes", "check_devices"),
        "traces": _network("weights, hooks, settings and random states stay unchanged", "check_traces"),
    },
    "analyzer": {
        "import": _IMPORT,
        "options": _OPTIONS,
        "directions": _analyzer("directions are unit rows of the space, with finite scores", "check_directions"),
        "order": _analyzer("directions are sorted by score, highest first", "check_order"),
        "layers": _analyzer("directions record the layers of the probe", "check_layers"),
        "determinism": _analyzer("random numbers come only from the probe's generator", "check_determinism"),
        "progress": _analyzer("work on images reports its progress", "check_progress"),
        "requires": _analyzer("the capabilities in requires are enough to run", "check_requires"),
        "refusals": _analyzer("a constant or damaged network gives a zoo error or finite results", "check_refusals"),
        "types": _analyzer("a float64 network gives the same leading direction", "check_types"),
        "files": _analyzer("directions and their provenance can be saved and loaded", "check_files"),
        "traces": _analyzer("codes, network, settings and random states stay unchanged", "check_traces"),
    },
    "scorer": {
        "import": _IMPORT,
        "attributes": _scorer("the entry lists the attributes of the class, each once", "check_attributes"),
        "fits": _scorer("fits returns True or False for every card", "check_fits"),
        "scores": _scorer("scores are finite, (images, attributes), and depend on the images", "check_scores"),
        "batches": _scorer("the scores of an image do not depend on the rest of its batch", "check_batches"),
        "parts": _scorer("each part has a name of its own; parts and masks come together", "check_parts"),
        "masks": _scorer("masks are bools (images, parts, height, width), one by one as in batches", "check_masks"),
        "traces": _scorer("images, settings and random states stay unchanged", "check_traces"),
    },
    "projector": {
        "import": _IMPORT,
        "options": _OPTIONS,
        "fits": _projector("fits returns True or False for every card", "check_fits"),
        "codes": _projector("there is one finite code of the network's space for each picture", "check_codes"),
        "labels": _projector(
            "codes of a network with classes have a class, the one that was asked for", "check_labels"
        ),
        "pictures": _projector("another picture gives another code", "check_pictures"),
        "determinism": _projector("random numbers come only from the generator of the pictures", "check_determinism"),
        "traces": _projector("pictures, network, settings and random states stay unchanged", "check_traces"),
    },
    "card": {
        "card": _card("every field of the card is valid, and its architecture is installed", "check_card"),
        "licence": _card("the card states the terms of the weights", "check_licence"),
        "weights": _card("the weights can be read or fetched, and have the card's hash and size", "check_weights"),
        "container": _card("weights that ship in a package contain no pickle", "check_container"),
        "model": _card("the model opens with the card's resolution, space and classes", "check_model"),
        "regions": _card("every region can be read and is a part of the image", "check_regions"),
        "classes": _card("the names of the classes are all different", "check_classes"),
        "samples": _card("samples are finite images of the card's resolution", "check_samples"),
    },
}
