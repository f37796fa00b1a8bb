from .changes import consistency as consistency
from .edited import Edit as Edit
from .locality import (
    Locality as Locality,
)
from .locality import (
    measure_locality as measure_locality,
)
from .render import render_pixels as render_pixels
from .samples import Samples as Samples
from .steps import visible_steps as visible_steps

__all__: list[str]
