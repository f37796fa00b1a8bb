"""The options of commands that choose a scorer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zoo.cli import completion, early

if TYPE_CHECKING:
    from zoo.scoring.choosing import ScorerChoice

ScorerName = Annotated[
    str | None,
    typer.Option(
        "--scorer",
        help="One of 'zoo list --scorers'; by default, all that fit the model.",
        autocompletion=completion.scorers,
        callback=early.known_scorer,
    ),
]
Words = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Words for names: opposites, two a line with a slash between them."),
]


def scorer_choice(scorer: str | None, words: Path | None) -> ScorerChoice:
    """Make the choice of a scorer of the options that say which."""
    from zoo.scoring.choosing import ScorerChoice

    return ScorerChoice(name=scorer, options={} if words is None else {"words": words})
