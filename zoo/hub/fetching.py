"""Fetching a set of directions from the Hub: each commit of it is kept, so that what was fetched serves offline."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from urllib.parse import quote

from zoo._utils.files import atomic_file
from zoo._utils.lookups import is_file
from zoo._utils.paths import cache_folder
from zoo._utils.progress import Progress, silent
from zoo._utils.tensorfile import UnreadableError, read_tensor_metadata
from zoo._utils.untrusted.opening import read_bounded
from zoo._utils.writing.workspaces import output_error
from zoo.core.files.directions import FORMAT
from zoo.core.files.hub_address import HubAddress, parse_hub_address
from zoo.errors import DirectionsError, WeightsError
from zoo.hub.cached_sets import NAME
from zoo.hub.client import hub_is_forbidden
from zoo.registry.sources import Source
from zoo.weights.sources.hub import fetch, find_commit
from zoo.weights.sources.request import DownloadRequest

# Bytes that it may have: a thousand directions with a vector for each of 18 rows take 74 MB.
MOST_BYTES = 2**28

_MOST_NOTE_BYTES = 200


def fetch_directions(path: str | Path, progress: Progress = silent) -> tuple[Path, str]:
    """Return the file of a set of directions, fetched from the Hub unless this commit of it is there.

    With ``ZOO_OFFLINE`` or ``HF_HUB_OFFLINE``, it is the one that was fetched last at this revision.

    Args:
        path: The address, ``hf://owner/name`` or ``hf://owner/name@revision``, or the path that was made of it.
        progress: Called with (bytes so far, bytes in all, what is being done).

    Returns:
        The file in the cache, a safetensors file of zoo's format whose content has not been looked at otherwise; and
        the address with the commit.

    Raises:
        DirectionsError: If the address is none, or the Hub does not give the file, or gives something else.
        OutputError: If the cache cannot be written.
    """
    address = parse_hub_address(path)
    folder = cache_folder() / "directions" / address.repo.replace("/", "--")
    note = folder / "refs" / quote(address.revision or "main", safe="")
    commit = address.revision if address.pinned else None
    if commit is None or not is_file(folder / commit / NAME):
        commit = _offline_commit(address, note) if hub_is_forbidden() else _fetch(address, folder, note, progress)
    file = folder / str(commit) / NAME
    if not is_file(file):
        raise DirectionsError(f"{address}: not in the cache, and ZOO_OFFLINE or HF_HUB_OFFLINE forbids to fetch it")
    return file, str(HubAddress(address.repo, commit))


def _fetch(address: HubAddress, folder: Path, note: Path, progress: Progress) -> str:
    """Ask for the commit, download its file unless it is there, and remember that the revision is this commit."""
    with tempfile.TemporaryDirectory(prefix="zoo-") as incoming:
        try:
            commit = address.revision if address.pinned else find_commit(_request(address, incoming, progress))
            if not commit:
                raise WeightsError("the Hub does not tell its commit")
            file = folder / commit / NAME
            if not is_file(file):
                request = _request(HubAddress(address.repo, commit), incoming, progress)
                try:
                    _keep(fetch(request), file)
                finally:
                    request.report_end()
        except WeightsError as error:
            cause = str(error).partition(f"/{NAME}")[2].partition(": ")[2] or str(error)
            raise DirectionsError(f"{address}: {cause}") from error
        except OSError as error:
            raise output_error(cache_folder(), error) from error
        except UnreadableError as error:
            raise DirectionsError(f"{address} is no set of directions that zoo wrote: {error}") from None
    with atomic_file(note) as partial:
        partial.write_text(commit, encoding="utf-8")
    return commit


def _request(address: HubAddress, folder: str, progress: Progress) -> DownloadRequest:
    source = Source(f"hf://{address.repo}/{NAME}" + (f"@{address.revision}" if address.revision else ""))
    return DownloadRequest(source, Path(folder), None, False, progress, MOST_BYTES)


def _keep(fetched: Path, file: Path) -> None:
    """Move a fetched file into the cache if it is a directions file: no other kind of file comes from the Hub."""
    _, metadata = read_tensor_metadata(fetched)
    if metadata.get("format") != FORMAT:
        raise UnreadableError(f"its metadata does not name the format {FORMAT}")
    with atomic_file(file) as partial:
        shutil.copyfile(fetched, partial)


def _offline_commit(address: HubAddress, note: Path) -> str | None:
    """Return the commit that a revision was when it was fetched last."""
    if address.pinned:
        return address.revision
    try:
        return parse_hub_address(f"hf://{address.repo}@{read_bounded(note, _MOST_NOTE_BYTES).decode()}").revision
    except (OSError, ValueError, DirectionsError):
        return None
