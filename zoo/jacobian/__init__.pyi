from .cache import JacobianCache as JacobianCache
from .columns import (
    default_chunk as default_chunk,
)
from .columns import (
    jacobian as jacobian,
)
from .gram import (
    Grams as Grams,
)
from .gram import (
    gram_matrices as gram_matrices,
)
from .gram import (
    is_large as is_large,
)
from .gram import (
    no_change as no_change,
)
from .gram import (
    require_change as require_change,
)
from .leading import (
    DEFAULT_RANK as DEFAULT_RANK,
)
from .leading import (
    leading_or_gram as leading_or_gram,
)
from .leading import (
    note_on_search as note_on_search,
)
from .leading import (
    require_searchable as require_searchable,
)
from .leading import (
    search_budget as search_budget,
)
from .leading import (
    search_chunk as search_chunk,
)
from .operator import RegionJacobian as RegionJacobian
from .options import OutputOptions as OutputOptions
from .outputs import (
    GREY as GREY,
)
from .outputs import (
    RGB as RGB,
)
from .outputs import (
    Output as Output,
)
from .timm_features import open_output as open_output

__all__: list[str]
