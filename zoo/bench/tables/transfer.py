"""Table 4: what carries over from the codes that were analysed to unseen ones."""

from __future__ import annotations

from statistics import median

from zoo.bench.pictures import Measured
from zoo.bench.tables.columns import NAN, Column, Figures, TableKind
from zoo.bench.trial import Trial
from zoo.editing.changes import Changes


def _measure(trial: Trial, measured: Measured) -> Figures:
    """Compare analysed codes and unseen ones at the same steps."""
    own, unseen = _median_locality(measured.own), _median_locality(measured.visible)
    steady = measured.visible.consistency
    found = {
        "own": own,
        "unseen": unseen,
        "kept": unseen / own if own > 0 else NAN,
        "consistency": NAN if steady is None else float(steady.mean()),
    }
    if measured.scores is not None:
        named = [max(row.effects, key=lambda effect: effect.strength) for row in measured.scores.directions]
        found["agreement"] = sum(effect.agreement for effect in named) / len(named)
    return found


def _median_locality(changes: Changes) -> float:
    """Return the median of the localities of all directions."""
    values = [one.value for one in changes.part_localities or changes.localities]
    return median(values) if values else NAN


TABLE = TableKind(
    name="transfer",
    title="Transfer to unseen codes",
    question="Does what was found at some codes hold at others? As LOCO Edit (Chen et al., NeurIPS 2024) asks of local "
    "directions; here at the same steps.",
    columns=(
        Column("own", "locality, own", "the median locality of directions at the codes that were analysed", ratio=True),
        Column("unseen", "locality, unseen", "the same at unseen codes", ratio=True),
        Column("kept", "kept", "the second over the first", ratio=True),
        Column("consistency", "consistency", "how alike a direction's changes at unseen codes are, the mean cosine"),
        Column("agreement", "agreement", "the share of unseen codes at which the strongest effect goes the same way"),
    ),
    measure=_measure,
)
