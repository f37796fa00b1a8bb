"""Servers without a network: what a download receives is the bytes that an input holds."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from unittest import mock

import urllib3.connection


class _Answer:
    """The socket of a server that has sent its whole answer, and closes behind it."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def makefile(self, *_: object, **__: object) -> io.BufferedReader:
        return io.BufferedReader(io.BytesIO(self.content))

    def sendall(self, *_: object) -> None:
        pass

    settimeout = setsockopt = shutdown = close = sendall


@contextmanager
def answers(contents: Sequence[bytes]) -> Iterator[list[str]]:
    """Answer each connection that is opened within ``with`` by the next content, and refuse those behind the last.

    Yields:
        The kinds of the connections that were opened without TLS, to be added to.
    """
    left = iter(contents)
    plain: list[str] = []

    def connect(connection: Any) -> None:
        content = next(left, None)
        if not isinstance(connection, urllib3.connection.HTTPSConnection):
            plain.append(connection.host)
        if content is None:
            raise ConnectionRefusedError
        connection.sock = _Answer(content)
        connection.is_verified = True

    once = property(lambda _: False)
    with (
        mock.patch.object(urllib3.connection.HTTPSConnection, "connect", connect),
        mock.patch.object(urllib3.connection.HTTPConnection, "connect", connect),
        mock.patch.object(urllib3.connection.HTTPConnection, "is_connected", once),
    ):
        yield plain
