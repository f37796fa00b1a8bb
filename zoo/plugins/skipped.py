"""Leaving out plugins that fail: a warning, or an error where the environment asks for one."""

from __future__ import annotations

import os
import warnings

from zoo.errors import PluginError, message_of, one_line

# Environment variable: if it is set and not empty, a plugin that would be skipped with a warning is an error instead.
STRICT_VARIABLE = "ZOO_STRICT_PLUGINS"


class PluginWarning(UserWarning):
    """An installed plugin, or a part of it, was skipped because it could not be imported or failed."""


def warn_skipped(message: str, error: BaseException) -> None:
    """Warn that a plugin, or a part of one, is skipped.

    Args:
        message: what is skipped, and why.
        error: the exception that is the reason.

    Raises:
        PluginError: ``ZOO_STRICT_PLUGINS`` is set.

    """
    if os.environ.get(STRICT_VARIABLE):
        raise PluginError(message) from error
    warnings.warn(message, PluginWarning, stacklevel=3)


def describe_error(error: BaseException) -> str:
    """Describe an exception on one line.

    Args:
        error: any exception.

    Returns:
        Its type and message, or for a `PluginError` the message alone.

    """
    message = message_of(error)
    kind = () if isinstance(error, PluginError) else (type(error).__name__,)
    return one_line(": ".join([*kind, message] if message else kind))
