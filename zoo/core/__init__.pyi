from .adapter import (
    Adapter as Adapter,
)
from .adapter import (
    Layout as Layout,
)
from .adapter import (
    Projection as Projection,
)
from .adapter import (
    State as State,
)
from .analyzer import (
    Analyzer as Analyzer,
)
from .analyzer import (
    Probe as Probe,
)
from .analyzer import (
    Scorer as Scorer,
)
from .analyzer import (
    attribute_columns as attribute_columns,
)
from .analyzer import (
    named_attributes as named_attributes,
)
from .channels import (
    CHANNELS as CHANNELS,
)
from .channels import (
    as_rgb as as_rgb,
)
from .class_names import imagenet_names as imagenet_names
from .codes import (
    Codes as Codes,
)
from .codes import (
    LatentSpace as LatentSpace,
)
from .common_regions import COMMON_REGIONS as COMMON_REGIONS
from .compute import (
    ComputeBudget as ComputeBudget,
)
from .compute import (
    Progress as Progress,
)
from .compute import (
    silent as silent,
)
from .directions import Directions as Directions
from .files.arrays import ReadingWarning as ReadingWarning
from .files.codes import (
    load_codes as load_codes,
)
from .files.codes import (
    save_codes as save_codes,
)
from .layers import (
    LayerNames as LayerNames,
)
from .layers import (
    parse_layers as parse_layers,
)
from .moves import Move as Move
from .options import (
    ClassNames as ClassNames,
)
from .options import (
    Names as Names,
)
from .options import (
    Options as Options,
)
from .options import (
    PositiveOrNone as PositiveOrNone,
)
from .options import (
    Settings as Settings,
)
from .options import (
    name_classes as name_classes,
)
from .options import (
    parse_options as parse_options,
)
from .projector import (
    Pictures as Pictures,
)
from .projector import (
    Projector as Projector,
)
from .region import (
    Region as Region,
)
from .region import (
    parse_region as parse_region,
)
from .sampling import (
    derived_generator as derived_generator,
)
from .sampling import (
    draw_labels as draw_labels,
)
from .sampling import (
    draw_normal as draw_normal,
)
from .sampling import (
    truncated as truncated,
)
from .truncation import MOST_TRUNCATION as MOST_TRUNCATION

__all__: list[str]
