"""The Hub's interface by huggingface_hub, within zoo's limits of time, silent, and with errors of one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from zoo.errors import OutputError, ZooError
from zoo.registry.sources import hide_secrets
from zoo.weights.fetch import is_offline
from zoo.weights.sources.request import describe, timeout

if TYPE_CHECKING:
    from huggingface_hub import HfApi

_LONGEST_CAUSE = 300
_CRITICAL = 50  # of Python's logging


@contextmanager
def hub_api() -> Iterator[HfApi]:
    """Yield the Hub's interface, with the user's token where there is one.

    By default the library waits for a silent server for ever, and writes bars and remarks of its own.

    Raises:
        OutputError: If ``ZOO_OFFLINE`` or ``HF_HUB_OFFLINE`` is set.
    """
    from huggingface_hub import HfApi, get_session
    from huggingface_hub.utils import logging

    if hub_is_forbidden():
        raise OutputError("ZOO_OFFLINE or HF_HUB_OFFLINE forbids to ask the Hub: unset it")
    session, level = get_session(), logging.get_verbosity()
    before = session.timeout
    session.timeout = timeout()
    logging.set_verbosity(_CRITICAL)
    try:
        yield HfApi(library_name="latent-zoo")
    finally:
        session.timeout = before
        logging.set_verbosity(level)


def hub_is_forbidden() -> bool:
    """Say whether ``ZOO_OFFLINE`` or ``HF_HUB_OFFLINE`` is set."""
    from huggingface_hub import constants

    return is_offline() or bool(constants.HF_HUB_OFFLINE)


def has_token() -> bool:
    """Say whether the user has given a token to huggingface_hub, by ``hf auth login`` or ``HF_TOKEN``."""
    from huggingface_hub import get_token

    return get_token() is not None


def status_of(error: BaseException) -> int | None:
    """Return the status that the Hub answered an error with; None where it did not answer."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    return status if isinstance(status, int) else None


def cause_of(error: Exception) -> str:
    """Say what went wrong, in a few words and without what may be secret.

    Args:
        error: What huggingface_hub raised.

    Returns:
        What the Hub answered, or what the network did.
    """
    if isinstance(error, ZooError):
        return str(error)
    status = status_of(error)
    if status is None:
        return _without_secrets(describe(error))
    hints = {401: ": your token is not valid", 403: ": your token may not do this", 413: ": the files are too large"}
    told = getattr(error, "server_message", None)
    said = f" ({_without_secrets(told)})" if isinstance(told, str) and told.strip() else ""
    return f"the Hub answered {status}{hints.get(status, '')}{said}"


def _without_secrets(text: str) -> str:
    from huggingface_hub import get_token

    token: Any = get_token()
    text = text.replace(token, "…") if token else text
    return " ".join(hide_secrets(text[:1000]).split())[:_LONGEST_CAUSE]
