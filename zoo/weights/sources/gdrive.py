"""A file on Google Drive that anyone with the link may read."""

from __future__ import annotations

from pathlib import Path

from zoo.errors import WeightsError
from zoo.weights.sources.request import DownloadRequest, is_local_disk_error, patience, plainly

_REFUSED = (
    "Google Drive does not give it: it is private, gone, or asked for too often today; get it in a browser, and see "
    "'zoo add --help'"
)


def fetch(order: DownloadRequest) -> Path:
    """Download through gdown, without cookies. Raises `WeightsError`, `OSError`."""
    import gdown

    def report(done: int, total: int | None) -> None:
        if done > order.most:
            raise order.failure(f"more than the {order.most:,} bytes allowed came")
        order.report(done, total)

    target = order.folder / "file"
    try:
        gdown.download(
            id=order.source.location,
            output=str(target),
            quiet=True,
            use_cookies=False,
            timeout=patience(),
            retries=2,
            progress=report,
        )
    except WeightsError:
        raise
    except gdown.exceptions.FileURLRetrievalError as error:
        raise order.failure(_REFUSED, passing=True) from error
    except Exception as error:  # the library raises its own, requests', and what a page without a file trips it over
        if is_local_disk_error(error):
            raise
        broken = isinstance(error, gdown.exceptions.DownloadError)
        raise order.failure("the download broke off" if broken else plainly(error), passing=True) from error
    return target
