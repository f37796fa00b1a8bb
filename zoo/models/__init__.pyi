from .model import Model as Model
from .opening import (
    open_card as open_card,
)
from .opening import (
    open_model as open_model,
)

__all__: list[str]
