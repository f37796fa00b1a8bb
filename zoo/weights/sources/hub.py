"""A file in a repository of the Hugging Face Hub, or of another endpoint that ``HF_ENDPOINT`` names."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from zoo.errors import WeightsError
from zoo.weights.sources.request import DownloadRequest, describe, exception_chain, is_local_disk_error, timeout

_REPO_TYPES = {"spaces": "space", "datasets": "dataset"}


def fetch(request: DownloadRequest) -> Path:
    """Download through huggingface_hub, with the user's token where there is one.

    Args:
        request: The file to download.

    Returns:
        The path of the file inside the request's folder.

    Raises:
        WeightsError: If the Hub or the network fails, or if the Hub's file has another size than the card says.
        OSError: If the local disk refuses.
    """
    import huggingface_hub

    path = str(request.source.parts["path"])
    repo = _repository(request)
    try:
        url = huggingface_hub.hf_hub_url(filename=path, **repo)
        size = huggingface_hub.get_hf_file_metadata(url, timeout=timeout()).size
        _check_size(request, size)
        with _quiet():
            file = huggingface_hub.hf_hub_download(
                filename=path, **repo, local_dir=request.folder / "hub", tqdm_class=_reporting_bar(request, size)
            )
    except WeightsError:
        raise
    except Exception as error:  # the library raises its own, its HTTP client's, and the system's
        if is_local_disk_error(error):
            raise
        raise request.failure(describe(error), retryable=_is_retryable(error)) from error
    return Path(str(file))


def _repository(request: DownloadRequest) -> dict[str, Any]:
    """Split ``spaces/owner/repo`` and the like into the keyword arguments of huggingface_hub."""
    parts = request.source.parts
    prefix, _, name = str(parts["repo"]).partition("/")
    if prefix not in _REPO_TYPES:
        prefix, name = "models", str(parts["repo"])
    return {"repo_id": name, "repo_type": _REPO_TYPES.get(prefix, "model"), "revision": parts["revision"]}


def _check_size(request: DownloadRequest, size: int | None) -> None:
    if size is not None and request.size not in {None, size}:
        raise request.failure(f"the Hub has {size:,} bytes there, the card says {request.size:,}")
    if size is not None and size > request.max_bytes:
        raise request.failure(f"the Hub has {size:,} bytes there, more than the {request.max_bytes:,} allowed")


def _reporting_bar(request: DownloadRequest, size: int | None) -> type[Any]:
    """Make a tqdm class that draws nothing and hands the library's progress on to the request."""
    from tqdm import tqdm

    furthest = 0

    class ReportingBar(tqdm):  # type: ignore[type-arg]
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **{**options, "disable": True})

        def update(self, n: float | None = 1) -> None:
            # The Xet protocol has two bars, of bytes received and of bytes written, and a download that starts again
            # counts backwards. The larger number is reported, so that what is reported never decreases.
            nonlocal furthest
            self.n += n or 0
            furthest = max(furthest, int(self.n))
            request.report(furthest if size is None else min(furthest, size), size)

    return ReportingBar


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the library's warnings about attempts that it repeats by itself."""
    from huggingface_hub.utils.logging import get_verbosity, set_verbosity

    before = get_verbosity()
    set_verbosity(logging.ERROR)
    try:
        yield
    finally:
        set_verbosity(before)


def _is_retryable(error: BaseException) -> bool:
    """Tell a busy server or a lost connection from a file, repository or permission that is not there."""
    responses = [getattr(cause, "response", None) for cause in exception_chain(error)]
    status_codes = [response.status_code for response in responses if response is not None]
    return not status_codes or status_codes[0] >= 500 or status_codes[0] == 429
