"""Files of model cards: the built-in one, the user's own, and any other.

pydantic validates all but the built-in one, which the tests validate: importing pydantic would make every listing slow.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo._utils.paths import config_folder
from zoo.core.channels import MAX_SIDE
from zoo.core.class_names import parse_class_names
from zoo.errors import CardError
from zoo.registry.cards import Card, Licence, Weights
from zoo.registry.plain_yaml import load_plain_yaml
from zoo.registry.sources import Source

if TYPE_CHECKING:
    from pydantic import TypeAdapter

# The largest sizes that a card may claim. They cost memory and time before its weights are there to be compared with.
_LIMITS = {"resolution": MAX_SIDE, "width": MAX_SIDE, "dim": 2**20, "layers": 1000}


@cache
def built_in_cards() -> tuple[Card, ...]:
    """Read zoo's own registry file, which does not change while a process runs.

    Returns:
        Its cards.
    """
    return tuple(_build_unvalidated(fields) for fields in _read(built_in_file(), trusted=True))


def built_in_file() -> Path:
    """Return zoo's own registry file.

    Returns:
        The file in the package, or at the root of a checkout.

    """
    packaged = Path(__file__).parents[1] / "registry.yaml"
    return packaged if packaged.exists() else packaged.parents[1] / "registry.yaml"


def own_files() -> list[Path]:
    """List the user's own registry files.

    Returns:
        ``registry.yaml``, if the user wrote one, and a file for each model of ``zoo add``.

    Raises:
        CardError: the folder of settings cannot be read.

    """
    hand_written = config_folder() / "registry.yaml"
    try:
        files = [hand_written] if _is_there(hand_written) else []
        return files + (sorted(_yaml_files(added_folder())) if _is_there(added_folder()) else [])
    except OSError as error:
        raise CardError(
            f"cannot read the settings in {config_folder()}: {error.strerror}; ZOO_CONFIG names another folder"
        ) from None


def _is_there(path: Path) -> bool:
    """Look a path up. Raises `OSError` for one that cannot be looked up, such as one in a folder without permission."""
    try:
        path.stat()
    except FileNotFoundError:
        return False
    return True


def _yaml_files(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.suffix == ".yaml" and not path.name.startswith(".")]


def added_folder() -> Path:
    """Return where ``zoo add`` writes cards.

    Returns:
        The folder; it need not exist.

    """
    return config_folder() / "added"


def read_cards(path: Path) -> list[Card]:
    """Read and validate a registry file.

    Args:
        path: the file.

    Returns:
        Its cards.

    Raises:
        CardError: the file or a card is wrong; the message names the file, the card and the field.

    """
    return [_validate(path, index, fields) for index, fields in enumerate(_read(path))]


def _read(path: Path, *, trusted: bool = False) -> list[Any]:
    try:
        content = load_plain_yaml(path, trusted=trusted)
    except OSError as error:
        raise CardError(f"cannot read registry {path}: {error.strerror}") from None
    except ValueError as error:
        raise CardError(f"registry {path}: {error}") from None
    models = content.get("models") if isinstance(content, dict) else None
    if not isinstance(models, list):
        raise CardError(f"registry {path}: the file must hold 'models:', a list of cards")
    return models


@cache
def _card_type() -> TypeAdapter[Card]:
    """Return what validates cards; building it takes longer than validating a card, so it is built once."""
    from pydantic import TypeAdapter

    return TypeAdapter(Card)


def _validate(path: Path, index: int, fields: Any) -> Card:
    """Build a card with pydantic; `index` names a card without a name in the message."""
    from pydantic import ValidationError

    name = fields.get("name") if isinstance(fields, dict) else None
    label = name if isinstance(name, str) else f"number {index + 1}"
    try:
        card = _card_type().validate_python(_complete(fields, path) if isinstance(fields, dict) else fields)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the card"
        raise CardError(
            f"registry {path}, card {label}, field {where}: {first['msg'].removeprefix('Value error, ')}"
        ) from None
    for field, limit in _LIMITS.items():
        if (getattr(card, field) or 0) > limit:
            raise CardError(
                f"registry {path}, card {label}, field {field}: {getattr(card, field):,} is above {limit:,}"
            )
    return card


def _complete(fields: dict[str, Any], path: Path) -> dict[str, Any]:
    """Add the file that a card is in, and replace the word ``imagenet`` by the names of the classes."""
    named = {"classes": parse_class_names(fields["classes"])} if fields.get("classes") == "imagenet" else {}
    return {**fields, **named, "file": path}


def _build_unvalidated(fields: dict[str, Any]) -> Card:
    """Build a card of the built-in file without pydantic; the tests validate that file."""
    weights = fields["weights"]
    sources = tuple(Source(**source) for source in weights.get("sources", ()))
    return Card(
        **{
            **fields,
            "classes": parse_class_names(fields.get("classes", ())),
            "words": tuple(fields.get("words", ())),
            "weights": Weights(**{**weights, "sources": sources}),
            "licence": Licence(**fields["licence"]),
            "file": built_in_file(),
        }
    )
