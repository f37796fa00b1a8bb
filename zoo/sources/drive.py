"""A file on Google Drive that anyone with the link may read."""

from __future__ import annotations

from pathlib import Path

from zoo.sources.order import Order, of_own_disk, patience


class _TooLargeError(Exception):
    """More bytes came than the file may have."""


def fetch(order: Order) -> Path:
    """Download through gdown, without cookies. Raises `WeightsError`, `OSError`."""
    import gdown
    import requests

    def report(done: int, total: int | None) -> None:
        if done > order.most:
            raise _TooLargeError(f"more than the {order.most:,} bytes allowed")
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
    except (gdown.exceptions.DownloadError, requests.RequestException, _TooLargeError, ValueError, OSError) as error:
        if of_own_disk(error):
            raise
        raise order.failure(error) from error
    return target
