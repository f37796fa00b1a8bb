"""GANalyze (Goetschalckx et al., ICCV 2019, arXiv 1906.10112), for one attribute of several."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch

from zoo import Adapter, Analyzer, Directions, Probe
from zoo.core import Progress
from zoo_analyzers.ganalyze.attributes import Attribute, choose_attribute, kept_names, read_attributes
from zoo_analyzers.ganalyze.options import GANalyzeOptions
from zoo_analyzers.ganalyze.search import Learned, Search

_NO_SCORER = "ganalyze needs a scorer, and none that is installed fits this model"


class GANalyze(Analyzer[GANalyzeOptions]):
    """Learn for each attribute the direction that changes it, and as little as possible of the others.

    The images at both ends of a direction n, x± = G(c ± s n), are shown to the scorer, and the gradient of a cost
    through scorer and generator changes n: it costs where the attribute does not differ between the ends, where a kept
    attribute is not as in G(c), and what changes outside of the region. The step s is the one at which the region
    changes visibly. So attributes are kept at both ends of that step, and not only to first order.
    """

    def analyze(self, adapter: Adapter, probe: Probe) -> Directions:
        """Learn the directions.

        Args:
            adapter: the network.
            probe: the codes, the region, the rows, and the scorers that fit the model.

        Returns:
            A direction for each attribute. Its score is how much it changes that, from 0 to 1, minus the most that it
            changes of any kept one.

        Raises:
            CapabilityError: no scorer fits the model, several do, or it gives no gradients.
            UnknownNameError: there is no such scorer or attribute.
            ContractError: the scores are not finite.
        """
        options = self.options
        name, scorer = probe.choose_scorer(options.scorer, _NO_SCORER)
        search = Search(adapter, probe, scorer, options)
        known = read_attributes(scorer.attributes, search.unedited)
        wanted = [choose_attribute(one, scorer.attributes, known) for one in options.attributes or known]
        kept = kept_names(options.preserve, known)
        found = self._learn(search, wanted, [known[one] for one in kept])
        order = sorted(range(len(found)), key=lambda index: -found[index].score)
        return Directions(
            adapter.space,
            torch.stack([found[index].vector for index in order]),
            torch.tensor([found[index].score for index in order], dtype=torch.float64),
            probe.layers if adapter.space.layers > 1 else None,
            provenance={"scored_by": name, "preserved": kept, "learned_at": [found[index].step for index in order]},
            attributes=tuple(wanted[index].name for index in order),
        )

    def _learn(self, search: Search, wanted: Sequence[Attribute], kept: Sequence[Attribute]) -> list[Learned]:
        """Learn one direction after the other; an attribute is not kept where it is to change."""
        steps, total = self.options.steps, len(wanted) * self.options.steps
        found = []
        for number, one in enumerate(wanted):
            others = [other for other in kept if other.columns != one.columns]
            report = partial(_report, search.probe.progress, number * steps, total)
            found.append(search.learn(one, others, report))
        _report(search.probe.progress, total, total, 0)
        return found


def _report(progress: Progress, before: int, total: int, step: int) -> None:
    progress(before + step, total, "learning directions")
