from .progressive import Growth as Growth
from .residual_adapter import ResidualAdapter as ResidualAdapter
from .residual_conversion import ResidualConverter as ResidualConverter
from .residual_network import (
    Attention as Attention,
)
from .residual_network import (
    BlockSpec as BlockSpec,
)
from .residual_network import (
    ConditionalNorm as ConditionalNorm,
)
from .residual_network import (
    ResidualBlock as ResidualBlock,
)
from .residual_network import (
    ResidualGenerator as ResidualGenerator,
)
from .residual_network import (
    untrained as untrained,
)
from .style import (
    MappingNetwork as MappingNetwork,
)
from .style import (
    StyleAdapter as StyleAdapter,
)
from .style import (
    StyleNetwork as StyleNetwork,
)
from .style import (
    choose_noise as choose_noise,
)
from .style import (
    mapping_from_state as mapping_from_state,
)
from .style import (
    pixel_norm as pixel_norm,
)
from .window import (
    BilinearUpsample as BilinearUpsample,
)
from .window import (
    Convolution as Convolution,
)
from .window import (
    Kernel as Kernel,
)
from .window import (
    LocalLayer as LocalLayer,
)
from .window import (
    NearestUpsample as NearestUpsample,
)
from .window import (
    Patch as Patch,
)
from .window import (
    TransposedConvolution as TransposedConvolution,
)
from .window import (
    Window as Window,
)

__all__: list[str]
