"""The float64 oracle of cross-entropy, and the a-priori bound of what an honest implementation may return."""

from .binary import (
    BinaryReference,
    binary_cross_entropy,
    binary_cross_entropy_of_probabilities,
    binary_error_bound,
)
from .bounds import Bound, dominant_term, error_bound
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
from .softmax import Reference, cross_entropy, cross_entropy_of_probabilities

__all__ = [
    "BinaryProblem",
    "BinaryReference",
    "Bound",
    "GradientRule",
    "InvalidProblem",
    "MeanDividesBy",
    "Problem",
    "Profile",
    "Reduction",
    "Reference",
    "RowStatistics",
    "Storage",
    "SumModel",
    "ZeroTimesInf",
    "binary_cross_entropy",
    "binary_cross_entropy_of_probabilities",
    "binary_error_bound",
    "cross_entropy",
    "cross_entropy_of_probabilities",
    "dominant_term",
    "error_bound",
]
