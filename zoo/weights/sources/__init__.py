"""Downloading a file from where a card says it is: one module for each kind of source, imported when it is needed.

Each module has one function, ``fetch(request) -> Path``, which leaves the file inside ``request.folder``. It raises
`WeightsError` for what the server or the network did, and `OSError` for what the local disk refused.
"""

from importlib import import_module
from pathlib import Path

from zoo.weights.sources.request import DownloadRequest, RetryableError, backoff

# The module for each scheme of `zoo.registry.sources.SCHEMES` that is not local.
MODULES = {"pypi": "pypi", "hf": "hub", "https": "http", "http": "http", "gdrive": "gdrive"}


def fetch(request: DownloadRequest) -> Path:
    """Download a file; after a failure that may be temporary, try once more.

    Args:
        request: The source, and the folder to leave the file in.

    Returns:
        The path of the file.

    Raises:
        WeightsError: If the source does not give the file.
        OSError: If the local disk refuses.
    """
    module = import_module(f"zoo.weights.sources.{MODULES[request.source.scheme]}")
    try:
        path: Path = module.fetch(request)
    except RetryableError:
        backoff(2)
        path = module.fetch(request)
    return path
