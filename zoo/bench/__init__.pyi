from .request import BenchRequest as BenchRequest
from .result import Bench as Bench

__all__: list[str]
