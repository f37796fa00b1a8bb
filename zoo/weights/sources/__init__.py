"""Getting a file from where a card says it is: one module a kind of source, imported when it is needed.

A module has one function, ``fetch(order) -> Path``, which leaves the file inside the order's folder. It raises
`WeightsError` for whatever the other side or the network did, and `OSError` for whatever the own disk refused.
"""

from importlib import import_module
from pathlib import Path

from zoo.weights.sources.request import DownloadRequest, RetryableError, backoff

MODULES = {"pypi": "pypi", "hf": "hub", "https": "web", "http": "web", "gdrive": "drive"}
"""The module for each scheme of `zoo.registry.cards.SCHEMES` that is not local."""


def fetch(request: DownloadRequest) -> Path:
    """Get the file of a source into the order's folder, and return its path. Raises `WeightsError`, `OSError`.

    A failure that may pass is met with one more try.
    """
    module = import_module(f"zoo.weights.sources.{MODULES[request.source.scheme]}")
    try:
        path: Path = module.fetch(request)
    except RetryableError:
        backoff(2)
        path = module.fetch(request)
    return path
