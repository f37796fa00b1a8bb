"""The cards that ``zoo add`` writes, a file each, sealed with a hash, so that edited ones are never lost."""

from __future__ import annotations

import hashlib
import warnings
from pathlib import Path

from zoo._utils.files import atomic_file
from zoo._utils.locks import locked
from zoo._utils.lookups import is_file
from zoo._utils.writing.system_calls import rename_new
from zoo._utils.writing.workspaces import output_error
from zoo.errors import OutputError, unknown_name
from zoo.registry.card_files import added_folder

# The first line of a card that `zoo add` wrote. One without it, or with another text after it, has been edited.
_SEAL = "# Written by zoo add. The SHA-256 of the other lines: {}\n"
_MOST_NAMES = 1000


class EditedCardWarning(UserWarning):
    """A card that `zoo add` wrote has been edited since, and was kept under another name."""


def added_card(name: str) -> Path:
    """Return the file of an added card.

    Args:
        name: The model's name.

    Returns:
        The path; nothing need be there.
    """
    return added_folder() / f"{name}.yaml"


def write_added(path: Path, card: str, *, force: bool) -> None:
    """Write a card.

    Args:
        path: The file, see `added_card`.
        card: A registry file of one card.
        force: Replace one that is there; an edited one is kept under another name.

    Raises:
        OutputError: If one is there, and may not be replaced, or the operating system refuses.
    """
    try:
        with locked(path), atomic_file(path) as partial:
            if path.exists() and not force:
                raise OutputError(f"there is a model {path.stem} already: another process has added it meanwhile")
            text = card.encode()
            partial.write_bytes(_SEAL.format(hashlib.sha256(text).hexdigest()).encode() + text)
            if path.exists():
                _keep_edited(path)
    except OSError as error:
        raise output_error(path, error) from error


def remove(name: str) -> Path:
    """Delete a card that `zoo add` wrote; the weights file stays, and so does an edited card, under another name.

    The card is not read, so that a broken one, or one whose name another model has taken since, can be removed too.

    Args:
        name: The model's name.

    Returns:
        The file that was deleted or renamed.

    Raises:
        UnknownNameError: If `zoo add` wrote no such card.
        OutputError: If the operating system refuses.
    """
    path = added_card(name)
    if Path(name).name != name or not is_file(path):
        raise unknown_name("model of 'zoo add'", name, [card.stem for card in added_folder().glob("*.yaml")])
    try:
        with locked(path):
            _keep_edited(path)
            path.unlink(missing_ok=True)
    except OSError as error:
        raise output_error(path, error) from error
    return path


def _keep_edited(path: Path) -> None:
    """Rename a card that is not as `add` wrote it, so that nothing is lost; a file that is as written stays."""
    seal, _, rest = path.read_bytes().partition(b"\n")
    if seal + b"\n" == _SEAL.format(hashlib.sha256(rest).hexdigest()).encode():
        return
    for number in range(1, _MOST_NAMES):
        aside = path.with_name(f"{path.name}.edited" + (f"-{number}" if number > 1 else ""))
        try:
            rename_new(path, aside)
        except FileExistsError:
            continue
        message = f"{path} is not as 'zoo add' wrote it: it is kept as {aside.name} in the same folder"
        warnings.warn(message, EditedCardWarning, stacklevel=3)
        return
    raise OutputError(f"{path} is not as 'zoo add' wrote it, and there are {_MOST_NAMES} others already: delete some")
