from ._version import (
    CONTRACT as CONTRACT,
)
from ._version import (
    __version__ as __version__,
)
from .analysis.comparison import Comparison as Comparison
from .api import (
    analyze as analyze,
)
from .api import (
    compare as compare,
)
from .api import (
    edit as edit,
)
from .api import (
    find as find,
)
from .api import (
    load as load,
)
from .api import (
    project as project,
)
from .api import (
    sample as sample,
)
from .api import (
    score as score,
)
from .core.adapter import (
    Adapter as Adapter,
)
from .core.adapter import (
    Layout as Layout,
)
from .core.adapter import (
    Projection as Projection,
)
from .core.adapter import (
    State as State,
)
from .core.analyzer import (
    Analyzer as Analyzer,
)
from .core.analyzer import (
    Probe as Probe,
)
from .core.analyzer import (
    Scorer as Scorer,
)
from .core.codes import (
    Codes as Codes,
)
from .core.codes import (
    LatentSpace as LatentSpace,
)
from .core.directions import Directions as Directions
from .core.moves import Move as Move
from .core.options import Options as Options
from .core.projector import (
    Pictures as Pictures,
)
from .core.projector import (
    Projector as Projector,
)
from .core.region import Region as Region
from .editing.edited import Edit as Edit
from .editing.samples import Samples as Samples
from .errors import (
    CapabilityError as CapabilityError,
)
from .errors import (
    CardError as CardError,
)
from .errors import (
    CheckpointError as CheckpointError,
)
from .errors import (
    CodesError as CodesError,
)
from .errors import (
    ContractError as ContractError,
)
from .errors import (
    DirectionsError as DirectionsError,
)
from .errors import (
    LayersError as LayersError,
)
from .errors import (
    OptionError as OptionError,
)
from .errors import (
    OutputError as OutputError,
)
from .errors import (
    PluginError as PluginError,
)
from .errors import (
    RegionError as RegionError,
)
from .errors import (
    SweepError as SweepError,
)
from .errors import (
    UnknownNameError as UnknownNameError,
)
from .errors import (
    WeightsError as WeightsError,
)
from .errors import (
    ZooError as ZooError,
)
from .errors import (
    unknown_name as unknown_name,
)
from .inversion.result import Inversion as Inversion
from .models.model import Model as Model
from .plugins.entries import (
    AdapterPlugin as AdapterPlugin,
)
from .plugins.entries import (
    AnalyzerPlugin as AnalyzerPlugin,
)
from .plugins.entries import (
    ProjectorPlugin as ProjectorPlugin,
)
from .plugins.entries import (
    ScorerPlugin as ScorerPlugin,
)
from .plugins.hookspecs import hookimpl as hookimpl
from .registry.listing import models as models
from .scoring.scores import Scores as Scores
from .studio.start import studio as studio

__all__: list[str]
