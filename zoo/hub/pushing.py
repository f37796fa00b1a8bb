"""Pushing a set of directions: one commit to a repository of its own, and word of whatever becomes of it."""

from __future__ import annotations

import hashlib
import io
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zoo.errors import OutputError
from zoo.hub.cached_sets import NAME
from zoo.hub.card import LIBRARY
from zoo.hub.client import cause_of, has_token, hub_api, status_of
from zoo.hub.parcel import Parcel

if TYPE_CHECKING:
    from huggingface_hub import HfApi

Tell = Callable[[str], None]

_CONFLICT = 409
# What the Hub puts into a new repository by itself.
_OF_THE_HUB = frozenset({".gitattributes"})


@dataclass(frozen=True)
class Pushed:
    """What was pushed.

    Attributes:
        address: ``hf://owner/name``.
        url: The page of the repository.
        commit: The commit.
    """

    address: str
    url: str
    commit: str


def push(parcel: Parcel, *, private: bool = False, force: bool = False, tell: Tell) -> Pushed:
    """Push a set of directions to a repository of its own.

    All files go with one commit, which the Hub takes whole or not at all. What can be left behind is a repository that
    was just created and is still empty; then the error says so, and the next push goes on there.

    Args:
        parcel: The files.
        private: Create a private repository.
        force: Add a commit to a repository that holds a set of directions already.
        tell: Called with a line before each step, so that even a killed push leaves word of how far it was.

    Returns:
        What was pushed.

    Raises:
        OutputError: If there is no token or no network, if the repository holds something else, or the Hub refuses.
    """
    if not has_token():
        raise OutputError("pushing needs a token of the Hub that may write: run 'hf auth login', or set HF_TOKEN")
    with hub_api() as api:
        url = f"{api.endpoint}/{parcel.repo}"
        tell(f"creating {parcel.repo}")
        created = _create(api, parcel.repo, private=private)
        head = None if created else _check_content(api, parcel.repo, force=force)
        size = sum(map(len, parcel.files.values()))
        tell(f"sending {len(parcel.files)} files, {size / 1e6:.1f} MB; {url} shows them once all have arrived")
        with _telling_outcome(api, parcel, url, created=created, tell=tell):
            commit = _commit(api, parcel, head)
    return Pushed(f"hf://{parcel.repo}", url, commit)


def _create(api: HfApi, repo: str, *, private: bool) -> bool:
    """Create the repository; return False if it is there."""
    try:
        api.create_repo(repo, private=private or None)
    except Exception as error:
        if status_of(error) == _CONFLICT:
            return False
        raise OutputError(f"cannot create {repo}: {cause_of(error)}; nothing was published") from error
    return True


def _check_content(api: HfApi, repo: str, *, force: bool) -> str | None:
    """Refuse a repository that holds anything but a set of directions, or one without `force`; return its commit."""
    try:
        info = api.model_info(repo)
        names = {entry.rfilename for entry in info.siblings or ()} - _OF_THE_HUB
        library = getattr(info.card_data, "library_name", None) or info.library_name
    except Exception as error:
        raise OutputError(f"cannot read {repo}, which exists: {cause_of(error)}; nothing was published") from error
    if names and library != LIBRARY:
        raise OutputError(f"{repo} holds something that zoo did not push: choose another name; nothing was published")
    if names and not force:
        raise OutputError(f"{repo} holds directions already: --force adds a new version; nothing was published")
    return info.sha


def _commit(api: HfApi, parcel: Parcel, head: str | None) -> str:
    """Send all files, and make a commit of them on top of `head`."""
    from huggingface_hub import CommitOperationAdd

    # Of streams the library makes no transfer by Xet, which zoo does not use.
    operations = [CommitOperationAdd(name, io.BytesIO(content)) for name, content in parcel.files.items()]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what the Hub remarks on the card
        for operation in operations:  # one by one: threads of several uploads would go on after Ctrl-C
            api.preupload_lfs_files(parcel.repo, [operation], free_memory=False)
        done = api.create_commit(parcel.repo, operations, commit_message=parcel.title, parent_commit=head)
    return str(done.oid)


@contextmanager
def _telling_outcome(api: HfApi, parcel: Parcel, url: str, *, created: bool, tell: Tell) -> Iterator[None]:
    """Whatever fails in the body of the ``with`` statement, say what is on the Hub afterwards."""
    rest = (
        f"{parcel.repo} was created and is empty: push again, which goes on there, or delete it at {url}/settings"
        if created
        else "nothing was published"
    )
    try:
        yield
    except KeyboardInterrupt:
        tell(f"interrupted while {parcel.repo} was sent: see {url}; without directions there, {rest}")
        raise
    except Exception as error:
        arrived = _has_arrived(api, parcel)
        if arrived is None:
            rest = f"whether they were published is not known, see {url}; if not, {rest}"
        elif arrived:
            rest = f"but they were published, see {url}"
        raise OutputError(f"cannot push to {parcel.repo}: {cause_of(error)}; {rest}") from error


def _has_arrived(api: HfApi, parcel: Parcel) -> bool | None:
    """Ask whether the repository has these very directions; None where there is no answer."""
    content = parcel.files[NAME]
    own = {hashlib.sha256(content).hexdigest(), hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()}
    try:
        found = api.get_paths_info(parcel.repo, [NAME])
    except Exception:
        return None
    hashes = {value for one in found for value in (getattr(getattr(one, "lfs", None), "sha256", None), _blob(one))}
    return bool(hashes & own)


def _blob(entry: Any) -> Any:
    return getattr(entry, "blob_id", None)
