"""A file on a web server; a download that was cut off is resumed, also by a later process."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from urllib.parse import urlsplit

import requests

from zoo.sources.order import Order, of_own_disk, patience, plainly

_ATTEMPTS = 5
_PAUSE = 0.5
_CHUNK = 2**14
_HOPELESS = (requests.TooManyRedirects, requests.exceptions.InvalidURL, requests.exceptions.SSLError)
_AGAIN = {408, 425, 429, 500, 502, 503, 504}
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")


class _CutOffError(Exception):
    """The server failed in a way that another attempt may mend."""


def fetch(order: Order) -> Path:
    """Download, going on where a connection broke off, until five tries in a row brought nothing.

    A partial file is left in the folder, to be resumed by a later call: under the server's validator (ETag or
    Last-Modified), or without one where the file's hash is known. Raises `WeightsError`, `OSError`.
    """
    part = _Part(order)
    failures = 0
    with requests.Session() as session:
        while True:
            before = part.size()
            try:
                _attempt(session, order, part)
            except (_CutOffError, requests.RequestException) as error:
                if of_own_disk(error):
                    raise
                failures = 1 if part.size() > before else failures + 1
                if failures == _ATTEMPTS or isinstance(error, _HOPELESS):
                    raise order.failure(plainly(error) + part.rest()) from error
                time.sleep(_PAUSE * 2 ** (failures - 1))
            else:
                part.note.unlink(missing_ok=True)
                return part.file


class _Part:
    """What has come so far: the bytes in `file`, and beside them, in `note`, what they belong to."""

    def __init__(self, order: Order) -> None:
        self.file = order.folder / "part"
        self.note = order.folder / "part.json"
        self.url, self.pinned = order.source.url, order.pinned

    def size(self) -> int:
        return self.file.stat().st_size if self.file.exists() else 0

    def rest(self) -> str:
        """Say what was kept, or remove the note where there is nothing to keep."""
        if not self.size():
            self.note.unlink(missing_ok=True)
            return ""
        return f"; {self.size():,} bytes are kept, and the next try goes on from there"

    def validator(self) -> str | None:
        """Return what the server called this state of the file; None where nothing may be resumed."""
        try:
            note = json.loads(self.note.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        if not isinstance(note, dict) or note.get("url") != self.url:
            return None
        validator = str(note.get("validator", ""))
        return validator if validator or self.pinned else None

    def begin(self, validator: str) -> None:
        """Start from nothing."""
        self.file.unlink(missing_ok=True)
        self.note.write_text(json.dumps({"url": self.url, "validator": validator}), encoding="utf-8")


def _attempt(session: requests.Session, order: Order, part: _Part) -> None:
    validator = part.validator()
    start = part.size() if validator is not None else 0
    headers = {"Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
        headers.update({"If-Range": validator} if validator else {})
    url = f"{order.source.scheme}://{order.source.location}"
    with session.get(url, headers=headers, stream=True, timeout=patience()) as response:
        _check(order, response)
        if response.status_code == requests.codes.requested_range_not_satisfiable:
            part.begin("")
            raise _CutOffError("the server no longer has the rest of the file")
        resumed = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
        if response.status_code == requests.codes.partial_content:
            if not start or resumed is None or int(resumed[1]) != start:
                part.begin("")
                raise _CutOffError("the server sent another part of the file than was asked for")
        else:
            start = 0
        total = _total(order, response, start)
        if not start:
            part.begin(_validator(response))
        _write(order, part.file, response, start, total)


def _check(order: Order, response: requests.Response) -> None:
    """Refuse an answer that no further attempt can mend; let those be tried again that one may."""
    if order.source.scheme == "https":
        hops = [*response.history, response]
        plain = [hop.url for hop in hops if urlsplit(hop.url).scheme != "https"]
        if plain:
            raise order.failure(f"the server sends on to {plain[0]}, which is not https")
    status = response.status_code
    if status in _AGAIN:
        raise _CutOffError(f"the server answered {status} {response.reason}")
    if status not in {200, 206, 416}:
        raise order.failure(f"the server answered {status} {response.reason}")


def _validator(response: requests.Response) -> str:
    """Return what may stand in If-Range: a strong ETag, else the time of the last change."""
    etag = response.headers.get("ETag", "")
    return etag if etag and not etag.startswith("W/") else response.headers.get("Last-Modified", "")


def _total(order: Order, response: requests.Response, start: int) -> int | None:
    """Read the length of the whole file, where the server tells it; refuse one that is not the card's."""
    length = response.headers.get("Content-Length", "")
    if not length.isdecimal() or "Content-Encoding" in response.headers:
        return None
    total = start + int(length)
    if order.size not in {None, total}:
        kind = response.headers.get("Content-Type", "of no stated type").partition(";")[0]
        raise order.failure(f"the server has {total:,} bytes there ({kind}), the card says {order.size:,}")
    return total


def _write(order: Order, file: Path, response: requests.Response, start: int, total: int | None) -> None:
    done = start
    with file.open("ab") as sink:
        for chunk in response.iter_content(_CHUNK):
            done += len(chunk)
            if done > order.most:
                raise order.failure(f"more than the {order.most:,} bytes allowed came")
            sink.write(chunk)
            order.report(done, total)
    wanted = total if total is not None else order.size
    if wanted is not None and done < wanted:
        raise _CutOffError(f"the connection ended after {done:,} of {wanted:,} bytes")
