from .davidson import block_davidson as block_davidson
from .krylov import (
    PartialEigen as PartialEigen,
)
from .krylov import (
    block_krylov_eigsh as block_krylov_eigsh,
)
from .low_rank import (
    LowRank as LowRank,
)
from .low_rank import (
    factorize as factorize,
)
from .robust_pca import (
    PUBLISHED_LAMBDA as PUBLISHED_LAMBDA,
)
from .robust_pca import (
    Decomposition as Decomposition,
)
from .robust_pca import (
    OptimalDecomposition as OptimalDecomposition,
)
from .robust_pca import (
    default_lambda as default_lambda,
)
from .robust_pca import (
    rpca as rpca,
)
from .robust_pca import (
    rpca_lowrankgan_admm as rpca_lowrankgan_admm,
)
from .subspaces import (
    Nearest as Nearest,
)
from .subspaces import (
    find_nearest as find_nearest,
)
from .subspaces import (
    span_basis as span_basis,
)
from .symmetric import (
    eigenvectors as eigenvectors,
)
from .symmetric import (
    fix_signs as fix_signs,
)
from .symmetric import (
    generalized_eigh as generalized_eigh,
)
from .symmetric import (
    numerical_rank as numerical_rank,
)
from .symmetric import (
    principal_angles as principal_angles,
)
from .symmetric import (
    project_out as project_out,
)
from .symmetric import (
    quadratic as quadratic,
)
from .symmetric import (
    rank_for_energy as rank_for_energy,
)
from .symmetric import (
    unit_rows as unit_rows,
)
from .symmetric import (
    unit_trace as unit_trace,
)

__all__: list[str]
