"""Words of captions as numbers: every word of a fixed list has one, and others are skipped."""

from __future__ import annotations

import re
from collections.abc import Sequence

import torch
from torch import Tensor

# The number that fills up the rest of a caption.
PADDING = 0

# Longer captions are cut.
LONGEST = 32

_WORD = re.compile(r"[a-z]+(?:'[a-z]+)?")


def words_of(text: str) -> list[str]:
    """Split a text into words in lower case; signs and digits are left out, and ``big-smile`` is two words.

    Args:
        text: The text.

    Returns:
        The words.
    """
    return _WORD.findall(text.lower())


def tokenize(texts: Sequence[str], vocabulary: Sequence[str]) -> Tensor:
    """Number the words of texts.

    Args:
        texts: The texts.
        vocabulary: The known words; the first one has the number 1.

    Returns:
        (n, words of the longest text) int64, filled up with `PADDING`.
    """
    numbers = {word: index for index, word in enumerate(vocabulary, start=1)}
    rows = [[numbers[word] for word in words_of(text) if word in numbers][:LONGEST] for text in texts]
    longest = max(1, *map(len, rows))
    return torch.tensor([row + [PADDING] * (longest - len(row)) for row in rows])


def unknown_words(text: str, vocabulary: Sequence[str]) -> list[str]:
    """List the words of a text that have no number.

    Args:
        text: The text.
        vocabulary: The known words.

    Returns:
        The unknown words, each once.
    """
    known = set(vocabulary)
    return [word for word in dict.fromkeys(words_of(text)) if word not in known]
