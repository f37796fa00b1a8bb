"""Attributes of rendered avatars, by a small convolutional network trained with `recipes/scorer.py`."""

from typing import TYPE_CHECKING

from zoo import ScorerPlugin, hookimpl

if TYPE_CHECKING:
    from zoo import Scorer


def _load() -> "type[Scorer]":
    from zoo_scorers.avatars.scorer import Avatars

    return Avatars


@hookimpl
def zoo_scorers() -> list[ScorerPlugin]:
    """Announce the scorer of avatars."""
    from zoo_scorers.avatars.card import columns

    return [
        ScorerPlugin(
            name="avatars",
            summary="attributes of avatars as recipes/avatars renders them, for models trained on those",
            load=_load,
            attributes=columns(),
        )
    ]
