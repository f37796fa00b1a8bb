from .edit import Edit as Edit
from .locality import (
    Locality as Locality,
)
from .locality import (
    consistency as consistency,
)
from .locality import (
    measure_locality as measure_locality,
)
from .locality import (
    visible_steps as visible_steps,
)
from .render import render_pixels as render_pixels

__all__: list[str]
