"""A file on a web server; a download that was cut off is resumed, also by a later process."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
import urllib3

from zoo.weights.sources.request import DownloadRequest, backoff, describe, is_local_disk_error, timeout

_ATTEMPTS = 5
_CHUNK = 2**14
_AGAIN = {408, 425, 429, 500, 502, 503, 504}
_RANGE = re.compile(r"bytes (\d{1,15})-(\d{1,15})/(\d{1,15}|\*)")
_LENGTH = re.compile(r"\d{1,15}")
_HOPELESS = (
    requests.TooManyRedirects,
    requests.exceptions.InvalidSchema,
    requests.exceptions.InvalidURL,
    requests.exceptions.SSLError,
)


class _CutOffError(Exception):
    """The server failed in a way that another attempt may mend."""


def fetch(request: DownloadRequest) -> Path:
    """Download, going on where a connection broke off, until five tries in a row brought nothing.

    A partial file is left in the folder, to be resumed by a later call: under the server's validator (ETag or
    Last-Modified), or without one where the file's hash is known. Raises `WeightsError`, `OSError`.
    """
    part = _Part(request)
    failures = 0
    with requests.Session() as session:
        if request.source.scheme == "https":
            session.hooks["response"].append(lambda response, **_: _stay_encrypted(request, response))
        while True:
            before = part.size()
            try:
                _attempt(session, request, part)
            except (_CutOffError, requests.RequestException) as error:
                if is_local_disk_error(error):
                    raise
                failures = 1 if part.size() > before else failures + 1
                if failures == _ATTEMPTS or isinstance(error, _HOPELESS):
                    raise request.failure(describe(error) + part.rest()) from error
                backoff(2 ** (failures - 1))
            except (ValueError, urllib3.exceptions.HTTPError) as error:  # an address to go on to that is none
                raise request.failure(f"the server's answer makes no sense: {describe(error)}") from error
            else:
                part.note.unlink(missing_ok=True)
                return part.file


def _stay_encrypted(request: DownloadRequest, response: requests.Response) -> None:
    """Refuse to be sent on to plain http before anything is asked there."""
    if response.is_redirect:
        target = urlsplit(urljoin(response.url, response.headers["location"]))
        if target.scheme != "https":
            raise request.failure(f"the server sends on to {target.scheme}://{target.hostname}, which is not https")


class _Part:
    """What has come so far: the bytes in `file`, and beside them, in `note`, what they belong to."""

    def __init__(self, request: DownloadRequest) -> None:
        self.file = request.folder / "part"
        self.note = request.folder / "part.json"
        self.url, self.pinned = request.source.url, request.pinned

    def size(self) -> int:
        return self.file.stat().st_size if self.file.exists() else 0

    def rest(self) -> str:
        """Say what was kept, or remove the note where there is nothing to keep."""
        if not self.size() or not self.note.exists():
            self.note.unlink(missing_ok=True)
            return ""
        return f"; {self.size():,} bytes are kept, and the next try goes on from there"

    def resumable(self) -> dict[str, Any] | None:
        """Return the note, `validator` and `total`, if what has come may be resumed under it."""
        try:
            note = json.loads(self.note.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        fitting = isinstance(note, dict) and note.get("url") == self.url and self.size() > 0
        return note if fitting and (note.get("validator") or self.pinned) else None

    def begin(self, validator: str, total: int | None) -> None:
        """Start from nothing."""
        self.file.unlink(missing_ok=True)
        note = {"url": self.url, "validator": validator, "total": total}
        self.note.write_text(json.dumps(note), encoding="utf-8")

    def drop(self) -> None:
        """Forget what has come."""
        self.file.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)


def _attempt(session: requests.Session, request: DownloadRequest, part: _Part) -> None:
    note = part.resumable()
    headers = {"Accept-Encoding": "identity"}
    if note is not None:
        headers["Range"] = f"bytes={part.size()}-"
        headers.update({"If-Range": str(note["validator"])} if note.get("validator") else {})
    url = f"{request.source.scheme}://{request.source.location}"
    with session.get(url, headers=headers, stream=True, timeout=timeout()) as response:
        _check(request, response)
        if response.status_code == requests.codes.ok:
            total = _length(response)
            _check_total(request, response, total)
            part.begin(_validator(response), total)
            if "Content-Encoding" in response.headers:
                part.note.unlink()  # offsets into what is decoded here mean nothing to the server
        else:
            total = _total_of_rest(response, note, part)
        _write(request, part.file, response, total if total is not None else request.size)


def _check(request: DownloadRequest, response: requests.Response) -> None:
    """Refuse an answer that no further attempt can mend; let those be tried again that one may."""
    status = response.status_code
    if status in _AGAIN:
        raise _CutOffError(f"the server answered {status} {response.reason}")
    if status not in {200, 206, 416}:
        raise request.failure(f"the server answered {status} {response.reason}")


def _total_of_rest(response: requests.Response, note: dict[str, Any] | None, part: _Part) -> int | None:
    """Make sure that a partial answer is the rest of the very file that was begun, and return that file's length.

    Otherwise forget what has come, and have it tried again.
    """
    found = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
    total = int(found[3]) if found and found[3] != "*" else None
    same = (
        note is not None
        and found is not None
        and int(found[1]) == part.size()
        and (part.pinned or _validator(response) == note["validator"])
        and (total is None or note.get("total") in {None, total})
    )
    if not same or response.status_code != requests.codes.partial_content:
        part.drop()
        raise _CutOffError("the server no longer has the rest of the file that was begun")
    return total if total is not None else (note or {}).get("total")


def _validator(response: requests.Response) -> str:
    """Return what may stand in If-Range: a strong ETag, else the time of the last change."""
    etag = response.headers.get("ETag", "")
    return etag if etag and not etag.startswith("W/") else response.headers.get("Last-Modified", "")


def _length(response: requests.Response) -> int | None:
    """Read how many bytes a whole answer has, where the server tells it and they come as they are."""
    length = response.headers.get("Content-Length", "")
    return int(length) if _LENGTH.fullmatch(length) and "Content-Encoding" not in response.headers else None


def _check_total(request: DownloadRequest, response: requests.Response, total: int | None) -> None:
    if total is not None and request.size not in {None, total}:
        kind = response.headers.get("Content-Type", "of no stated type").partition(";")[0]
        raise request.failure(f"the server has {total:,} bytes there ({kind}), the card says {request.size:,}")


def _write(request: DownloadRequest, file: Path, response: requests.Response, total: int | None) -> None:
    """Append the body; the file is done when it has `total` bytes, where that is known."""
    with file.open("ab") as sink:
        done = sink.tell()
        for chunk in response.iter_content(_CHUNK):
            done += len(chunk)
            if done > request.most:
                raise request.failure(f"more than the {request.most:,} bytes allowed came")
            sink.write(chunk)
            request.report(done, total)
    if total is not None and done < total:
        raise _CutOffError(f"the connection ended after {done:,} of {total:,} bytes")
