"""Attributes of rendered avatars, by a small convolutional network trained with `recipes/scorer.py`."""

from zoo import ScorerPlugin, hookimpl


@hookimpl
def zoo_scorers() -> list[ScorerPlugin]:
    """Announce the scorer of avatars."""
    from zoo_scorers.avatars.card import columns

    return [
        ScorerPlugin(
            name="avatars",
            summary="attributes of avatars as recipes/avatars renders them, for models trained on those",
            load="zoo_scorers.avatars.scorer:Avatars",
            attributes=columns(),
        )
    ]
