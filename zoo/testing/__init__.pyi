from .assertions import (
    draw as draw,
)
from .assertions import (
    leaves_no_trace as leaves_no_trace,
)
from .assertions import (
    render as render,
)
from .assertions import (
    require as require,
)
from .assertions import (
    require_close as require_close,
)
from .network_checks import (
    check_derivatives as check_derivatives,
)
from .network_checks import (
    in_float64 as in_float64,
)
from .network_checks import (
    layer_choices as layer_choices,
)
from .suite import check_adapter as check_adapter

__all__: list[str]
