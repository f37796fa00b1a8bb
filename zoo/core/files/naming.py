"""Names of directions in the files that hold them."""

from __future__ import annotations

from pathlib import Path

from zoo._utils.lookups import is_dir
from zoo._utils.tensorfile import UnreadableError, read_tensor_metadata
from zoo._utils.writing.manifest import refreshed
from zoo.core.directions import Directions
from zoo.core.files.directions import FORMAT
from zoo.core.files.hub_address import is_hub_address, shown_path
from zoo.errors import DirectionsError


def name_direction(path: Path, index: int | str, name: str) -> Directions:
    """Give a direction of a file a name, or take it away.

    Args:
        path: a directions file that zoo wrote, or a run folder.
        index: which direction, counted from 0, or the name that it has now.
        name: the name; empty for none. See `Directions.with_name`.

    Returns:
        The directions as the file holds them now.

    Raises:
        DirectionsError: the file cannot be read, or is an array of another project; or see `Directions.with_name`.
        UnknownNameError: no direction has the name `index`.
        OutputError: the file cannot be written.

    """
    if is_hub_address(path):
        raise DirectionsError(
            f"{shown_path(path)} lies on the Hub: name its directions in a run folder or file, and push that"
        )
    file = path / "directions.safetensors" if is_dir(path) else path
    directions = Directions.load(file)
    _check_own(file)
    found = directions.index_of(index) if isinstance(index, str) else index
    named = directions.with_name(found, name)
    with refreshed(file):
        named.save(file)
    return named


def _check_own(file: Path) -> None:
    """Refuse arrays of other projects, which have no place for names."""
    try:
        _, metadata = read_tensor_metadata(file)
    except UnreadableError:
        metadata = {}
    if metadata.get("format") != FORMAT:
        raise DirectionsError(
            f"{file} is an array of another project, which has no place for names: write its directions with "
            "zoo.Directions.load(…).save('NAME.safetensors') first"
        )
