from .images import (
    to_picture as to_picture,
)
from .images import (
    to_pixels as to_pixels,
)

__all__: list[str]
