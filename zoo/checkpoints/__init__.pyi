from .conversion import (
    StateDictConverter as StateDictConverter,
)
from .conversion import (
    check_filter as check_filter,
)
from .conversion import (
    fold_upsample_into_conv as fold_upsample_into_conv,
)
from .keys import (
    collect_settings as collect_settings,
)
from .keys import (
    count_keys as count_keys,
)
from .keys import (
    count_numbered as count_numbered,
)
from .keys import (
    hammer_settings as hammer_settings,
)
from .keys import (
    rename_modules as rename_modules,
)
from .keys import (
    require_settings as require_settings,
)
from .keys import (
    tensorflow_settings as tensorflow_settings,
)
from .layouts import (
    DetectedCheckpoint as DetectedCheckpoint,
)
from .layouts import (
    detect_checkpoint as detect_checkpoint,
)
from .layouts import (
    detect_network as detect_network,
)
from .loading import (
    build_module as build_module,
)
from .loading import (
    fill_module as fill_module,
)
from .loading import (
    require_fit as require_fit,
)
from .metadata import (
    ConversionMetadata as ConversionMetadata,
)
from .metadata import (
    read_metadata as read_metadata,
)
from .modules import (
    is_whole as is_whole,
)
from .modules import (
    require_modules as require_modules,
)
from .reader import (
    Checkpoint as Checkpoint,
)
from .reader import (
    read_checkpoint as read_checkpoint,
)

__all__: list[str]
