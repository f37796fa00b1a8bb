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
from .words import (
    Opposites as Opposites,
)
from .words import (
    is_list_name as is_list_name,
)
from .words import (
    parse_lines as parse_lines,
)
from .words import (
    parse_opposites as parse_opposites,
)
from .words import (
    read_words as read_words,
)

__all__: list[str]
