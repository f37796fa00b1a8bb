"""The request that every kind of source answers, and what the sources share: timeouts, limits, error messages."""

from __future__ import annotations

import errno
import os
import ssl
import time
from dataclasses import dataclass
from pathlib import Path

from zoo._utils.progress import Progress
from zoo.errors import WeightsError
from zoo.registry.sources import Source, hide_secrets

# Bytes. No weights file is larger than this, and nothing larger is accepted.
MAX_BYTES = 32 * 2**30

_TIMEOUT_SECONDS = 30.0
_LOCAL_DISK_ERRORS = {
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EROFS,
    errno.EACCES,
    errno.EPERM,
    errno.ENAMETOOLONG,
    errno.EFBIG,
}

# What an exception means, by words in the class names of its chain of causes. The first entry that fits wins. The
# libraries (requests, urllib3) name their exceptions differently, but from the same few words.
_MEANINGS = {
    ("SSLError", "SSLCert"): "the server's certificate is not trusted here",
    ("Timeout", "timed out"): "the server was silent for {:g} s",
    ("ProxyError",): "the proxy cannot be reached, or refuses",
    ("NameResolution", "gaierror"): "its host was not found: is there a network?",
    ("Connection", "ConnectError", "ReadError", "Protocol", "Chunked", "Incomplete"): (
        "the connection failed or broke off"
    ),
}


class RetryableError(WeightsError):
    """A failure that another attempt may overcome."""


@dataclass(frozen=True)
class DownloadRequest:
    """One file to download.

    Attributes:
        source: Where the file is.
        folder: The folder to leave it in; nothing is written anywhere else.
        size: Bytes of what the source gives (the archive, if it is one), or None if unknown.
        pinned: Whether the sha256 of what the source gives is known, so that a wrongly resumed file is noticed.
        progress: Called with (bytes so far, bytes in all, what is being done).
        limit: The largest number of bytes that is accepted where `size` is unknown.
    """

    source: Source
    folder: Path
    size: int | None
    pinned: bool
    progress: Progress
    limit: int = MAX_BYTES

    @property
    def max_bytes(self) -> int:
        """The largest number of bytes that is accepted."""
        return self.size or self.limit

    def report(self, done: int, total: int | None = None) -> None:
        """Report how far the download is.

        Args:
            done: Bytes so far.
            total: Bytes in all; None stands for the request's own size. If that is None too, 0 is reported.
        """
        self.progress(done, total or self.size or 0, f"fetching {self.source.shown}")

    def report_end(self) -> None:
        """Report that this download has ended, whether it succeeded or not."""
        self.progress(1, 1, f"fetching {self.source.shown}")

    def failure(self, cause: object, *, retryable: bool = False) -> WeightsError:
        """Make the exception for a failed download.

        Args:
            cause: What went wrong; it is shortened to one line of at most 300 characters.
            retryable: Whether another attempt may succeed.

        Returns:
            A `RetryableError` if `retryable`, else a `WeightsError`, for the caller to raise.
        """
        line = f"{self.source.shown}: {' '.join(hide_secrets(str(cause)[:1000]).split())[:300]}"
        return RetryableError(line) if retryable else WeightsError(line)


def timeout() -> float:
    """Return how long to wait for a silent server: ``ZOO_TIMEOUT``, by default 30.

    Returns:
        Seconds, above 0 and finite.

    Raises:
        WeightsError: If ``ZOO_TIMEOUT`` is not such a number.
    """
    text = os.environ.get("ZOO_TIMEOUT", "")
    try:
        seconds = float(text or _TIMEOUT_SECONDS)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise WeightsError(f"ZOO_TIMEOUT={text}: it is a number of seconds above 0")
    return seconds


def backoff(factor: float) -> None:
    """Sleep before another attempt.

    Args:
        factor: Multiples of a sixtieth of `timeout`, which is half a second by default.
    """
    time.sleep(timeout() / 60 * factor)


def exception_chain(error: BaseException) -> list[BaseException]:
    """List an exception and its causes.

    Args:
        error: The exception that was caught.

    Returns:
        The exception itself, then what it was raised from or during, and so on; the first cause is last.
    """
    chain: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in chain:
        chain.append(current)
        current = current.__cause__ or current.__context__
    return chain


def is_local_disk_error(error: BaseException) -> bool:
    """Say whether the local disk, and not the network, is the cause of an exception.

    Args:
        error: The exception that was caught; its chain of causes is looked through.
    """
    # An SSLError is an OSError too, but its numbers are OpenSSL's.
    system = [one for one in exception_chain(error) if isinstance(one, OSError) and not isinstance(one, ssl.SSLError)]
    return any(one.errno in _LOCAL_DISK_ERRORS for one in system)


def describe(error: BaseException) -> str:
    """Describe a network error in a few words, without the libraries' wrapping.

    Args:
        error: The exception that was caught.

    Returns:
        One line: a known meaning, or else the first line of the exception's own message.
    """
    chain = exception_chain(error)
    names = " ".join(type(cause).__name__ for cause in chain)
    timed_out = "timed out" if any("timed out" in str(cause) for cause in chain) else ""
    for words, meaning in _MEANINGS.items():
        if any(word in f"{names} {timed_out}" for word in words):
            return meaning.format(timeout())
    if isinstance(error, LookupError | AttributeError | TypeError | AssertionError):
        return "the server's answer makes no sense"
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
