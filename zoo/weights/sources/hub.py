"""A file in a repository of the Hugging Face Hub, or of another endpoint that ``HF_ENDPOINT`` names."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from zoo.errors import WeightsError
from zoo.weights.sources.request import DownloadRequest, causes, describe, is_local_disk_error, timeout

_KINDS = {"spaces": "space", "datasets": "dataset"}


def fetch(request: DownloadRequest) -> Path:
    """Download through huggingface_hub, with the user's token where there is one. Raises `WeightsError`, `OSError`."""
    import huggingface_hub
    from tqdm import tqdm

    class Silent(tqdm):  # type: ignore[type-arg]
        """The library's own bar, which must not be drawn over zoo's."""

        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **{**options, "disable": True})

    parts = request.source.parts
    first, _, rest = str(parts["repo"]).partition("/")
    kind, repo = (_KINDS[first], rest) if first in _KINDS else ("model", str(parts["repo"]))
    place: dict[str, Any] = {"repo_type": kind, "revision": parts["revision"]}
    try:
        url = huggingface_hub.hf_hub_url(repo, str(parts["path"]), **place)
        size = huggingface_hub.get_hf_file_metadata(url, timeout=timeout()).size
        if size is not None and request.size not in {None, size}:
            raise request.failure(f"the Hub has {size:,} bytes there, the card says {request.size:,}")
        if size is not None and size > request.most:
            raise request.failure(f"the Hub has {size:,} bytes there, more than the {request.most:,} allowed")
        with request.watched(), _quiet():
            found = huggingface_hub.hf_hub_download(
                repo, str(parts["path"]), **place, local_dir=request.folder / "hub", tqdm_class=Silent
            )
    except WeightsError:
        raise
    except Exception as error:  # the library raises its own, its HTTP client's, and the system's
        if is_local_disk_error(error):
            raise
        raise request.failure(describe(error), passing=_may_pass(error)) from error
    return Path(str(found))


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the library from telling of tries that it makes again by itself."""
    from huggingface_hub.utils.logging import get_verbosity, set_verbosity

    before = get_verbosity()
    set_verbosity(logging.ERROR)
    try:
        yield
    finally:
        set_verbosity(before)


def _may_pass(error: BaseException) -> bool:
    """Tell a busy server and a broken line from a file, repository or right that is not there."""
    answers = [cause.response.status_code for cause in causes(error) if getattr(cause, "response", None) is not None]  # type: ignore[attr-defined]
    return not answers or answers[0] >= 500 or answers[0] == 429
