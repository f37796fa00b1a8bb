"""The connections that downloads go through: no response, whatever it sends, costs more than it may.

requests and urllib3 read some parts of a response to their end, wherever that is: the body of a redirection, the line
that tells the length of a chunk, what follows the last chunk, and informational responses before the real one. Here a
redirection's body is not read, lines are limited together, and a server that sends next to nothing counts as silent.
"""

from __future__ import annotations

import http.client
import io
import time
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
from requests.adapters import HTTPAdapter

from zoo.weights.sources.request import DownloadRequest, timeout

# http.client's limit on a line of the headers.
_MAX_LINE_BYTES = 2**16
# Bytes of headers, lengths of chunks and the like that each response may have, and their share of what is beyond that.
_MAX_LINES_BYTES = 2**18
_MAX_LINES_SHARE = 0.75
# Bytes that have to arrive while zoo waits for as long as `timeout` says.
_SLOWEST_BYTES = 1024


def open_session(request: DownloadRequest, *, secure: bool) -> requests.Session:
    """Open a session for a download.

    Args:
        request: The download, which is named where a redirection is refused.
        secure: Whether the download starts with https, and must stay with it.

    Returns:
        The session. Bodies of redirections are not read.
    """

    def check(response: requests.Response, **_: object) -> None:
        if response.is_redirect:
            response.close()
            if secure:
                _refuse_plain_http(request, response)

    session = requests.Session()
    session.hooks["response"].append(check)
    for scheme in ("https://", "http://"):
        session.mount(scheme, _BoundedAdapter())
    return session


def _refuse_plain_http(request: DownloadRequest, response: requests.Response) -> None:
    """Refuse a redirect away from https before anything is asked there."""
    target = urlsplit(urljoin(response.url, response.headers["location"]))
    if target.scheme != "https":
        raise request.failure(f"the server redirects to {target.scheme}://{target.hostname}, which is not https")


class _BoundedAdapter(HTTPAdapter):
    """Makes connections, through proxies too, whose responses are `_BoundedResponse`."""

    def get_connection_with_tls_context(self, *arguments: Any, **options: Any) -> Any:
        pool: Any = super().get_connection_with_tls_context(*arguments, **options)
        kind = pool.ConnectionCls
        if getattr(kind, "response_class", None) is not _BoundedResponse:
            pool.ConnectionCls = type(kind.__name__, (kind,), {"response_class": _BoundedResponse})
        return pool


class _BoundedResponse(http.client.HTTPResponse):
    """A response that is read through a `_BoundedReader`."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.fp = _BoundedReader(_CountedStream(self.fp.detach()))


class _CountedStream(io.RawIOBase):
    """The bytes from a socket; `received` counts them."""

    def __init__(self, stream: io.RawIOBase) -> None:
        self.stream = stream
        self.received = 0
        self._waited = 0.0
        self._arrived = 0

    def readable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self.stream.fileno()

    def readinto(self, buffer: Any) -> int | None:
        begun = time.monotonic()
        count = self.stream.readinto(buffer)
        self._waited += time.monotonic() - begun  # the time that zoo takes between two reads does not count
        self._arrived += count or 0
        self.received += count or 0
        if self._waited > timeout():
            if self._arrived < _SLOWEST_BYTES:
                raise TimeoutError("timed out")
            self._waited, self._arrived = 0.0, 0
        return count

    def close(self) -> None:
        self.stream.close()
        super().close()


class _BoundedReader(io.BufferedReader):
    """A buffered stream of which not more than a part may be lines."""

    def __init__(self, stream: _CountedStream) -> None:
        super().__init__(stream)
        self._counted = stream
        self._in_lines = 0

    def readline(self, size: int | None = -1, /) -> bytes:
        given = size is not None and size >= 0
        line = super().readline(size if given else _MAX_LINE_BYTES + 1)
        self._in_lines += len(line)
        too_long = not given and len(line) > _MAX_LINE_BYTES
        if too_long or self._in_lines > _MAX_LINES_BYTES + _MAX_LINES_SHARE * self._counted.received:
            raise http.client.HTTPException("the response has too many or too long lines outside of its body")
        return line
