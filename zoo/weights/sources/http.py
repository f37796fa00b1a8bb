"""A file on a web server; a download that was cut off is resumed, also by a later process."""

from __future__ import annotations

import hashlib
import json
import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import requests
import urllib3

from zoo.weights.sources.request import DownloadRequest, backoff, describe, is_local_disk_error, timeout
from zoo.weights.sources.session import open_session

# What asks for the file with further headers, such as those for the rest of it.
Opener = Callable[[Mapping[str, str]], requests.Response]

MAX_REDIRECTS = 20
_MAX_FAILURES = 5
_CHUNK_BYTES = 2**14
_RETRYABLE_STATUS = {408, 425, 429, 500, 502, 503, 504}
_CONTENT_RANGE = re.compile(r"bytes (\d{1,15})-(\d{1,15})/(\d{1,15}|\*)")
_CONTENT_LENGTH = re.compile(r"\d{1,15}")
# How many bytes a compressed body may become for each one that arrives, as of archives, and what is free.
_MAX_EXPANSION = 20
_FREE_EXPANSION = 2**20
_PERMANENT_ERRORS = (
    requests.TooManyRedirects,
    requests.exceptions.InvalidSchema,
    requests.exceptions.InvalidURL,
    requests.exceptions.SSLError,
)


class _InterruptedError(Exception):
    """The server failed in a way that another attempt may overcome."""


def fetch(request: DownloadRequest) -> Path:
    """Download a file from a web server.

    Args:
        request: The file to download.

    Returns:
        The path of the file inside the request's folder.

    Raises:
        WeightsError: If the server or the network fails, or if more bytes arrive than are allowed.
        OSError: If the local disk refuses.
    """
    url = f"{request.source.scheme}://{request.source.location}"
    with open_session(request, secure=request.source.scheme == "https") as session:
        return download(request, lambda headers: get(session, url, headers))


def get(session: requests.Session, url: str, headers: Mapping[str, str]) -> requests.Response:
    """Ask for a file, of which only the headers are read.

    Args:
        session: The session of the download.
        url: The address.
        headers: Further headers of the request.

    Returns:
        The response.
    """
    return session.get(url, headers={"Accept-Encoding": "identity", **headers}, stream=True, timeout=timeout())


def download(request: DownloadRequest, open_file: Opener, *, keep: bool = True) -> Path:
    """Download a file, resuming where a connection broke off, until five attempts in a row brought nothing.

    A partial file is left in the folder for a later call to resume: under the server's validator (ETag or
    Last-Modified), or without one if the file's hash is known.

    Args:
        request: The file to download.
        open_file: Asks for the file.
        keep: Whether to leave a partial file.

    Returns:
        The path of the file inside the request's folder.

    Raises:
        WeightsError: If the server or the network fails, or if more bytes arrive than are allowed.
        OSError: If the local disk refuses.
    """
    part = _PartialFile(request)
    failures = 0
    while True:
        size_before = part.size()
        try:
            _attempt(open_file, request, part)
        except (_InterruptedError, requests.RequestException) as error:
            if is_local_disk_error(error):
                raise
            failures = 1 if part.size() > size_before else failures + 1
            if failures == _MAX_FAILURES or is_permanent(error):
                raise request.failure(describe(error) + part.describe_rest(keep=keep)) from error
            backoff(2 ** (failures - 1))
        except (ValueError, urllib3.exceptions.HTTPError) as error:  # a redirect to something that is no address
            raise request.failure(f"the server's answer makes no sense: {describe(error)}") from error
        else:
            part.record.unlink(missing_ok=True)
            return part.file


class _PartialFile:
    """The bytes so far, in `file`, and beside them a JSON `record` of the file that they belong to.

    The record has the keys ``source`` (a hash of the address, which may hold a token), ``validator`` (what goes into
    If-Range) and ``total`` (bytes, or None).
    """

    def __init__(self, request: DownloadRequest) -> None:
        self.file = request.folder / "part"
        self.record = request.folder / "part.json"
        self.source = hashlib.sha256(request.source.url.encode(errors="surrogatepass")).hexdigest()
        self.pinned = request.pinned

    def size(self) -> int:
        return self.file.stat().st_size if self.file.exists() else 0

    def describe_rest(self, *, keep: bool) -> str:
        """Say how many bytes are kept; remove the record if there are none."""
        if not keep or not self.size() or not self.record.exists():
            self.record.unlink(missing_ok=True)
            return ""
        return f"; {self.size():,} bytes are kept, and the next try goes on from there"

    def resumable(self) -> dict[str, Any] | None:
        """Return the record if the bytes so far may be completed under it, else None."""
        try:
            record = json.loads(self.record.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return None
        fits = isinstance(record, dict) and record.get("source") == self.source and self.size() > 0
        return record if fits and (record.get("validator") or self.pinned) else None

    def begin(self, validator: str, total: int | None) -> None:
        """Start an empty file, and write its record."""
        self.file.unlink(missing_ok=True)
        record = {"source": self.source, "validator": validator, "total": total}
        self.record.write_text(json.dumps(record), encoding="utf-8")

    def discard(self) -> None:
        """Remove the bytes so far and their record."""
        self.file.unlink(missing_ok=True)
        self.record.unlink(missing_ok=True)


def _attempt(open_file: Opener, request: DownloadRequest, part: _PartialFile) -> None:
    record = part.resumable()
    headers = {}
    if record is not None:
        headers["Range"] = f"bytes={part.size()}-"
        headers.update({"If-Range": str(record["validator"])} if record.get("validator") else {})
    with open_file(headers) as response:
        _check_status(request, response)
        if response.status_code == requests.codes.ok:
            total = content_length(response.headers)
            _check_total(request, response, total)
            part.begin(_validator(response), total)
            if "Content-Encoding" in response.headers:
                part.record.unlink()  # a byte range means nothing here: it counts the encoded bytes
        else:
            total = _total_of_rest(response, record, part)
        _append(request, part.file, response, total if total is not None else request.size)


def _check_status(request: DownloadRequest, response: requests.Response) -> None:
    """Raise for a status that is an error: `_InterruptedError` if another attempt may succeed."""
    status = response.status_code
    if status in _RETRYABLE_STATUS:
        raise _InterruptedError(f"the server answered {status} {response.reason}")
    if status not in {200, 206, 416}:
        raise request.failure(f"the server answered {status} {response.reason}")


def _total_of_rest(response: requests.Response, record: dict[str, Any] | None, part: _PartialFile) -> int | None:
    """Check that a partial answer is the rest of the very file that was begun, and return that file's length.

    If it is not, the bytes so far are discarded and `_InterruptedError` starts the download again.
    """
    match = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    total = int(match[3]) if match and match[3] != "*" else None
    is_same_file = (
        record is not None
        and match is not None
        and int(match[1]) == part.size()
        and (part.pinned or _validator(response) == record["validator"])
        and (total is None or record.get("total") in {None, total})
    )
    if not is_same_file or response.status_code != requests.codes.partial_content:
        part.discard()
        raise _InterruptedError("the server no longer has the rest of the file that was begun")
    return total if total is not None else (record or {}).get("total")


def _validator(response: requests.Response) -> str:
    """Return what may stand in If-Range (RFC 9110, 13.1.5): a strong ETag, else the time of the last change."""
    etag = response.headers.get("ETag", "")
    return etag if etag and not etag.startswith("W/") else response.headers.get("Last-Modified", "")


def content_length(headers: Mapping[str, str]) -> int | None:
    """Return the length of the whole file, if the server states it and sends the file unencoded.

    Args:
        headers: The headers of its response.

    Returns:
        The length in bytes, or None.
    """
    length = headers.get("Content-Length", "")
    return int(length) if _CONTENT_LENGTH.fullmatch(length) and "Content-Encoding" not in headers else None


def is_permanent(error: BaseException) -> bool:
    """Tell whether another attempt would fail like this one.

    Args:
        error: What requests raised.
    """
    return isinstance(error, _PERMANENT_ERRORS)


def _check_total(request: DownloadRequest, response: requests.Response, total: int | None) -> None:
    if total is not None and request.size not in {None, total}:
        content_type = response.headers.get("Content-Type", "of no stated type").partition(";")[0]
        raise request.failure(f"the server has {total:,} bytes there ({content_type}), and not {request.size:,}")
    if total is not None and total > request.max_bytes:
        raise request.failure(f"the server has {total:,} bytes there, more than the {request.max_bytes:,} allowed")


def _append(request: DownloadRequest, file: Path, response: requests.Response, total: int | None) -> None:
    """Append the body to the file; fewer than `total` bytes, if that is known, are an interruption."""
    with file.open("ab") as sink:
        done = sink.tell()
        for chunk in _decoded(request, response):
            done += len(chunk)
            if done > request.max_bytes:
                raise request.failure(f"more than the {request.max_bytes:,} bytes allowed arrived")
            sink.write(chunk)
            request.report(done, total)
    if total is not None and done < total:
        raise _InterruptedError(f"the connection ended after {done:,} of {total:,} bytes")


def _decoded(request: DownloadRequest, response: requests.Response) -> Iterator[bytes]:
    """Yield the body; a server may compress it although it was asked not to, such as one that takes it for a page."""
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in {"identity", "", "gzip", "x-gzip", "deflate"}:
        raise request.failure(f"the server sends the file in an encoding that was not asked for: {encoding}")
    try:
        plain = encoding in {"identity", ""}
        body = response.raw.stream(_CHUNK_BYTES, decode_content=plain)
        yield from body if plain else _inflated(request, body)
    except zlib.error:
        raise request.failure(f"the server says that the file is {encoding}, and it is not") from None
    except (urllib3.exceptions.ProtocolError, urllib3.exceptions.TimeoutError, urllib3.exceptions.SSLError) as error:
        raise _InterruptedError(describe(error)) from error


def _inflated(request: DownloadRequest, body: Iterator[bytes]) -> Iterator[bytes]:
    """Decompress a body of one or several members, a little at a time."""
    decoder = zlib.decompressobj(zlib.MAX_WBITS | 32)
    allowed = _FREE_EXPANSION
    for chunk in body:
        allowed += _MAX_EXPANSION * len(chunk)
        rest = chunk
        while rest:
            if decoder.eof:
                decoder = zlib.decompressobj(zlib.MAX_WBITS | 32)
            yield (piece := decoder.decompress(rest, _CHUNK_BYTES))
            rest = decoder.unused_data if decoder.eof else decoder.unconsumed_tail
            allowed -= len(piece)
            if allowed < 0:
                raise request.failure(f"the body decompresses to more than {_MAX_EXPANSION} times its size")
    yield decoder.flush()
