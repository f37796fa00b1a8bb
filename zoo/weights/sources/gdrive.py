"""A file on Google Drive that anyone with the link may read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import requests
import urllib3

from zoo.weights.sources.http import download, get
from zoo.weights.sources.request import DownloadRequest
from zoo.weights.sources.session import open_session

_REFUSED = (
    "Google Drive does not give it: it is private, gone, or asked for too often today; get it in a browser, and see "
    "'zoo add --help'"
)
# Google Drive tells its pages by the browser.
_BROWSER = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/39.0.2171.95 Safari/537.36"
# A page that asks whether a large file shall be downloaded has about 3 kB.
_MAX_PAGE_BYTES = 2**16
_MAX_LINES = 50
_MAX_PAGES = 3


def fetch(request: DownloadRequest) -> Path:
    """Download without cookies; gdown knows how to read the page that Google Drive puts before a large file.

    Args:
        request: The file to download.

    Returns:
        The path of the file inside the request's folder.

    Raises:
        WeightsError: If Google Drive or the network fails, or if more bytes arrive than are allowed.
        OSError: If the local disk refuses.
    """
    with open_session(request, secure=True) as session:
        session.headers["User-Agent"] = _BROWSER
        return download(request, lambda headers: _open_file(request, session, headers), keep=False)


def _open_file(request: DownloadRequest, session: requests.Session, headers: Mapping[str, str]) -> requests.Response:
    """Ask for the file, by way of the pages that stand before it."""
    url = f"https://drive.google.com/uc?id={request.source.location}"
    for _ in range(_MAX_PAGES):
        response = get(session, url, headers)
        if "Content-Disposition" in response.headers or response.status_code >= requests.codes.internal_server_error:
            return response
        with response:
            if not response.ok:
                break
            link = _find_link(_read_page(response))
        if link is None:
            break
        url = urljoin(url, link)
        if urlsplit(url).scheme != "https":
            raise request.failure(f"the page leads to {urlsplit(url).scheme}://, which is not https")
    raise request.failure(_REFUSED, retryable=True)


def _read_page(response: requests.Response) -> str:
    """Read a page, or of one that is too long for any that Google Drive sends the beginning."""
    try:
        page: bytes = response.raw.read(_MAX_PAGE_BYTES, decode_content=False)
    except urllib3.exceptions.HTTPError as error:
        raise requests.ConnectionError(error) from error
    return page.decode("utf-8", errors="replace")


def _find_link(page: str) -> str | None:
    from gdown.download import get_url_from_gdrive_confirmation
    from gdown.exceptions import FileURLRetrievalError

    # gdown parses every line as a page of its own, which is slow for many short ones.
    lines = [line for line in page.splitlines() if "download" in line][:_MAX_LINES]
    try:
        return get_url_from_gdrive_confirmation("\n".join(lines))
    except (FileURLRetrievalError, LookupError, AssertionError, ValueError):
        return None
