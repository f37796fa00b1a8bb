"""Images from pixels, and sheets of samples."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from recipes.generators import Trained


def to_images(pixels: Tensor) -> Tensor:
    """Turn pixels (n, h, w, 3) uint8 into images (n, 3, h, w) in [-1, 1]."""
    return pixels.permute(0, 3, 1, 2).float() / 127.5 - 1


@torch.no_grad()
def samples(trained: Trained, count: int, seed: int, label: int | None = None) -> Tensor:
    """Draw images (count, 3, h, w) in [-1, 1] from a network as it would be released, of one class or of all."""
    ready = copy.deepcopy(trained)
    ready.network.cpu()
    generator = torch.Generator().manual_seed(seed)
    ready.finish(generator)
    adapter = ready.adapter(ready.network)  # type: ignore[call-arg]
    codes = adapter.sample(count, generator, None if label is None else torch.full((count,), label))
    return torch.cat([adapter.synthesize(codes[start : start + 50]) for start in range(0, count, 50)]).clamp(-1, 1)


def sample_sheet(trained: Trained, styles: Sequence[str], columns: int = 12) -> Image.Image:
    """Draw a sheet: a row of samples for each class; as many rows for an unconditional network."""
    rows = [samples(trained, columns, row, row if trained.classes else None) for row in range(len(styles))]
    return tiled(torch.cat(rows), columns)


def tiled(images: Tensor, columns: int, enlarge: int = 3) -> Image.Image:
    """Lay images (n, 3, h, w) in [-1, 1] out in rows."""
    pixels = ((images + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
    rows = [np.concatenate(list(pixels[start : start + columns]), axis=1) for start in range(0, len(pixels), columns)]
    sheet = np.concatenate(rows)
    return Image.fromarray(sheet.repeat(enlarge, axis=0).repeat(enlarge, axis=1))
