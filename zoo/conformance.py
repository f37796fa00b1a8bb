"""The conformance suite as a list of checks, by name: for a plugin's own tests, and for ``zoo check``.

Nothing heavy is imported before a check is called, so that a test file may list them where its tests are collected::

    @pytest.mark.parametrize("check", checks_of("adapter", "mine"), ids=str)
    def test_conformance(check: Check) -> None:
        check()
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from zoo.errors import ContractError, unknown_name
from zoo.registry.registry import Installation, load_installation

__all__ = ["CONTRACTS", "Check", "checks_of"]

CONTRACTS: Mapping[str, Mapping[str, str]] = {
    "adapter": {
        "import": "the entry and its options come without torch",
        "announcement": "the entry says what the network can do",
        "tiny": "tiny builds a small network, without a download, from its seed alone",
        "layouts": "layouts have names of their own, and recognise files of theirs alone",
        "refusals": "load refuses what does not fit with zoo's own errors",
        "codes": "codes fit the space and depend on the seed alone",
        "images": "images have the declared shape and finite numbers, and follow the code",
        "determinism": "the same code gives the same image",
        "batches": "an image does not depend on the others of its batch",
        "moves": "a move adds to the chosen rows of a code and does nothing else",
        "projections": "projections are finite weights (out, dim) of layers that there are",
        "first-steps": "the network's first steps, measured, are the declared projections",
        "regions": "a region's output is the region cut from the image",
        "forward": "forward mode agrees with central differences",
        "reverse": "reverse mode agrees with central differences",
        "types": "in float64 codes and images are those of float32, up to rounding",
        "devices": "what rendering makes lies on the device of the codes",
        "traces": "weights, hooks, settings and random states are left as they were",
    },
    "analyzer": {
        "import": "the entry and its options come without torch",
        "options": "each option has a default and a description, and others are refused",
        "directions": "unit rows of the adapter's space, with finite scores",
        "order": "directions come strongest first",
        "layers": "directions name the layers of the probe",
        "determinism": "random numbers come from the probe's generator alone",
        "progress": "the callback is told how far work on images is",
        "requires": "what the entry requires is enough to run",
        "refusals": "a dead or damaged network gives one of zoo's errors, or finite directions",
        "types": "a network of float64 has the same leading direction",
        "files": "directions and their record survive a file",
        "traces": "codes, network, settings and random states are left as they were",
    },
    "scorer": {
        "import": "the entry comes without torch",
        "attributes": "the entry names the attributes of the class, each once",
        "fits": "fits answers for any card with True or False",
        "scores": "scores are finite numbers (images, attributes) that follow the images",
        "batches": "scores do not depend on the others of a batch",
        "traces": "images, settings and random states are left as they were",
    },
    "card": {
        "card": "every field of the card is valid, and its architecture is installed",
        "licence": "the terms of the weights are stated",
        "weights": "the weights are here or can be fetched, with the card's hash and size",
        "container": "weights that come in a package hold no pickled code",
        "model": "the model opens, of the size, space and number of classes that the card says",
        "regions": "every region can be read and lies within the pictures",
        "classes": "each class has a name of its own",
        "samples": "samples are finite images of the right size",
    },
}
"""What is checked of each kind of thing, in the order in which it is: the names of the checks, and what each means."""

PAGE = "docs/contract.md"


@dataclass(frozen=True)
class Check:
    """One check of one thing: call it, and `ContractError` says what the contract is, what was seen, where to read."""

    kind: str
    name: str
    of: str
    subject: Callable[[], Any] = field(repr=False)

    @property
    def contract(self) -> str:
        """What is held to, in a line."""
        return CONTRACTS[self.kind][self.name]

    @property
    def page(self) -> str:
        """Where to read about it."""
        return f"{PAGE}#{self.kind}-{self.name}"

    def __str__(self) -> str:
        return self.name

    def __call__(self) -> None:
        """Run it. Raises `ContractError`, whatever the reason."""
        from zoo.testing import run

        try:
            run(self.kind, self.name, self.subject())
        except Exception as error:
            kind = "" if isinstance(error, ContractError) else f"{type(error).__name__}: "
            told = " ".join(str(error).split())
            if not told.startswith("the contract is: "):
                told = f"the contract is: {self.contract}; seen: {kind}{told}"
            raise ContractError(f"{told}; read {self.page}") from error


def checks_of(kind: str, name: str, installation: Installation | None = None) -> tuple[Check, ...]:
    """List the checks of an adapter, analyzer, scorer or card. Raises `UnknownNameError` where there is none."""
    if kind not in CONTRACTS:
        raise unknown_name("kind of thing to check", kind, CONTRACTS)
    home = installation or load_installation()
    found = home.registry.resolve(name) if kind == "card" else getattr(home.plugins, kind)(name)
    name = found.name

    @cache
    def subject() -> Any:
        from zoo.testing import subject_of

        return subject_of(kind, found, home)

    return tuple(Check(kind, check, name, subject) for check in CONTRACTS[kind])
