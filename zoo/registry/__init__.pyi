from .card_files import read_cards as read_cards
from .cards import (
    Card as Card,
)
from .cards import (
    Licence as Licence,
)
from .cards import (
    Weights as Weights,
)
from .registry import (
    Installation as Installation,
)
from .registry import (
    Registry as Registry,
)
from .registry import (
    load_installation as load_installation,
)
from .sources import (
    Source as Source,
)

__all__: list[str]
