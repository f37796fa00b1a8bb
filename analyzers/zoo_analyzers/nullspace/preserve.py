"""What scored attributes respond to, as a matrix beside that of the pixels outside of the region."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from zoo import Adapter, CapabilityError, ContractError, Probe, Region, Scorer
from zoo.core import attribute_columns, named_attributes, parse_region
from zoo.jacobian import Output, RegionJacobian

# Scores whose gradients are computed in one pass, unless another chunk is chosen.
_CHUNK = 8

_NO_SCORER = "preserve= needs a scorer, and none that is installed fits this model"


class Scores(Output):
    """The scores of an image, as an output that can be differentiated."""

    def __init__(self, name: str, scorer: Scorer, size: tuple[int, int]) -> None:
        self.name = f"scores of {name}"
        self.scorer, self.size = scorer, size

    def rows(self, region: Region) -> int:
        """Return the number of scores.

        Args:
            region: the whole image.
        """
        return len(self.scorer.attributes)

    def __call__(self, pixels: Tensor, region: Region) -> Tensor:
        """Score images.

        Args:
            pixels: all pixels of the images, (n, 3, h w). They are not clamped, which would take the gradients of
                white and of black pixels away.
            region: the whole image.

        Returns:
            The scores, (n, attributes).
        """
        scores = self.scorer.score(pixels.reshape(len(pixels), 3, *self.size))
        if pixels.requires_grad and not scores.requires_grad:
            raise CapabilityError(f"the {self.name} have no gradients, which preserve= needs: it computes them apart")
        return scores.to(pixels.device, pixels.dtype)


def attribute_gram(
    adapter: Adapter, probe: Probe, names: Sequence[str], scorer: str | None, chunk: int | None
) -> Tensor:
    """Compute how much each direction changes some attributes, to first order.

    Scores have no common unit, and their gradients are long where a picture is between two values. So the gradients of
    all values of an attribute are scaled, at each code, to a sum of squares of 1: M_A = mean of Σ g gᵀ over codes and
    attributes, and the attributes count alike at every code.

    Args:
        adapter: the generator.
        probe: the codes, the layers, and the scorers that fit the model.
        names: the attributes; ``not:NAME`` in front leaves one out of all.
        scorer: the name of the scorer; None where only one fits.
        chunk: how many gradients are computed at a time; None is the usual number.

    Returns:
        M_A (dim, dim) in float64, of trace 1; 0 where no attribute changes.

    Raises:
        CapabilityError: no scorer fits the model, several do, or it gives no gradients.
        UnknownNameError: there is no such scorer or attribute.
        ContractError: the gradients are not finite.
    """
    name, chosen = probe.choose_scorer(scorer, _NO_SCORER)
    columns = _columns(names, chosen.attributes)
    output = Scores(name, chosen, adapter.resolution)
    whole = parse_region("all", adapter.resolution)
    total = torch.zeros(adapter.space.dim, adapter.space.dim, dtype=torch.float64)
    unit = torch.eye(len(chosen.attributes))
    what = f"differentiating the {output.name}"
    for index in range(len(probe.codes)):
        probe.progress(index, len(probe.codes), what)
        code = probe.codes[index : index + 1]
        jacobian = RegionJacobian(adapter, code, whole, layers=probe.layers, output=output)
        for rows in columns.values():
            parts = unit[rows].split(chunk or _CHUNK)
            gradients = torch.cat([jacobian.vjp(part).cpu().double() for part in parts])
            if not bool(torch.isfinite(gradients).all()):
                raise ContractError(f"the gradients of the {output.name} are not finite")
            length = gradients.square().sum()
            total += gradients.T @ gradients / length if float(length) > 0 else 0
    probe.progress(len(probe.codes), len(probe.codes), what)
    return total / total.trace() if bool(total.any()) else total


def preserved_names(names: Sequence[str], probe: Probe, scorer: str | None) -> list[str]:
    """List the attributes that names stand for; see `attribute_gram`."""
    return list(_columns(names, probe.choose_scorer(scorer, _NO_SCORER)[1].attributes))


def _columns(names: Sequence[str], columns: Sequence[str]) -> dict[str, list[int]]:
    """Find the columns of each attribute that is named, or of all others."""
    known = attribute_columns(columns)
    return {name: known[name] for name in named_attributes(names, known)}
