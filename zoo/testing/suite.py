"""Running all checks of a network at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.testing.contracts import CONTRACTS

if TYPE_CHECKING:
    from zoo.core.adapter import Adapter


def check_adapter(adapter: Adapter, seed: int = 0) -> None:
    """Run every check of a network.

    Args:
        adapter: the adapter, usually of a small network.
        seed: the seed of the codes and of what else is drawn.

    Raises:
        ContractError: a requirement is not met; the first one ends the run.

    """
    for contract in CONTRACTS["adapter"].values():
        if contract.takes == "network":
            contract.resolve()(adapter, seed)
