"""A file on Google Drive that anyone with the link may read."""

from __future__ import annotations

from pathlib import Path

from zoo.errors import WeightsError
from zoo.weights.sources.request import DownloadRequest, describe, is_local_disk_error, timeout

_REFUSED = (
    "Google Drive does not give it: it is private, gone, or asked for too often today; get it in a browser, and see "
    "'zoo add --help'"
)


def fetch(request: DownloadRequest) -> Path:
    """Download through gdown, without cookies.

    Args:
        request: The file to download.

    Returns:
        The path of the file inside the request's folder.

    Raises:
        WeightsError: If Google Drive or the network fails, or if more bytes arrive than are allowed.
        OSError: If the local disk refuses.
    """
    import gdown

    def report(done: int, total: int | None) -> None:
        if done > request.max_bytes:
            raise request.failure(f"more than the {request.max_bytes:,} bytes allowed arrived")
        request.report(done, total)

    target = request.folder / "file"
    try:
        gdown.download(
            id=request.source.location,
            output=str(target),
            quiet=True,
            use_cookies=False,
            timeout=timeout(),
            retries=2,
            progress=report,
        )
    except WeightsError:
        raise
    except gdown.exceptions.FileURLRetrievalError as error:
        raise request.failure(_REFUSED, retryable=True) from error
    except Exception as error:  # gdown's own, those of requests, and what a page without a file makes it trip over
        if is_local_disk_error(error):
            raise
        broken = isinstance(error, gdown.exceptions.DownloadError)
        raise request.failure("the download broke off" if broken else describe(error), retryable=True) from error
    return target
