"""The base of what watches torch's operations as they run."""

from __future__ import annotations

from torch.utils._python_dispatch import TorchDispatchMode


class EagerDispatchMode(TorchDispatchMode):
    """A dispatch mode that asks for no compiler: torch would import its own, to leave it unused."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False
