"""The sets of directions in the cache. Importing it is torch-free."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from zoo._utils.paths import cache_folder
from zoo._utils.writing.workspaces import output_error
from zoo.core.files.hub_address import HubAddress, parse_hub_address
from zoo.errors import DirectionsError

# The file of a set, in its repository and in the cache.
NAME = "directions.safetensors"


@dataclass(frozen=True)
class FetchedSet:
    """A set of directions in the cache.

    Attributes:
        address: Its address, with the commit.
        path: The file.
        size: Bytes.
    """

    address: HubAddress
    path: Path
    size: int


def fetched_sets() -> list[FetchedSet]:
    """List the sets of directions in the cache, in the order of their addresses.

    Raises:
        DirectionsError: If the cache cannot be read.
    """
    try:
        found = [_fetched_set(path) for path in sorted((cache_folder() / "directions").glob(f"*--*/*/{NAME}"))]
    except OSError as error:
        raise DirectionsError(f"cannot read the cache {cache_folder()}: {error.strerror}") from None
    return [one for one in found if one is not None]


def _fetched_set(path: Path) -> FetchedSet | None:
    address = HubAddress(path.parent.parent.name.replace("--", "/", 1), path.parent.name)
    return FetchedSet(address, path, path.stat().st_size) if address.pinned else None


def forget_set(path: str | Path) -> list[Path]:
    """Delete a set of directions from the cache: the commit that is named, or all of them.

    Args:
        path: Its address, or the path that was made of it.

    Returns:
        The files that were deleted.

    Raises:
        DirectionsError: If it is not in the cache.
        OutputError: If something cannot be deleted.
    """
    address = parse_hub_address(path)
    chosen = [one for one in fetched_sets() if address in {one.address, HubAddress(one.address.repo, None)}]
    if not chosen:
        raise DirectionsError(f"{address} is not in the cache: 'zoo cache' lists what is")
    try:
        for one in chosen:
            shutil.rmtree(one.path.parent)
    except OSError as error:
        raise output_error(cache_folder(), error) from error
    return [one.path for one in chosen]
