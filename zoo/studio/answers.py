"""Answers: values as JSON, pictures, and sentences about what went wrong."""

from __future__ import annotations

import json
import math
from typing import Any

from starlette.responses import Response

from zoo.errors import ContractError, UnknownNameError, ZooError, is_out_of_memory
from zoo.studio.jobs import explain
from zoo.studio.newest import StaleError


class Refused(Exception):  # noqa: N818
    """A request that is answered with a sentence.

    Args:
        status: The HTTP status.
        sentence: The sentence.
    """

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence


def answer(value: Any, status: int = 200) -> Response:
    """Answer with JSON. All of it is ASCII, so that no text can be more than a string.

    Args:
        value: Plain values; numbers that are not finite become null.
        status: The HTTP status.

    Returns:
        The response.
    """
    content = json.dumps(_finite(value), ensure_ascii=True, allow_nan=False)
    return Response(content.encode("ascii"), status, media_type="application/json")


def fail(error: BaseException) -> Response:
    """Answer with what went wrong.

    Args:
        error: What was raised.

    Returns:
        The response: a sentence, with the status that its kind has.
    """
    if isinstance(error, Refused):
        return answer({"error": error.sentence}, error.status)
    if isinstance(error, StaleError):
        return answer({"error": "a newer request has taken its place"}, 409)
    choices = getattr(error, "choices", None)
    return answer({"error": explain(error), **({} if choices is None else {"ask": choices})}, _status_of(error))


def _status_of(error: BaseException) -> int:
    if isinstance(error, UnknownNameError):
        return 404
    if isinstance(error, ContractError):
        return 500
    if isinstance(error, ZooError):
        return 400
    return 507 if is_out_of_memory(error) else 500


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): _finite(one) for key, one in value.items()}
    return [_finite(one) for one in value] if isinstance(value, list | tuple) else value
