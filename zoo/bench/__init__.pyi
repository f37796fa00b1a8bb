from .intervals import Figure as Figure
from .request import BenchRequest as BenchRequest
from .result import Bench as Bench
from .run import bench as bench

__all__: list[str]
