from .discovery import load_plugins as load_plugins
from .entries import (
    CAPABILITIES as CAPABILITIES,
)
from .entries import (
    AdapterPlugin as AdapterPlugin,
)
from .entries import (
    AnalyzerPlugin as AnalyzerPlugin,
)
from .entries import (
    ProjectorPlugin as ProjectorPlugin,
)
from .entries import (
    ScorerPlugin as ScorerPlugin,
)
from .hookspecs import hookimpl as hookimpl
from .manager import (
    HOOKS as HOOKS,
)
from .manager import (
    PluginInfo as PluginInfo,
)
from .manager import (
    Plugins as Plugins,
)
from .scaffold import new_package as new_package
from .skipped import PluginWarning as PluginWarning

__all__: list[str]
