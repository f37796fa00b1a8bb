"""Terms of use: which licence a set of directions gets, and what the terms of the weights say against pushing it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from zoo.errors import OptionError
from zoo.registry.cards import Licence

# Licences as model cards write them, and their names on the Hub.
_ON_HUB = {
    r"CC0( 1\.0)?": "cc0-1.0",
    r"CC BY 4\.0": "cc-by-4.0",
    r"CC BY-SA 4\.0": "cc-by-sa-4.0",
    r"CC BY-NC 4\.0": "cc-by-nc-4.0",
    r"CC BY-NC-SA 4\.0": "cc-by-nc-sa-4.0",
    r"MIT": "mit",
    r"Apache(-| )2\.0": "apache-2.0",
}
# The Hub's names for other terms, which then stand in the card, and for unknown ones.
OTHER = "other"
_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{0,39}")

_UNKNOWN = re.compile(r"\b(not stated|none stated|unknown|no terms|all rights reserved)\b", re.IGNORECASE)
_NO_SHARING = re.compile(
    r"\bno.?deriv|\b(BY|NC)-ND\b|\b(no|not|without|never)\b[^.;,]{0,40}\b(re)?(distribut|shar|publish)", re.IGNORECASE
)
_NON_COMMERCIAL = re.compile(r"non.?commercial|\bNC\b|research (and evaluation )?only|-NC\b", re.IGNORECASE)
_SHARE_ALIKE = re.compile(r"\bSA\b|share.?alike", re.IGNORECASE)


def recorded_terms(provenance: Mapping[str, Any]) -> Licence | None:
    """Read the terms that a run recorded.

    Args:
        provenance: The record of its directions.

    Returns:
        The terms of weights and data; None if there is no record of them.
    """
    text = provenance.get("licence")
    found = re.fullmatch(r"weights: (?P<weights>.+?)(; data: (?P<data>.+))?", text) if isinstance(text, str) else None
    return Licence(found["weights"], found["data"]) if found else None


def choose_licence(asked: str | None, weights: str) -> str:
    """Choose the licence of a set of directions.

    Args:
        asked: The name of a licence on the Hub, such as ``cc-by-4.0``; None takes over the terms of the weights.
        weights: The terms of the weights.

    Returns:
        A name of the Hub; `OTHER` stands for the terms of the weights where the Hub has no name for them.

    Raises:
        OptionError: If it is no name of a licence.
    """
    if asked is not None:
        if not _NAME.fullmatch(asked):
            raise OptionError(f"--licence {asked}: write it as the Hub does, such as cc-by-4.0, cc0-1.0 or mit")
        return asked
    return next((name for form, name in _ON_HUB.items() if re.match(rf"{form}(?![\w.-])", weights)), OTHER)


def objection(weights: str, licence: str) -> str | None:
    """Say what the terms of the weights have against publishing directions under a licence.

    zoo looks for the words of common terms. It is no lawyer: where it finds none of them, they may still forbid it.

    Args:
        weights: The terms of the weights, as a card or a run has them.
        licence: The licence of the directions, a name of the Hub.

    Returns:
        What they say, in a few words; None if no objection was found.
    """
    if _UNKNOWN.match(weights):
        return "they are not stated, so that nothing is permitted"
    if _NO_SHARING.search(weights):
        return "they forbid to share what is derived from the weights"
    passed_on = licence == OTHER
    if _NON_COMMERCIAL.search(weights) and not passed_on and "-nc" not in licence:
        return f"they allow non-commercial use only, and {licence} allows more: pass --licence cc-by-nc-4.0 or the like"
    if _SHARE_ALIKE.search(weights) and not passed_on and "-sa" not in licence:
        return f"they demand the same terms for what is derived from the weights, and {licence} has others"
    return None
