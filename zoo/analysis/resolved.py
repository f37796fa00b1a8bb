"""A request resolved: what an analysis is carried out from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import torch

from zoo._utils.progress import Progress
from zoo.core.analyzer import Analyzer, Probe, Scorer
from zoo.core.codes import Codes
from zoo.core.compute import ComputeBudget
from zoo.core.region import Region
from zoo.editing.fit import check_home
from zoo.editing.measured import draw_unseen
from zoo.models.model import Model
from zoo.plugins.entries import AnalyzerPlugin

if TYPE_CHECKING:
    from zoo.analysis.request import AnalysisRequest


@dataclass(frozen=True, kw_only=True, eq=False)
class ResolvedRequest:
    """A request on an open model, every word of it read: what an analysis is carried out from.

    Attributes:
        request: The request.
        model: The model.
        plugin: The entry of the analyzer.
        analyzer: The analyzer, built from its options.
        region: The region of the model's images.
        layers: The rows of the code that directions move; None is all.
        codes: The codes to analyse.
        generator: What the codes were drawn with, for an analyzer that draws more.
        scorers: The installed scorers that fit the model, by name.
        budget: The memory and the cache of derivatives.
    """

    request: AnalysisRequest
    model: Model
    plugin: AnalyzerPlugin
    analyzer: Analyzer[Any]
    region: Region
    layers: tuple[int, ...] | None
    codes: Codes
    generator: torch.Generator
    scorers: Mapping[str, Scorer]
    budget: ComputeBudget

    def probe(self, progress: Progress) -> Probe:
        """Return what the analyzer is asked.

        Args:
            progress: Called while it works.

        Returns:
            The codes, the region and everything else that an analyzer may use.
        """
        return Probe(
            self.codes,
            self.region,
            self.layers,
            self.generator,
            progress,
            self.budget,
            self.scorers,
            partial(check_home, self.model),
        )

    def draw_unseen(self, count: int) -> Codes:
        """Draw codes of the same classes and truncation as `codes`, which are none of them.

        Args:
            count: How many codes to draw; the first ones do not depend on it.

        Returns:
            The codes, on the model's device and in its type.
        """
        labels = None if self.codes.labels is None else self.codes.labels.tolist()
        return draw_unseen(self.model.adapter, count, self.request.codes.seed_or_zero, labels, self.codes.truncation)
