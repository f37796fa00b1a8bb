"""The scorer that compares pictures with words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import ClassVar

import torch
from torch import Tensor

from zoo import Scorer
from zoo.registry import Card, Opposites, parse_opposites, read_words
from zoo_scorers.text.encoders import BundledEncoder, ClipEncoder, Encoder, has_weights
from zoo_scorers.text.lists import AVATARS, draws_avatars, words_of_card, words_of_list
from zoo_scorers.text.options import BUNDLED, USUAL_CLIP, TextOptions

_BATCH_SIZE = 256


class Text(Scorer):
    """How much more an image fits one of two opposite descriptions than the other one.

    The score of a pair is the cosine between the image and the first description, minus that between the image and the
    second one. The network is loaded when it is first used; it runs where the images are.

    Args:
        options: The options.
        words: The opposites; None is those of the options, or else of the list of avatars.
        encoder: What places pictures and words; None makes it of the options.
    """

    attributes: ClassVar[Sequence[str]] = tuple(pair.name for pair in words_of_list(AVATARS))
    against_random: ClassVar[bool] = True
    differentiable: ClassVar[bool] = True

    def __init__(
        self,
        options: TextOptions | None = None,
        words: Sequence[Opposites] | None = None,
        encoder: Encoder | None = None,
    ) -> None:
        self._options = options or TextOptions()
        if words is None:
            words = words_of_list(AVATARS) if self._options.words is None else read_words(self._options.words)
        self._words = tuple(words)
        self._given_encoder = encoder
        # which attributes there are depends on the words
        self.attributes = tuple(pair.name for pair in self._words)  # type: ignore[misc]
        poles = {pair.name: pair.poles for pair in self._words}
        self.poles: Mapping[str, tuple[str, str]] = {  # type: ignore[misc]
            name: both for name, both in poles.items() if both is not None
        }

    def fits(self, card: Card) -> bool:
        """Fit every model, as words can describe any picture; the network in the box fits avatars only.

        Args:
            card: The card of the model.

        Returns:
            Whether the network that was chosen knows such pictures.
        """
        return self._options.clip != BUNDLED or draws_avatars(card)

    def at_hand(self, card: Card) -> bool:
        """Say whether the network is in the box, or its weights are on this machine.

        Args:
            card: The card of the model.

        Returns:
            Whether nothing must be fetched.
        """
        name = self._network_for(card)
        return name == BUNDLED or has_weights(self._options.pretrained, name)

    def for_model(self, card: Card) -> Text:
        """Choose the network and the words for a model.

        Args:
            card: The card of the model.

        Returns:
            The scorer of its pictures.

        Raises:
            CapabilityError: If open_clip is needed and not installed.
            OptionError: If there is no such network, or the one in the box does not know a word.
            UnknownNameError: If the card names a list of words that there is not.
        """
        name = self._network_for(card)
        encoder = BundledEncoder() if name == BUNDLED else ClipEncoder(name, self._options.pretrained)
        words = words_of_card(card) if self._options.words is None else self._words
        if name == BUNDLED:
            encoder.texts([text for pair in words for text in pair.texts])
        return Text(self._options, words, encoder)

    def about(self, words: str) -> Text:
        """Return a scorer of one pair: opposites of the list, two that are written out, or words and nothing special.

        Args:
            words: The name or one side of a pair of the list, opposites with a slash between them, or any words.

        Returns:
            The scorer.

        Raises:
            OptionError: If the words cannot be read, or the network does not know one.
        """
        asked = " ".join(words.split())
        pair = next((_facing(pair, asked) for pair in self._words if _facing(pair, asked)), None)
        if pair is None:
            pair = parse_opposites(asked if "/" in asked else f"{asked} / {' | '.join(self._encoder.neutral)}")
        self._encoder.texts(pair.texts)
        return Text(self._options, [pair], self._encoder)

    def score(self, images: Tensor) -> Tensor:
        """Score images.

        Args:
            images: Images (n, 3, h, w) in [-1, 1] of any size.

        Returns:
            Differences of cosines (n, attributes), on the device of the images. They can be differentiated.
        """
        axes = self._axes.to(images.device)
        return torch.cat([self._encoder.images(part) @ axes.T for part in images.split(_BATCH_SIZE)])

    @cached_property
    def _axes(self) -> Tensor:
        """The differences between the two descriptions of each pair (attributes, dim); several ways are averaged."""
        sides = [side for pair in self._words for side in (pair.low, pair.high)]
        placed = self._encoder.texts([text for side in sides for text in side]).float().split([len(s) for s in sides])
        means = torch.stack([side.mean(dim=0) for side in placed])
        return means[1::2] - means[::2]

    @cached_property
    def _encoder(self) -> Encoder:
        if self._given_encoder is not None:
            return self._given_encoder
        if self._options.clip in {None, BUNDLED}:
            return BundledEncoder()
        return ClipEncoder(str(self._options.clip), self._options.pretrained)

    def _network_for(self, card: Card) -> str:
        return self._options.clip or (BUNDLED if draws_avatars(card) else USUAL_CLIP)


def _facing(pair: Opposites, asked: str) -> Opposites | None:
    """Return a pair with `asked` as its name or its high side, turned round if need be; None if it is neither side."""
    turned = pair.reversed
    if asked.lower() in {one.lower() for one in (pair.name, turned.reversed.name, *pair.high)}:
        return pair
    return turned if len(pair.low) == 1 and asked.lower() in {turned.name.lower(), turned.high[0].lower()} else None
