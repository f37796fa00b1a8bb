from .layer_names import (
    name_resolutions as name_resolutions,
)
from .layer_names import (
    name_row_pairs as name_row_pairs,
)
from .layer_names import (
    name_scales as name_scales,
)
from .local_layers import (
    BilinearUpsample as BilinearUpsample,
)
from .local_layers import (
    Convolution as Convolution,
)
from .local_layers import (
    Kernel as Kernel,
)
from .local_layers import (
    LocalLayer as LocalLayer,
)
from .local_layers import (
    NearestUpsample as NearestUpsample,
)
from .local_layers import (
    TransposedConvolution as TransposedConvolution,
)
from .placement import (
    in_parts as in_parts,
)
from .placement import (
    to_device as to_device,
)
from .progressive import Growth as Growth
from .residual_adapter import (
    ResidualAdapter as ResidualAdapter,
)
from .residual_adapter import (
    ResidualSettings as ResidualSettings,
)
from .residual_block import (
    Attention as Attention,
)
from .residual_block import (
    BlockSpec as BlockSpec,
)
from .residual_block import (
    ConditionalNorm as ConditionalNorm,
)
from .residual_block import (
    ResidualBlock as ResidualBlock,
)
from .residual_conversion import ResidualConverter as ResidualConverter
from .residual_network import (
    ResidualGenerator as ResidualGenerator,
)
from .residual_network import (
    untrained as untrained,
)
from .stored_names import store_as as store_as
from .style import (
    StyleAdapter as StyleAdapter,
)
from .style import (
    choose_noise as choose_noise,
)
from .style_conversion import StyleConverter as StyleConverter
from .style_network import (
    LR_MLP as LR_MLP,
)
from .style_network import (
    MappingNetwork as MappingNetwork,
)
from .style_network import (
    ModulatedNetwork as ModulatedNetwork,
)
from .style_network import (
    StyleNetwork as StyleNetwork,
)
from .style_network import (
    StyleSettings as StyleSettings,
)
from .style_network import (
    mapping_from_state as mapping_from_state,
)
from .style_network import (
    pixel_norm as pixel_norm,
)
from .window import (
    Patch as Patch,
)
from .window import (
    Window as Window,
)

__all__: list[str]
