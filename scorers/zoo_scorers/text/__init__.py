"""Words for what pictures show, compared by the network in the box or by one of open_clip; see docs/scores.md."""

from zoo import ScorerPlugin, hookimpl


@hookimpl
def zoo_scorers() -> list[ScorerPlugin]:
    """Return the scorer of words."""
    from zoo_scorers.text.lists import AVATARS, words_of_list

    return [
        ScorerPlugin(
            name="text",
            summary="opposites in words, such as a smiling face / a serious face, for any model",
            load="zoo_scorers.text.scorer:Text",
            options="zoo_scorers.text.options:TextOptions",
            attributes=tuple(pair.name for pair in words_of_list(AVATARS)),
            fallback=True,
        )
    ]
