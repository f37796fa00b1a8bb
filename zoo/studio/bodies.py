"""What the page sends, as pydantic models: everything that comes from a browser is read here, by type and bounds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from zoo.errors import OptionError, one_line

# Texts that a page sends are short; names of models and regions have bounds of their own where they are read.
Text = Annotated[str, StringConstraints(max_length=4000)]
# What a folder or a thing in a session may be called. None of them begins with a point or holds a slash.
Slug = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,79}$")]
Value = str | bool | int | float | None
Number = Annotated[float, Field(ge=-1e6, le=1e6)]
Index = Annotated[int, Field(ge=0, lt=100_000)]
Row = Annotated[int, Field(ge=0, le=1000)]
Lane = Literal["main", "gallery", "before", "heat"]


class Body(BaseModel):
    """The base class: immutable, without infinity and NaN. Fields that are not known are left out."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)


class Code(Body):
    """One code: drawn with a seed, or one of a file that was uploaded or found for a picture."""

    seed: Annotated[int, Field(ge=0, lt=2**32)] | None = None
    upload: Slug | None = None
    index: Index = 0
    label: Text | None = None
    truncation: Annotated[float, Field(ge=0, le=2)] | None = None


class Step(Body):
    """How far codes are moved along one direction of a result; `layers` are rows of the code, None for its own."""

    result: Slug
    index: Index
    strength: Number
    layers: tuple[Row, ...] | None = None


class Opened(Body):
    """A model, and how it is opened; `tuned` is the upload whose picture its weights were tuned for, then its path."""

    model: Text
    options: dict[Text, Value] = Field(default_factory=dict)
    space: Text | None = None
    tuned: Text | None = None


class View(Opened):
    """Pictures: codes, all moved in the same way."""

    seq: int = 0
    lane: Lane = "main"
    codes: Annotated[tuple[Code, ...], Field(min_length=1, max_length=64)]
    moves: Annotated[tuple[Step, ...], Field(max_length=32)] = ()
    size: Annotated[int, Field(ge=16, le=8192)] | None = None
    preview: bool = False
    region: Text | None = None


class RegionText(Opened):
    """A region in words."""

    text: Text


class Analyze(Opened):
    """An analysis, in the words of ``zoo analyze``; `words` is what a file of ``--words`` holds."""

    analyzer: Text
    scorer: Text | None = None
    words: Text | None = None
    settings: dict[Text, Value] = Field(default_factory=dict)
    region: Text | None = None
    codes: Annotated[tuple[Code, ...], Field(max_length=64)] | None = None
    samples: int | None = None
    seed: int | None = None
    layers: Text | tuple[Row, ...] | None = None
    label: Text | None = None
    truncation: float | None = None
    show: int = 5
    unseen: int = 32


class Marks(Body):
    """What a person says of one direction of a result."""

    index: Index
    given: Annotated[str, StringConstraints(max_length=80)] | None = None
    starred: bool | None = None


class Project(Opened):
    """A picture to project, in the words of ``zoo project``."""

    picture: Slug
    label: Text | None = None
    region: Text | None = None
    align: Text = "auto"
    starts: int | None = None
    tune: bool = False


class Pick(Body):
    """Some directions of a result; all where `indices` is None."""

    result: Slug
    indices: (
        Annotated[tuple[Annotated[int, Field(ge=0, lt=100_000)], ...], Field(min_length=1, max_length=1000)] | None
    ) = None


class Save(View):
    """What is saved, and under which name."""

    codes: Annotated[tuple[Code, ...], Field(max_length=64)] = ()
    what: Literal["run", "edit", "codes", "directions", "frame"]
    name: Slug | None = None
    force: bool = False
    result: Slug | None = None
    upload: Slug | None = None
    onto: bool = False
    picks: Annotated[tuple[Pick, ...], Field(max_length=100)] = ()
    files: tuple[Literal["sheet", "gif", "mp4", "each", "npy"], ...] = ("sheet",)
    strengths: Annotated[tuple[Number, ...], Field(min_length=1, max_length=32)] | None = None
    pixels: Text | None = None


AnyBody = TypeVar("AnyBody", bound=Body)


def read_body(kind: type[AnyBody], content: bytes) -> AnyBody:
    """Read what the page sent.

    Args:
        kind: What it is.
        content: JSON.

    Returns:
        The body.

    Raises:
        OptionError: If it is something else.
    """
    try:
        return kind.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the request"
        raise OptionError(one_line(f"{where}: {first['msg']}")) from None


def as_texts(values: Mapping[str, Value]) -> dict[str, str]:
    """Write values of options as the command line has them, so that both make the same request.

    Args:
        values: The values by name.

    Returns:
        Their texts; those that are None are left out.
    """
    return {
        name: str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in values.items()
        if value is not None
    }
