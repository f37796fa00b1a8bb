from .compare_request import CompareRequest as CompareRequest
from .comparison import Comparison as Comparison
from .request import AnalysisRequest as AnalysisRequest
from .run import (
    Run as Run,
)
from .run import (
    run_analysis as run_analysis,
)

__all__: list[str]
