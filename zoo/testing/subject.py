"""What the checks of a plugin or a card are run on. Importing this needs no torch."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.errors import ContractError
from zoo.plugins.selection import SELECTION_VARIABLE
from zoo.registry.registry import Installation
from zoo.testing.contracts import Contract

if TYPE_CHECKING:
    from zoo.models.model import Model

# The seeds of the tiny networks that an architecture is checked on.
SEEDS = (0, 1)

_IMPORT_CODE = """
import sys
from zoo.plugins import load_plugins
entry = getattr(load_plugins(), {kind!r})({name!r})
if hasattr(entry, "schema"):
    entry.schema()
print("torch" in sys.modules)
"""


@dataclass(frozen=True)
class Subject:
    """An adapter, analyzer, scorer, projector or card that is checked.

    A card's file is fetched, and its model opened, on first use.

    Attributes:
        kind: ``adapter``, ``analyzer``, ``scorer``, ``projector`` or ``card``.
        item: the plugin's entry, or the card.
        installation: the plugins and cards that it is one of.

    """

    kind: str
    item: Any
    installation: Installation

    @property
    def owner(self) -> str:
        """The distribution, with its version, that the entry comes from."""
        return self.installation.plugins.provider(f"zoo_{self.kind}s", self.item.name)

    @cached_property
    def file(self) -> Path:
        """The weights file of the card. Raises `WeightsError`."""
        from zoo.weights.fetch import fetch

        return fetch(self.item)[0]

    @cached_property
    def model(self) -> Model:
        """The model of the card, opened on the CPU. Raises what `open_card` does."""
        from zoo.models.opening import open_card

        return open_card(self.item, self.installation, device="cpu")

    @property
    def shipped(self) -> bool:
        """Whether the weights of the card are in a package, zoo's own or a plugin's."""
        weights = self.item.weights
        if any(source.scheme == "bundled" for source in weights.sources):
            return True
        packages = {path.parent for _, path in self.installation.plugins.registries}
        in_package = self.item.file is None or self.item.file.parent in packages
        return in_package and not weights.remote and bool(weights.sources)

    def check(self, contract: Contract) -> None:
        """Check one requirement.

        Args:
            contract: one of `CONTRACTS` of this kind.

        Raises:
            ContractError: the requirement is not met. Faults of the subject raise other errors, too.

        """
        function = contract.resolve()
        if contract.takes == "network":
            for seed in SEEDS:
                function(self.item.resolve().tiny(seed), seed)
        else:
            function(self if contract.takes == "subject" else self.item)


def check_import(subject: Subject) -> None:
    """Importing the plugin and its options does not import torch, so that `zoo list` starts quickly."""
    require_torch_free(subject.kind, subject.item.name, subject.owner)


def require_torch_free(kind: str, name: str, owner: str) -> None:
    """Require that importing an entry, with its options, does not import torch.

    The import runs in a new process in which `owner` is the only plugin beside the built-ins, so that it is not blamed
    for another plugin's imports.

    Args:
        kind: ``adapter``, ``analyzer``, ``scorer`` or ``projector``.
        name: the name of the entry.
        owner: the distribution and version that it comes from, or "zoo itself".

    Raises:
        ContractError: the import fails, or imports torch.

    """
    distribution = owner.rpartition(" ")[0] if owner != "zoo itself" else ""
    search_path = os.pathsep.join(path or os.curdir for path in sys.path)
    command = [sys.executable, "-c", _IMPORT_CODE.format(kind=kind, name=name)]
    done = subprocess.run(
        command,
        env={**os.environ, SELECTION_VARIABLE: distribution, "PYTHONPATH": search_path},
        capture_output=True,
        text=True,
        check=False,
    )
    start = "the contract is: the entry and its options are imported without torch; seen: "
    if done.returncode:
        last_line = (done.stderr.strip() or "nothing").splitlines()[-1]
        raise ContractError(f"{start}they cannot be imported: {last_line}")
    if done.stdout.strip() != "False":
        raise ContractError(f"{start}they import torch")
