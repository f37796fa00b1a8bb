"""zoo: find meaning in GANs.

``zoo.load`` opens a model, ``zoo.analyze`` finds directions in its latent space, ``zoo.edit`` moves codes along them,
``zoo.compare`` holds two sets of them against each other, ``zoo.score`` says which attributes they change.
Everything heavy, torch above all, is imported on first use, so that ``import zoo`` is quick.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from zoo._version import CONTRACT, __version__
from zoo.errors import (
    CapabilityError,
    CardError,
    CheckpointError,
    CodesError,
    ContractError,
    DirectionsError,
    LayersError,
    OptionError,
    OutputError,
    PluginError,
    RegionError,
    UnknownNameError,
    WeightsError,
    ZooError,
    unknown_name,
)
from zoo.plugins.entries import AdapterPlugin, AnalyzerPlugin, ScorerPlugin
from zoo.plugins.hookspecs import hookimpl

if TYPE_CHECKING:
    from zoo.analysis.compare import Comparison
    from zoo.api import analyze, compare, edit, load, score
    from zoo.core.adapter import Adapter, Layout, Projection, State
    from zoo.core.analyzer import Analyzer, Probe, Scorer
    from zoo.core.codes import Codes, LatentSpace
    from zoo.core.directions import Directions, Move
    from zoo.core.options import Options
    from zoo.core.region import Region
    from zoo.editing.edit import Edit
    from zoo.models.model import Model
    from zoo.scoring.scores import Scores

_LATE = {
    "Adapter": "zoo.core.adapter",
    "Analyzer": "zoo.core.analyzer",
    "Codes": "zoo.core.codes",
    "Comparison": "zoo.analysis.compare",
    "Directions": "zoo.core.directions",
    "Edit": "zoo.editing.edit",
    "LatentSpace": "zoo.core.codes",
    "Layout": "zoo.core.adapter",
    "Model": "zoo.models.model",
    "Move": "zoo.core.directions",
    "Options": "zoo.core.options",
    "Probe": "zoo.core.analyzer",
    "Projection": "zoo.core.adapter",
    "Region": "zoo.core.region",
    "Scorer": "zoo.core.analyzer",
    "Scores": "zoo.scoring.scores",
    "State": "zoo.core.adapter",
    "analyze": "zoo.api",
    "compare": "zoo.api",
    "edit": "zoo.api",
    "load": "zoo.api",
    "score": "zoo.api",
}

__all__ = [
    "CONTRACT",
    "Adapter",
    "AdapterPlugin",
    "Analyzer",
    "AnalyzerPlugin",
    "CapabilityError",
    "CardError",
    "CheckpointError",
    "Codes",
    "CodesError",
    "Comparison",
    "ContractError",
    "Directions",
    "DirectionsError",
    "Edit",
    "LatentSpace",
    "LayersError",
    "Layout",
    "Model",
    "Move",
    "OptionError",
    "Options",
    "OutputError",
    "PluginError",
    "Probe",
    "Projection",
    "Region",
    "RegionError",
    "Scorer",
    "ScorerPlugin",
    "Scores",
    "State",
    "UnknownNameError",
    "WeightsError",
    "ZooError",
    "__version__",
    "analyze",
    "compare",
    "edit",
    "hookimpl",
    "load",
    "score",
    "unknown_name",
]


def __dir__() -> list[str]:
    """List the late names too."""
    return sorted(set(globals()) | set(_LATE))


def __getattr__(name: str) -> Any:
    """Import what is heavy when it is first asked for."""
    if name not in _LATE:
        raise AttributeError(f"module 'zoo' has no attribute {name!r}")
    value = getattr(import_module(_LATE[name]), name)
    globals()[name] = value
    return value
