"""Attributes of rendered avatars, predicted by a small convolutional network that `recipes/scorer.py` trains."""

from zoo import ScorerPlugin, hookimpl


@hookimpl
def zoo_scorers() -> list[ScorerPlugin]:
    """Return the scorer of avatars."""
    from zoo_scorers.avatars.card import columns

    return [
        ScorerPlugin(
            name="avatars",
            summary="attributes of avatars as recipes/avatars renders them, for models trained on those",
            load="zoo_scorers.avatars.scorer:Avatars",
            attributes=columns(),
        )
    ]
