"""A file in a repository of the Hugging Face Hub, or of another endpoint that ``HF_ENDPOINT`` names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
import urllib3
from requests.auth import AuthBase

from zoo.weights.sources.http import MAX_REDIRECTS, content_length, download, get, is_permanent
from zoo.weights.sources.request import DownloadRequest, describe, timeout
from zoo.weights.sources.session import open_session

_COMMIT = re.compile(r"[0-9a-f]{40}")
_REPO_TYPES = {"spaces": "space", "datasets": "dataset"}


def fetch(request: DownloadRequest) -> Path:
    """Download a file with the user's token, where there is one.

    huggingface_hub knows where the file and the token are. The file itself is fetched like any other, because that
    library follows redirections anywhere and writes as much as arrives.

    Args:
        request: The file to download.

    Returns:
        The path of the file inside the request's folder.

    Raises:
        WeightsError: If the Hub or the network fails, or if the Hub's file has another size than the card says.
        OSError: If the local disk refuses.
    """
    with _session(request) as (session, url):
        size = _announced(request, session, url).size
        _check_size(request, size)
        known = replace(request, size=request.size or size)
        return download(known, lambda headers: get(session, url, headers), keep=False)


def find_commit(request: DownloadRequest) -> str | None:
    """Ask which commit the revision of a source is at present; the file itself is not fetched.

    Args:
        request: The file, at a revision.

    Returns:
        The 40 hexadecimal digits of the commit; None where the Hub does not tell.

    Raises:
        WeightsError: If the Hub or the network fails, or there is no such file.
    """
    with _session(request) as (session, url):
        commit = _announced(request, session, url).commit
    return commit if commit is not None and _COMMIT.fullmatch(commit) else None


@contextmanager
def _session(request: DownloadRequest) -> Iterator[tuple[requests.Session, str]]:
    """Open a session with the user's token, where there is one; also yield the address of the file."""
    from huggingface_hub import constants, hf_hub_url
    from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]

    if constants.HF_HUB_OFFLINE:
        raise request.failure("HF_HUB_OFFLINE forbids to fetch it")
    url = hf_hub_url(filename=str(request.source.parts["path"]), **_repository(request))
    with open_session(request, secure=url.startswith("https:")) as session:
        session.auth = _HubHeaders(build_hf_headers())
        yield session, url


@dataclass(frozen=True)
class _Announced:
    """What the Hub says of a file before it sends it."""

    size: int | None
    commit: str | None


class _HubHeaders(AuthBase):
    """Adds the Hub's headers to a request, the token among them; requests drops that on the way to another host."""

    def __init__(self, headers: dict[str, str]) -> None:
        self.headers = headers

    def __call__(self, prepared: requests.PreparedRequest) -> requests.PreparedRequest:
        prepared.headers.update(self.headers)
        return prepared


def _repository(request: DownloadRequest) -> dict[str, Any]:
    """Split ``spaces/owner/repo`` and the like into the keyword arguments of huggingface_hub."""
    parts = request.source.parts
    prefix, _, name = str(parts["repo"]).partition("/")
    if prefix not in _REPO_TYPES:
        prefix, name = "models", str(parts["repo"])
    return {"repo_id": name, "repo_type": _REPO_TYPES.get(prefix, "model"), "revision": parts["revision"]}


def _announced(request: DownloadRequest, session: requests.Session, url: str) -> _Announced:
    """Ask for a file's size and commit: the Hub tells them before it redirects to a large file elsewhere."""
    commit = None
    try:
        for _ in range(MAX_REDIRECTS):
            headers = {"Accept-Encoding": "identity"}
            with session.head(url, headers=headers, timeout=timeout()) as response:
                status, reason = response.status_code, response.headers.get("X-Error-Message") or response.reason
                linked = response.headers.get("X-Linked-Size")
                commit = response.headers.get("X-Repo-Commit") or commit
                target = response.headers.get("Location", "") if response.is_redirect else ""
                if status >= requests.codes.bad_request:
                    busy = status >= requests.codes.internal_server_error or status == requests.codes.too_many_requests
                    raise request.failure(f"the Hub answered {status} {reason}{_hint(response)}", retryable=busy)
                if linked is not None or not target or urlsplit(target).netloc:
                    told = {"Content-Length": linked} if linked else {} if target else response.headers
                    return _Announced(content_length(told), commit)
                url = urljoin(url, target)
    except (requests.RequestException, urllib3.exceptions.HTTPError, ValueError) as error:
        raise request.failure(describe(error), retryable=not is_permanent(error)) from error
    raise request.failure(f"the Hub redirects more than {MAX_REDIRECTS} times")


def _hint(response: requests.Response) -> str:
    """Say what a refusal may mean: the Hub tells nobody that a private repository exists."""
    if response.status_code != requests.codes.unauthorized and response.headers.get("X-Error-Code") != "RepoNotFound":
        return ""
    return ": there is no such repository, or it is private and needs your token, which 'hf auth login' keeps"


def _check_size(request: DownloadRequest, size: int | None) -> None:
    if size is not None and request.size not in {None, size}:
        raise request.failure(f"the Hub has {size:,} bytes there, the card says {request.size:,}")
    if size is not None and size > request.max_bytes:
        raise request.failure(f"the Hub has {size:,} bytes there, more than the {request.max_bytes:,} allowed")
