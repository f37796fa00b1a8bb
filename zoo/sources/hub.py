"""A file in a repository of the Hugging Face Hub, or of another endpoint that ``HF_ENDPOINT`` names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from zoo.sources.order import Order, of_own_disk

_KINDS = {"spaces": "space", "datasets": "dataset"}


def fetch(order: Order) -> Path:
    """Download through huggingface_hub, with the user's token where there is one. Raises `WeightsError`, `OSError`."""
    import huggingface_hub
    from tqdm import tqdm

    class Silent(tqdm):  # type: ignore[type-arg]
        """The library's own bar, which must not be drawn over zoo's."""

        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **{**options, "disable": True})

    parts = order.source.parts
    first, _, rest = str(parts["repo"]).partition("/")
    kind, repo = (_KINDS[first], rest) if first in _KINDS else ("model", str(parts["repo"]))
    try:
        with order.watched():
            found = huggingface_hub.hf_hub_download(
                repo,
                str(parts["path"]),
                repo_type=kind,
                revision=parts["revision"],
                local_dir=order.folder / "hub",
                tqdm_class=Silent,
            )
    except Exception as error:  # the library raises its own, its HTTP client's, and the system's
        if of_own_disk(error):
            raise
        raise order.failure(f"{type(error).__name__}: {_first_line(error)}") from error
    return Path(str(found))


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else "no cause was given"
