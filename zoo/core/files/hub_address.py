"""Addresses of sets of directions on the Hugging Face Hub: ``hf://owner/name``, or ``hf://owner/name@revision``."""

from __future__ import annotations

import pkgutil
import re
from dataclasses import dataclass
from pathlib import Path

from zoo.errors import DirectionsError

# A `Path` makes one slash of two, and backslashes of both on Windows.
_ADDRESS = re.compile(r"hf:/{1,2}(?P<rest>.*)", re.DOTALL)
_REPO = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)
_REVISION = re.compile(r"[A-Za-z0-9][\w./-]{0,199}", re.ASCII)
_COMMIT = re.compile(r"[0-9a-f]{40}")

# `zoo.hub` stands above the core, so that its function is named here, and imported for an address only.
_FETCH = "zoo.hub.fetching:fetch_directions"


@dataclass(frozen=True)
class HubAddress:
    """Where a set of directions is on the Hub.

    Attributes:
        repo: the repository, ``owner/name``.
        revision: a branch, a tag or a commit; None is the main branch.

    """

    repo: str
    revision: str | None = None

    @property
    def pinned(self) -> bool:
        """Whether the revision is a commit, behind which nothing changes."""
        return self.revision is not None and _COMMIT.fullmatch(self.revision) is not None

    def __str__(self) -> str:
        return f"hf://{self.repo}" + (f"@{self.revision}" if self.revision else "")


def is_hub_address(path: str | Path) -> bool:
    """Tell whether a path is meant as an address on the Hub.

    Args:
        path: a text, or the path that was made of it.

    Returns:
        Whether it begins with ``hf:/``.

    """
    return _match(path) is not None


def shown_path(path: str | Path) -> str:
    """Write a path as it was given: that which was made of an address has lost one of its slashes.

    Args:
        path: any path.

    Returns:
        The text, with ``hf://`` in front of what lies on the Hub.

    """
    found = _match(path)
    return str(path) if found is None else f"hf://{found['rest']}"


def parse_hub_address(path: str | Path) -> HubAddress:
    """Read an address.

    Args:
        path: a text, or the path that was made of it, for which `is_hub_address` holds.

    Returns:
        The address.

    Raises:
        DirectionsError: it is none of a repository.

    """
    found = _match(path)
    repo, at, revision = (found["rest"] if found else "").partition("@")
    well_formed = _REPO.fullmatch(repo) and ".." not in f"{repo} {revision}"
    if not well_formed or (at and not _REVISION.fullmatch(revision)):
        raise DirectionsError(
            f"{shown_path(path)}: write directions on the Hub as hf://owner/name or hf://owner/name@revision"
        )
    return HubAddress(repo, revision or None)


def parse_repository(text: str) -> str:
    """Read the name of a repository, with or without ``hf://`` in front.

    Args:
        text: the text.

    Returns:
        ``owner/name``.

    Raises:
        DirectionsError: it is none.

    """
    address = parse_hub_address(text if is_hub_address(text) else f"hf://{text}")
    if address.revision is not None:
        raise DirectionsError(f"{text}: leave @{address.revision} out; what is pushed becomes a new commit of main")
    return address.repo


def _match(path: str | Path) -> re.Match[str] | None:
    return _ADDRESS.fullmatch(str(path).replace("\\", "/"))


def fetch_set(path: str | Path) -> tuple[Path, str]:
    """Fetch a set of directions from the Hub; see `zoo.hub.fetching.fetch_directions`.

    Args:
        path: its address, or the path that was made of it.

    Returns:
        The file in the cache, and the address with the commit.

    Raises:
        DirectionsError: the address is none, or the Hub does not give the file.
        OutputError: the cache cannot be written.

    """
    found: tuple[Path, str] = pkgutil.resolve_name(_FETCH)(path)
    return found
