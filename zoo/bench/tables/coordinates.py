"""Table 3: are the found coordinates of a code those of the factors? MIG, DCI and SAP."""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor

from zoo.bench.pictures import Measured
from zoo.bench.tables.columns import NAN, Column, Figures, TableKind
from zoo.bench.trial import Readings, Trial
from zoo.core.directions import Directions
from zoo.linalg.subspaces import span_basis
from zoo.scoring.dci import measure_dci

# A coordinate and a score are cut into so many bins of equal counts.
_BINS = 20


def _measure(trial: Trial, measured: Measured) -> Figures:
    """Compute the three measures of the coordinates of many codes."""
    readings = trial.readings
    if readings is None or len(measured.directions) < 2:
        return {}
    read = [_values(readings, index) for index in range(len(readings.attributes))]
    factors = [values for values in read if values.min() != values.max()]
    if not factors:
        return {}
    coordinates = coordinates_along(measured.directions, readings.latents)
    bins = torch.stack([_cut(column) for column in coordinates.T], dim=1)
    dci = measure_dci(torch.stack([_importances(coordinates, values) for values in factors], dim=1))
    return {
        "mig": _mean([_information_gap(bins, values) for values in factors]),
        "sap": _mean([_predictability_gap(bins, values) for values in factors]),
        "disentanglement": NAN if dci.disentanglement is None else dci.disentanglement,
        "completeness": NAN if dci.completeness is None else dci.completeness,
    }


def coordinates_along(directions: Directions, latents: Tensor) -> Tensor:
    """Compute the coordinates (n, k) of codes (n, dim) in the basis of directions.

    They are those of the code's projection onto the span, so that moving a code along one direction changes its own
    coordinate only, even where directions are not orthogonal.
    """
    rows = directions.vectors if directions.vectors.ndim == 2 else directions.vectors.mean(dim=1)
    if len(span_basis(rows)) < len(rows):  # dependent directions have no coordinates of their own
        return latents @ rows.T
    return latents @ cast(Tensor, torch.linalg.pinv(rows))


def _values(readings: Readings, index: int) -> Tensor:
    """Return the factor of each code as an index (n,): its predicted value, or the bin of its score."""
    attribute = readings.attributes[index]
    return attribute.predicted(readings.scores) if attribute.values else _cut(readings.scores[:, attribute.columns[0]])


def _cut(numbers: Tensor) -> Tensor:
    """Cut numbers (n,) into bins of equal counts."""
    if bool((numbers == numbers[0]).all()):
        return torch.zeros(len(numbers), dtype=torch.int64)
    ranks = numbers.argsort().argsort()
    return ranks * _BINS // len(numbers)


def _counts(bins: Tensor, values: Tensor) -> Tensor:
    """Count pairs of a bin and a value (bins, values)."""
    size = int(values.max()) + 1
    return torch.bincount(bins * size + values, minlength=_BINS * size).reshape(_BINS, size).to(torch.float64)


def _information_gap(bins: Tensor, values: Tensor) -> float:
    """MIG (Chen et al., NeurIPS 2018): the gap of the two largest mutual informations, over the factor's entropy."""
    informations = []
    for column in bins.T:
        joint = _counts(column, values) / len(values)
        independent = joint.sum(dim=1, keepdim=True) * joint.sum(dim=0, keepdim=True)
        informations.append(float((torch.special.xlogy(joint, joint) - torch.special.xlogy(joint, independent)).sum()))
    shares = torch.bincount(values).to(torch.float64) / len(values)
    first, second = sorted(informations, reverse=True)[:2]
    return (first - second) / float(torch.special.entr(shares).sum())


def _predictability_gap(bins: Tensor, values: Tensor) -> float:
    """SAP (Kumar et al., ICLR 2018): the gap of the two best predictions of the factor from one coordinate.

    A prediction is the most common value of a bin among half of the codes, judged on the other half.
    """
    half = len(values) // 2
    accuracies = []
    for column in bins.T:
        predicted = _counts(column[:half], values[:half]).argmax(dim=1)
        accuracies.append(float((predicted[column[half:]] == values[half:]).to(torch.float64).mean()))
    first, second = sorted(accuracies, reverse=True)[:2]
    return first - second


def _importances(coordinates: Tensor, values: Tensor) -> Tensor:
    """Return how much each coordinate counts (k,) in a linear prediction of a factor: ridge, on equal scales."""
    scaled = (coordinates - coordinates.mean(dim=0)) / coordinates.std(dim=0).clamp(min=1e-12)
    targets = torch.nn.functional.one_hot(values).to(torch.float64)
    targets = targets - targets.mean(dim=0)
    gram = scaled.T @ scaled / len(scaled) + 1e-2 * torch.eye(scaled.shape[1]).to(scaled)
    weights: Tensor = torch.linalg.solve(gram, scaled.T @ targets / len(scaled))
    sizes: Tensor = weights.norm(dim=1)
    return sizes


def _mean(numbers: list[float]) -> float:
    numbers = [number for number in numbers if not math.isnan(number)]
    return sum(numbers) / len(numbers) if numbers else NAN


TABLE = TableKind(
    name="coordinates",
    title="Coordinates",
    question="Does one coordinate of a code tell one factor? As in DisCo (Ren et al., ICLR 2022): coordinates along "
    "the found directions, of many drawn codes, against the factors that scorers read. MIG is the gap of mutual "
    "information (20 bins), SAP that of predictions from one coordinate (by bins), DCI is of the weights of a linear "
    "prediction.",
    columns=(
        Column("mig", "MIG", "the gap of the two coordinates that share most information with a factor, 0 to 1"),
        Column("disentanglement", "DCI D", "1 where each coordinate counts for a single factor"),
        Column("completeness", "DCI C", "1 where a single coordinate counts for each factor"),
        Column("sap", "SAP", "the gap in accuracy of the two coordinates that predict a factor best"),
    ),
    measure=_measure,
)
