"""The conformance suite as a list of checks, by name: for a plugin's own tests, and for ``zoo check``.

Listing checks does not import torch, so a test module can list them while its tests are collected::

    @pytest.mark.parametrize("check", checks_of("adapter", "mine"), ids=str)
    def test_conformance(check: Check) -> None:
        check()
"""

from __future__ import annotations

from dataclasses import dataclass, field

from zoo.errors import ContractError, unknown_name
from zoo.registry.registry import Installation, load_installation
from zoo.testing.contracts import CONTRACTS
from zoo.testing.subject import Subject

__all__ = ["CONTRACTS", "Check", "checks_of"]

PAGE = "docs/contract.md"


@dataclass(frozen=True)
class Check:
    """One check of one adapter, analyzer, scorer, projector or card. Call it to run it.

    Attributes:
        kind: ``adapter``, ``analyzer``, ``scorer``, ``projector`` or ``card``.
        name: the name of the check, a key of `CONTRACTS` of that kind.
        subject: what is checked.

    """

    kind: str
    name: str
    subject: Subject = field(repr=False)

    @property
    def of(self) -> str:
        """The name of what is checked."""
        return str(self.subject.item.name)

    @property
    def contract(self) -> str:
        """The requirement in a line."""
        return CONTRACTS[self.kind][self.name].text

    @property
    def page(self) -> str:
        """Where the requirement is documented."""
        return f"{PAGE}#{self.kind}-{self.name}"

    def __str__(self) -> str:
        return self.name

    def __call__(self) -> None:
        """Run the check.

        Raises:
            ContractError: it fails, for whatever reason. The message says what the contract is, what was seen, and
                where to read more.

        """
        try:
            self.subject.check(CONTRACTS[self.kind][self.name])
        except Exception as error:
            message = " ".join(str(error).split())
            if not message.startswith("the contract is: "):
                kind = "" if isinstance(error, ContractError) else f"{type(error).__name__}: "
                message = f"the contract is: {self.contract}; seen: {kind}{message}"
            raise ContractError(f"{message}; read {self.page}") from error


def checks_of(kind: str, name: str, installation: Installation | None = None) -> tuple[Check, ...]:
    """List the checks of an adapter, analyzer, scorer, projector or card.

    Args:
        kind: ``adapter``, ``analyzer``, ``scorer``, ``projector`` or ``card``.
        name: its name; for a card, the name of the model.
        installation: the plugins and cards to look in; by default those that are installed.

    Returns:
        The checks, in the order in which to run them.

    Raises:
        UnknownNameError: there is no such kind, or nothing of that name.

    """
    if kind not in CONTRACTS:
        raise unknown_name("kind of thing to check", kind, CONTRACTS)
    home = installation or load_installation()
    item = home.registry.resolve(name) if kind == "card" else getattr(home.plugins, kind)(name)
    subject = Subject(kind, item, home)
    return tuple(Check(kind, check, subject) for check in CONTRACTS[kind])
