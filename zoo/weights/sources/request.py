"""What a source is asked for, and what all kinds of sources share."""

from __future__ import annotations

import errno
import os
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from zoo._utils.progress import Progress
from zoo.errors import WeightsError
from zoo.registry.cards import Source

MOST_BYTES = 32 * 2**30
"""No file of weights is larger, and nothing larger is accepted."""

_TIMEOUT = 30.0
_POLL_SECONDS = 0.3
_OWN_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENAMETOOLONG, errno.EFBIG}


_MEANINGS = {
    ("SSLError", "SSLCert"): "the server's certificate is not trusted here",
    ("Timeout", "timed out"): "the server was silent for {:g} s",
    ("ProxyError",): "the proxy cannot be reached, or refuses",
    ("NameResolution", "gaierror"): "its host was not found: is there a network?",
    (
        "Connection",
        "ConnectError",
        "ReadError",
        "Protocol",
        "Chunked",
        "Incomplete",
    ): "the connection failed or broke off",
}
"""What names of exceptions mean, by the words in them; the first that fits counts."""


class RetryableError(WeightsError):
    """A failure that another try may mend."""


@dataclass(frozen=True)
class DownloadRequest:
    """One file to get: its source, the folder to leave it in, and what is known of it.

    `size` in bytes and `pinned` (its hash is known, so that a resumed file cannot go wrong unseen) speak of what the
    source gives: the archive, where it is one.
    """

    source: Source
    folder: Path
    size: int | None
    pinned: bool
    progress: Progress

    @property
    def most(self) -> int:
        """How many bytes may come at most."""
        return self.size or MOST_BYTES

    def report(self, done: int, total: int | None = None) -> None:
        """Tell how many bytes are there; a total of 0 means that nobody knows it."""
        self.progress(done, total or self.size or 0, f"fetching {self.source.shown}")

    def report_end(self) -> None:
        """Tell that no more comes from here."""
        self.progress(1, 1, f"fetching {self.source.shown}")

    def failure(self, cause: object, *, passing: bool = False) -> WeightsError:
        """Make one line of what went wrong; `passing` if another try may mend it."""
        line = f"{self.source.shown}: {' '.join(str(cause).split())[:300]}"
        return RetryableError(line) if passing else WeightsError(line)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Report the growth of the folder while somebody else's code writes into it."""
        done = threading.Event()

        def watch() -> None:
            while not done.wait(_POLL_SECONDS):
                self.report(_bytes_in(self.folder))

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            done.set()
            watcher.join()


def timeout() -> float:
    """Return how many seconds a silent server is waited for: ``ZOO_TIMEOUT``, by default 30. Raises `WeightsError`."""
    text = os.environ.get("ZOO_TIMEOUT", "")
    try:
        seconds = float(text or _TIMEOUT)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise WeightsError(f"ZOO_TIMEOUT={text}: it is a number of seconds above 0")
    return seconds


def backoff(times: float) -> None:
    """Wait before another try: half a second times `times`, more or less as `timeout` is."""
    time.sleep(timeout() / 60 * times)


def causes(error: BaseException) -> list[BaseException]:
    """List an exception and those that led to it, the first cause last."""
    chain: list[BaseException] = []
    following: BaseException | None = error
    while following is not None and following not in chain:
        chain.append(following)
        following = following.__cause__ or following.__context__
    return chain


def is_local_disk_error(error: BaseException) -> bool:
    """Say whether an exception, or one that led to it, means that the own disk refused."""
    systems = [cause for cause in causes(error) if isinstance(cause, OSError) and not isinstance(cause, ssl.SSLError)]
    return any(cause.errno in _OWN_DISK for cause in systems)  # an SSLError has numbers of its own


def describe(error: BaseException) -> str:
    """Say what happened on the network, without the layers of libraries that it came through."""
    chain = causes(error)
    names = " ".join(type(cause).__name__ for cause in chain)
    timed_out = "timed out" if any("timed out" in str(cause) for cause in chain) else ""
    for words, meaning in _MEANINGS.items():
        if any(word in f"{names} {timed_out}" for word in words):
            return meaning.format(timeout())
    if isinstance(error, LookupError | AttributeError | TypeError | AssertionError):
        return "the server's answer makes no sense"
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


def _bytes_in(folder: Path) -> int:
    total = 0
    for root, _, names in os.walk(folder):
        for name in names:
            try:
                total += Path(root, name).stat().st_size
            except OSError:
                continue  # it was renamed meanwhile
    return total
