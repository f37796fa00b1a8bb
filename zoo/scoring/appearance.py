"""Plain words for what a direction does to pixels, where no scorer knows what the pixels show.

The change of a region from one end of a direction to the other, Δ = G(c + s n) − G(c − s n), is compared with changes
of known kinds: all pixels brighter, all of another hue, the picture moved, the picture larger. A kind is told where it
makes up enough of the change, the same way at most codes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, avg_pool2d, normalize, pad

from zoo.core.channels import as_rgb
from zoo.core.region import Region
from zoo.scoring.effects import CLEAR_AGREEMENT, Effect

# The smallest share of the squared change that a kind must make up, on the average over codes.
CLEAR_SHARE = 0.25

# Nothing is told of fewer codes.
_FEWEST_CODES = 8

# Changes are compared in images reduced to this side.
_SIDE = 128

# They are blurred twice by a square that reaches this part of the shorter side in each direction.
_BLUR = 20

_HUES = ("redder", "yellower", "greener", "more cyan", "bluer", "more magenta")


@dataclass(frozen=True)
class Appearance:
    """What a direction does to the pixels of a region, from its end at −step to its end at +step.

    Attributes:
        word: What it does, such as ``darker``.
        region: The name of the region; empty for the whole image, and for a region without a name.
        share: How much of the squared change is of that kind, the mean over codes.
        agreement: At how many of the codes it is so, as a share.
    """

    word: str
    region: str
    share: float
    agreement: float

    @property
    def strength(self) -> None:
        """None: it is not on the scale of `zoo.scoring.effects.Effect.strength`."""

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "attribute": f"{self.region} {self.word}".strip(),
            "scorer": None,
            "measured": "pixels",
            "word": self.word,
            "region": self.region or None,
            "share": self.share,
            "agreement": self.agreement,
        }

    def sentence(self) -> str:
        """Write out how it was measured."""
        return (
            f"measured of pixels, as no scorer fits: {self.share:.0%} of the squared change is of this kind, the same "
            f"way at {self.agreement:.0%} of the codes"
        )

    def __str__(self) -> str:
        return f"{self.region}: {self.word} (pixels)" if self.region else f"{self.word} (pixels)"


def recorded_name(value: object) -> str | None:
    """Write a suggested name as tables do, from its record: from `Effect.as_json`, or `Appearance.as_json`.

    Args:
        value: Whatever a file holds.

    Returns:
        The name; None where it is no record of one.
    """
    if not isinstance(value, Mapping) or not isinstance(value.get("attribute"), str):
        return None
    word, region, effect = value.get("word"), value.get("region"), value.get("effect")
    if isinstance(word, str):
        return str(Appearance(word, region if isinstance(region, str) else "", math.nan, math.nan))
    ends, poles = _pair(value.get("ends")), _pair(value.get("poles"))
    if ends is None and not isinstance(effect, int | float):
        ends = (None, None)  # an attribute of which nothing else is known
    effect = effect if isinstance(effect, int | float) else math.nan
    named = None if poles is None or None in poles else (str(poles[0]), str(poles[1]))
    return str(Effect(value["attribute"], "", effect, math.nan, ends, poles=named))


def _pair(value: object) -> tuple[str | None, str | None] | None:
    if not isinstance(value, list | tuple) or len(value) != 2:
        return None
    first, last = (one if isinstance(one, str) else None for one in value)
    return first, last


class AppearanceMeter:
    """Compares changes with those of known kinds; it is an observer of `zoo.editing.changes.render_ends`."""

    def __init__(self, region: Region, count: int) -> None:
        self._region = region
        self._kinds: list[list[dict[str, tuple[Tensor, Tensor]]]] = [[] for _ in range(count)]

    def start(self, unedited: Tensor) -> None:
        """Look at a batch of codes unedited."""
        images = _prepared(unedited)
        mask = torch.from_numpy(self._region.mask.copy()).to(images)[None, None]
        height, width = images.shape[2:]
        self._inside = adaptive_avg_pool2d(mask, (height, width)) >= 0.5
        self._bases = _bases(images, self._inside)

    def look(self, index: int, end: int, images: Tensor) -> None:
        """Look at them at one end of a direction; the end at +step comes first."""
        if end == 0:
            self._plus = _prepared(images)
            return
        change = (self._plus - _prepared(images)) * self._inside
        self._kinds[index].append({name: _compared(change, basis) for name, basis in self._bases.items()})

    def result(self) -> tuple[Appearance | None, ...]:
        """Return what each direction does; None where nothing is clear."""
        return tuple(map(self._name, self._kinds))

    def _name(self, batches: Sequence[dict[str, tuple[Tensor, Tensor]]]) -> Appearance | None:
        found = []
        for kind in batches[0] if batches else ():
            shares = torch.cat([batch[kind][0] for batch in batches])
            amounts = torch.cat([batch[kind][1] for batch in batches])
            units = normalize(amounts, dim=1)
            common = units.mean(dim=0)
            agreement = float((amounts @ common > 0).double().mean())
            found.append((float(shares.mean()), agreement, kind, common.tolist(), len(shares)))
        clear = [
            one for one in found if one[0] >= CLEAR_SHARE and one[1] >= CLEAR_AGREEMENT and one[4] >= _FEWEST_CODES
        ]
        if not clear:
            return None
        share, agreement, kind, amount, _ = max(clear)
        return Appearance(_word(kind, amount), _region_name(self._region), share, agreement)


def _prepared(images: Tensor) -> Tensor:
    """Reduce images, and blur them, so that edges are wide where they move by some pixels."""
    shown = as_rgb(images).detach().clamp(-1, 1).cpu().float()
    height, width = shown.shape[2:]
    if max(height, width) > _SIDE:
        shown = adaptive_avg_pool2d(shown, (min(height, _SIDE), min(width, _SIDE)))
    half = min(shown.shape[2:]) // _BLUR
    for _ in range(2):
        shown = avg_pool2d(pad(shown, (half,) * 4, mode="replicate"), 2 * half + 1, stride=1)
    return shown


def _bases(images: Tensor, inside: Tensor) -> dict[str, Tensor]:
    """Return, for each kind, the changes (n, d, 3, h, w) that it may consist of, within the region.

    To first order, an image that moves by t changes by −∇I · t, and one that grows by the factor 1 + s around the
    middle of the region by −s ∇I · (x − x₀).
    """
    down, right = torch.gradient(images, dim=(2, 3))
    rows, columns = (
        torch.linspace(-1, 1, side, dtype=images.dtype).view(shape)
        for side, shape in zip(images.shape[2:], ((1, 1, -1, 1), (1, 1, 1, -1)), strict=True)
    )
    weight = inside.to(images) / inside.sum().clamp(min=1)
    rows, columns = rows - (weight * rows).sum(), columns - (weight * columns).sum()
    # the three colours, of which the common part is brightness: red, and green minus blue, are the plane of hues
    plane = torch.tensor([[2.0, -1, -1], [0, 3**0.5, -(3**0.5)]]).view(1, 2, 3, 1, 1)
    kinds = {
        "bright": torch.ones_like(images)[:, None],
        "hue": plane.expand(len(images), 2, 3, *images.shape[2:]),
        "move": torch.stack([-down, -right], dim=1),
        "size": -(down * rows * images.shape[2] + right * columns * images.shape[3])[:, None],
    }
    return {name: basis * inside[:, None] for name, basis in kinds.items()}


def _compared(change: Tensor, basis: Tensor) -> tuple[Tensor, Tensor]:
    """Fit changes (n, 3, h, w) by a basis (n, d, 3, h, w): the share of the squares that it explains, the amounts."""
    flat, axes = change.flatten(1).double(), basis.flatten(2).double()
    gram = axes @ axes.transpose(1, 2)
    ridge = 1e-9 * gram.diagonal(dim1=1, dim2=2).mean(dim=1).clamp(min=1e-30)
    gram = gram + ridge[:, None, None] * torch.eye(axes.shape[1], dtype=gram.dtype)
    product = torch.einsum("ndp,np->nd", axes, flat)
    amounts = torch.linalg.solve(gram, product)
    explained = (amounts * product).sum(dim=1)
    return explained / flat.square().sum(dim=1).clamp(min=1e-30), amounts


def _word(kind: str, amount: Sequence[float]) -> str:
    if kind == "bright":
        return "brighter" if amount[0] > 0 else "darker"
    if kind == "size":
        return "larger" if amount[0] > 0 else "smaller"
    if kind == "hue":
        turn = math.atan2(amount[1], amount[0]) / (2 * math.pi)
        return _HUES[round(turn * len(_HUES)) % len(_HUES)]
    down, right = amount
    if abs(down) > abs(right):
        return "moves down" if down > 0 else "moves up"
    return "moves right" if right > 0 else "moves left"


def _region_name(region: Region) -> str:
    return region.text if not region.whole and re.fullmatch(r"[A-Za-z_][\w-]*", region.text) else ""
