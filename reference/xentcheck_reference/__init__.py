"""The float64 oracle of cross-entropy, and the a-priori bound of what an honest implementation may return."""

from .binary import (
    BinaryReference,
    binary_cross_entropy,
    binary_cross_entropy_of_probabilities,
    binary_error_bound,
)
from .bounds import Bound, dominant_term, error_bound
from .common_mode import CommonMode, common_mode
from .directional import DirectionalDerivatives, directional_derivatives
from .directional_bound import mixed_error_bound, tangent_error_bound
from .hessian import HessianVectorProduct, hessian_vector_product
from .hessian_bound import hessian_error_bound
from .oracle_error import OracleError, oracle_error
from .problem import (
    BinaryProblem,
    GradientRule,
    InvalidProblem,
    MeanDividesBy,
    Problem,
    Reduction,
    ZeroTimesInf,
)
from .profile import Profile, Storage, SumModel
from .rows import RowStatistics
from .softmax import Reference, Tier, cross_entropy, cross_entropy_of_probabilities

__all__ = [
    "BinaryProblem",
    "BinaryReference",
    "Bound",
    "CommonMode",
    "DirectionalDerivatives",
    "GradientRule",
    "HessianVectorProduct",
    "InvalidProblem",
    "MeanDividesBy",
    "OracleError",
    "Problem",
    "Profile",
    "Reduction",
    "Reference",
    "RowStatistics",
    "Storage",
    "SumModel",
    "Tier",
    "ZeroTimesInf",
    "binary_cross_entropy",
    "binary_cross_entropy_of_probabilities",
    "binary_error_bound",
    "common_mode",
    "cross_entropy",
    "cross_entropy_of_probabilities",
    "directional_derivatives",
    "dominant_term",
    "error_bound",
    "hessian_error_bound",
    "hessian_vector_product",
    "mixed_error_bound",
    "oracle_error",
    "tangent_error_bound",
]
