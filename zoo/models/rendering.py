"""Rendering codes in batches that fit into memory."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from zoo._utils.pixels import to_image, to_pixels
from zoo._utils.progress import Progress
from zoo.core.adapter import Adapter
from zoo.core.codes import Codes
from zoo.errors import CheckpointError, OptionError
from zoo.models.cost import images_at_a_time


def render_batches(
    name: str, adapter: Adapter, codes: Codes, convert: Callable[[Tensor], Tensor], progress: Progress
) -> Tensor:
    """Convert each batch of images, and write it into the result at once, so that no second copy is held.

    Args:
        name: The name of the model, for messages.
        adapter: Its network.
        codes: The codes (n), at least one.
        convert: Converts a batch of images on the network's device, and keeps their first axis.
        progress: Called after each batch.

    Returns:
        (n, …), what `convert` returned of each batch.

    Raises:
        CheckpointError: If an image is not finite.
    """
    size = render_batch_size(adapter)
    for start in range(0, len(codes), size):
        progress(start, len(codes), "images")
        with torch.no_grad():
            images = adapter.synthesize(codes[start : start + size])
        if not all(map(math.isfinite, map(float, images.aminmax()))):  # unlike isfinite(images), makes no copy
            raise CheckpointError(
                f"{name}: images are not finite: damaged weights, or --codes, --strengths or --step too large"
            )
        batch = convert(images)
        if start == 0:
            result = batch.new_empty(len(codes), *batch.shape[1:])
        result[start : start + len(batch)] = batch
    progress(len(codes), len(codes), "images")
    return result


def render_as(to: str, name: str, adapter: Adapter, codes: Codes, *, progress: Progress) -> Any:
    """Render codes to numbers or to pictures.

    Args:
        to: ``tensor``, ``numpy`` or ``pil``.
        name: The name of the model, for messages.
        adapter: Its network.
        codes: The codes (n), at least one.
        progress: Called after each batch.

    Returns:
        Images (n, channels, h, w) on the CPU; an array (n, h, w, channels) of uint8; or a list of n pictures.

    Raises:
        OptionError: If `to` is something else.
        CheckpointError: If an image is not finite.
    """
    if to == "tensor":
        return render_batches(name, adapter, codes, Tensor.cpu, progress)
    if to not in {"numpy", "pil"}:
        raise OptionError(f"to={to!r}: there are tensor, numpy, pil")
    pixels = render_batches(name, adapter, codes, to_pixels, progress)
    return pixels.numpy() if to == "numpy" else list(map(to_image, pixels))


def render_batch_size(adapter: Adapter) -> int:
    """Choose how many images are rendered at a time, the same on every machine.

    Args:
        adapter: The network.

    Returns:
        At most 16 images, and at most 2 million pixels and 4 GB of maps unless one image has more.
    """
    height, width = adapter.resolution
    return images_at_a_time(adapter, max(1, min(16, 2**21 // (height * width))))
