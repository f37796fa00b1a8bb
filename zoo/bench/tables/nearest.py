"""SeFa's first table: how far supervised directions are from the nearest ones that were found."""

from __future__ import annotations

from zoo.bench.pictures import Measured
from zoo.bench.tables.columns import Column, Figures, TableKind
from zoo.bench.trial import Trial
from zoo.linalg.subspaces import find_nearest


def _measure(trial: Trial, measured: Measured) -> Figures:
    """Find the nearest direction for each supervised one."""
    supervised, vectors = trial.supervised, measured.directions.vectors
    if supervised is None or not len(vectors):
        return {}
    rows = vectors if vectors.ndim == 2 else vectors.mean(dim=1)
    nearest = find_nearest(supervised.vectors, rows)
    names = supervised.attributes or ()
    return {
        "distance": float(nearest.distances.mean()),
        "smallest": float(nearest.distances.min()),
        **{f"of:{name}": distance for name, distance in zip(names, nearest.distances.tolist(), strict=True)},
        **{f"index:{name}": float(index) for name, index in zip(names, nearest.indices.tolist(), strict=True)},
    }


TABLE = TableKind(
    name="nearest",
    title="Distance to supervised directions",
    question="Is a supervised direction among the found ones? After table 1 of SeFa (Shen & Zhou, CVPR 2021): the "
    "cosine distance of each supervised direction to the nearest found one, 0 for the same and 1 for a right angle.",
    columns=(
        Column("distance", "mean", "the mean over the factors"),
        Column("smallest", "smallest", "the distance of the factor that is found best"),
    ),
    measure=_measure,
    by_attribute="of:",
)
