from .fit import Fit as Fit
from .result import Inversion as Inversion

__all__: list[str]
