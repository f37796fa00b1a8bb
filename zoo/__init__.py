"""zoo: find meaning in GANs.

``zoo.load`` opens a model, ``zoo.analyze`` finds directions in its latent space, ``zoo.edit`` moves codes along them,
``zoo.compare`` holds two sets of them against each other, ``zoo.score`` says which attributes they change.
Everything heavy, torch above all, is imported on first use, so that ``import zoo`` is quick.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from zoo.entries import AdapterPlugin, AnalyzerPlugin, ScorerPlugin
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
from zoo.hookspecs import hookimpl
from zoo.version import CONTRACT, __version__

if TYPE_CHECKING:
    from zoo.adapter import Adapter, Layout, Projection, State
    from zoo.analyzer import Analyzer, Probe, Scorer
    from zoo.api import analyze, compare, edit, load, score
    from zoo.codes import Codes, LatentSpace
    from zoo.comparison import Comparison
    from zoo.directions import Directions, Move
    from zoo.editing import Edit
    from zoo.model import Model
    from zoo.options import Options
    from zoo.region import Region
    from zoo.scores import Scores

_LATE = {
    "Adapter": "zoo.adapter",
    "Analyzer": "zoo.analyzer",
    "Codes": "zoo.codes",
    "Comparison": "zoo.comparison",
    "Directions": "zoo.directions",
    "Edit": "zoo.editing",
    "LatentSpace": "zoo.codes",
    "Layout": "zoo.adapter",
    "Model": "zoo.model",
    "Move": "zoo.directions",
    "Options": "zoo.options",
    "Probe": "zoo.analyzer",
    "Projection": "zoo.adapter",
    "Region": "zoo.region",
    "Scorer": "zoo.analyzer",
    "Scores": "zoo.scores",
    "State": "zoo.checkpoint",
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
