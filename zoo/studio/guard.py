"""What stands before every request: who may ask, how much may be sent, and the headers of every answer.

A page of another site can make a browser send requests to this machine. It cannot send them with a header of ours
without asking first, which is refused; it cannot have a name that resolves to this machine (DNS rebinding), as the
Host is compared; and what comes from elsewhere is told by Origin and Sec-Fetch-Site.
"""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from zoo.studio.answers import Refused, fail
from zoo.studio.start import EVERYWHERE

# What a page sends along, so that no other site's page can.
HEADER = "x-zoo-studio"

_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
# Bytes of a body, by the end of the path; of any other as much as the last.
_LIMITS = {"/upload": 64 * 2**20, "/region": 4 * 2**20, "": 256 * 2**10}
# Requests that wait or are answered at a time, and seconds for which a body may stand still.
_MOST_REQUESTS = 64
_PATIENCE = 30.0

_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}


@dataclass(frozen=True)
class Door:
    """Who may ask.

    Attributes:
        host: The host that the studio was started with.
        port: Its port.
        token: What requests must know; None where only this machine can reach it.
        origins: Origins by which a proxy makes it known, such as ``https://studio.example.org``.
    """

    host: str
    port: int
    token: str | None = None
    origins: tuple[str, ...] = ()

    def check(self, headers: Mapping[str, str], path: str) -> None:
        """Refuse whoever may not ask.

        Args:
            headers: Those of the request, by their names in lower case.
            path: The path that is asked for.

        Raises:
            Refused: With the status of the answer and a sentence.
        """
        host, origin = headers.get("host", ""), headers.get("origin")
        if not self._is_known(host):
            raise Refused(403, "this studio is not known by that host name")
        if origin is not None and origin not in {f"http://{host}", *self.origins}:
            raise Refused(403, "pages of other sites may not use this studio")
        site = headers.get("sec-fetch-site", "none")
        if path != "/" and site not in {"same-origin", "none"}:
            raise Refused(403, "pages of other sites may not use this studio")
        if path.startswith("/api/"):
            self._check_call(headers)

    def _check_call(self, headers: Mapping[str, str]) -> None:
        if headers.get(HEADER) != "1":
            raise Refused(403, "only the page of this studio may call it")
        if self.token is not None:
            given = headers.get("authorization", "").removeprefix("Bearer ")
            if not hmac.compare_digest(given.encode(errors="replace"), self.token.encode()):
                raise Refused(403, "the address of this studio ends with a token: open the one that it printed")

    def _is_known(self, host: str) -> bool:
        known = {f"{name}:{self.port}" for name in (*_LOOPBACK, self.host)}
        known |= {urlsplit(origin).netloc.lower() for origin in self.origins}
        if self.is_open:
            known.add(f"{socket.gethostname().lower()}:{self.port}")
        if self.port == 80:
            known |= {*_LOOPBACK, self.host}
        return host.lower() in known or (self.is_open and _is_address(host))

    @property
    def is_open(self) -> bool:
        """Whether the studio listens on every address of the machine, each of which is a host then."""
        return self.host in EVERYWHERE


def _is_address(host: str) -> bool:
    """Tell whether a host is a number: a name may be another site's, which points here."""
    try:
        ipaddress.ip_address(urlsplit(f"//{host}").hostname or "")
    except ValueError:
        return False
    return True


class Guard:
    """The ASGI middleware that applies all of it.

    Args:
        app: What answers.
        door: Who may ask.
    """

    def __init__(self, app: ASGIApp, door: Door) -> None:
        self._app = app
        self._door = door
        self._requests = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] != "http":
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        path = scope["path"]
        sender = _with_headers(send, path)
        try:
            self._door.check(headers, path)
            if "transfer-encoding" in headers and "content-length" in headers:
                raise Refused(400, "a request has one length")
            if self._requests >= _MOST_REQUESTS:
                raise Refused(503, "the studio is busy: try again in a moment")
            limit = next(limit for end, limit in _LIMITS.items() if path.endswith(end))
            if int(headers.get("content-length") or 0) > limit:
                raise _too_large(limit)
        except Refused as error:
            refusal = fail(error)
            # What follows on the connection may be the body, or a request that a proxy took for it (smuggling).
            refusal.headers["connection"] = "close"
            await refusal(scope, receive, sender)
            return
        except ValueError:
            await fail(Refused(400, "the length of the body is no number"))(scope, receive, sender)
            return
        self._requests += 1
        try:
            await self._app(scope, _bounded(receive, limit), sender)
        finally:
            self._requests -= 1


def _too_large(limit: int) -> Refused:
    size = f"{limit // 2**20} MB" if limit >= 2**20 else f"{limit // 2**10} kB"
    return Refused(413, f"that is more than the {size} which the studio takes")


def _bounded(receive: Receive, limit: int) -> Receive:
    """Count a body while it comes in."""
    received = 0

    async def receive_some() -> Message:
        nonlocal received
        try:
            message = await asyncio.wait_for(receive(), _PATIENCE) if received >= 0 else await receive()
        except TimeoutError:
            raise Refused(408, "the rest of the request did not come") from None
        if message["type"] == "http.request":
            received += len(message.get("body", b""))
            if received > limit:
                raise _too_large(limit)
            if not message.get("more_body", False):
                received = -1  # what is received from now on is the end of the connection, which may take long
        return message

    return receive_some


def _with_headers(send: Send, path: str) -> Send:
    added = {**_HEADERS, **({"cache-control": "no-store"} if path.startswith("/api/") else {})}
    encoded = [(name.encode(), value.encode()) for name, value in added.items()]

    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), *encoded]
        await send(message)

    return send_with_headers
