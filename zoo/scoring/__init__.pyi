from .choosing import (
    ScorerChoice as ScorerChoice,
)
from .choosing import (
    choose_scorers as choose_scorers,
)
from .effects import (
    Attribute as Attribute,
)
from .effects import (
    Effect as Effect,
)
from .effects import (
    read_attributes as read_attributes,
)
from .scores import (
    DirectionScores as DirectionScores,
)
from .scores import (
    Scores as Scores,
)

__all__: list[str]
