"""Sources of weights: how each kind is written, and the parts of an address."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

# The kinds of sources that weights come from, and how each is written. Those of `ARCHIVE_SCHEMES` may end in
# ``!member``: the file is then a member of an archive (zip or tar).
SCHEMES = {
    "pypi": "pypi://distribution==version/path/inside/wheel",
    "hf": "hf://owner/repo/file@revision",
    "https": "https://host/path",
    "http": "http://host/path",
    "gdrive": "gdrive://ID",
    "bundled": "bundled:file",
    "path": "path/of/file",
}

LOCAL_SCHEMES = frozenset({"path", "bundled"})
ARCHIVE_SCHEMES = frozenset({"hf", "https", "http", "gdrive"})

_REPO = r"((spaces|datasets)/)?[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*"
_LOCATIONS = {
    "pypi": r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)==(?P<version>[A-Za-z0-9][A-Za-z0-9.+!]*)/(?P<path>.+)",
    "hf": rf"(?P<repo>{_REPO})/(?P<path>[^@]+)(@(?P<revision>[^@]+))?",
    "https": r"[^/\s]+/\S*",
    "http": r"[^/\s]+/\S*",
    "gdrive": r"[A-Za-z0-9_-]{10,}",
    "bundled": r"(?!\.)[A-Za-z0-9._-]+",
    "path": r"(?s:.+)",
}
_SHA256 = re.compile(r"[0-9a-f]{64}")


class Strict:
    """Makes pydantic refuse unknown fields."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}


@dataclass(frozen=True)
class Source(Strict):
    """One place that weights come from.

    Attributes:
        url: the address, written as in `SCHEMES`.
        archive_sha256: the hash of the wheel or archive that holds the file.

    Raises:
        ValueError: the scheme is unknown, the address is not one of its scheme, or the hash is not a sha256.
    """

    url: str
    archive_sha256: str | None = None

    def __post_init__(self) -> None:
        if self.scheme not in SCHEMES:
            known = ", ".join(f"{scheme}://" for scheme in SCHEMES if scheme not in LOCAL_SCHEMES)
            raise ValueError(f"{self.scheme}:// is no source zoo can read; there are {known}, bundled: and plain paths")
        if not self._match():
            raise ValueError(f"{self.shown}: write {SCHEMES[self.scheme]}")
        # a path that could leave the archive or the repository
        if {"", ".", ".."} & set(re.split(r"[/\\]", self.parts.get("path") or "file")):
            raise ValueError(f"{self.shown}: a path inside a repository or wheel has no empty parts and no '..'")
        check_sha256(self.archive_sha256)

    @property
    def scheme(self) -> str:
        """One of `SCHEMES`."""
        if self.url.startswith("bundled:"):
            return "bundled"
        return self.url.partition("://")[0] if "://" in self.url else "path"

    @property
    def location(self) -> str:
        """The address without its scheme, and without the member of an archive."""
        rest = self.url.removeprefix(f"{self.scheme}:").removeprefix("//") if self.scheme != "path" else self.url
        return rest.partition("!")[0] if self.scheme in ARCHIVE_SCHEMES else rest

    @property
    def member(self) -> str | None:
        """The file inside the archive; None if the source is not an archive."""
        return self.url.partition("!")[2] or None if self.scheme in ARCHIVE_SCHEMES else None

    @property
    def parts(self) -> dict[str, str | None]:
        """The parts of the address: `name`, `version`, `path` for pypi; `repo`, `path`, `revision` for hf."""
        match = self._match()
        return match.groupdict() if match else {}

    @property
    def shown(self) -> str:
        """The address for printing: without user, password, parameters, query and fragment, which may hold a token."""
        if self.scheme in LOCAL_SCHEMES:
            return self.url
        if self.scheme not in {"https", "http"}:
            return hide_parameters(self.url)
        without_user = re.sub(r"^[^/]*@|^[^/@]*:(?!\d*/)[^@]*@", "", self.location)  # a password may have a slash
        member = f"!{hide_parameters(self.member)}" if self.member else ""
        return f"{self.scheme}://{hide_parameters(without_user)}{member}"

    @property
    def file_name(self) -> str:
        """A name for the file in the cache, of characters that every file system allows."""
        last = re.split(r"[?#]", (self.member or self.parts.get("path") or self.location).rstrip("/"))[0]
        return re.sub(r"[^A-Za-z0-9._=-]+", "_", last.rpartition("/")[2])[:120].lstrip(".") or "weights"

    def _match(self) -> re.Match[str] | None:
        return re.fullmatch(_LOCATIONS[self.scheme], self.location)


def hide_parameters(address: str) -> str:
    """Cut an address before its parameters, query or fragment.

    Args:
        address: the address, or a part of one.

    Returns:
        The address up to the first ``;``, ``?`` or ``#``, that sign, and ``…`` for the rest.
    """
    return re.sub(r"([;?#]).+", r"\1…", address, flags=re.DOTALL)


def hide_secrets(text: str) -> str:
    """Remove from a message what may be a secret in the addresses that it quotes.

    Args:
        text: the message of a library or a server.

    Returns:
        The message, in which addresses have no user, and no parameters with values.
    """
    without_users = re.sub(r"//[^/\s?#@]{1,1000}@", "//", text)
    return re.sub(r"([;?#&])[^\s'\"]*?=[^\s'\"]*", r"\1…", without_users)


def check_sha256(text: str | None) -> None:
    """Check the form of a hash.

    Args:
        text: the hash; None for none.

    Raises:
        ValueError: it is not a sha256.
    """
    if text is not None and not _SHA256.fullmatch(text):
        raise ValueError("a sha256 is 64 lower-case hexadecimal digits")
