"""The float64 oracle of cross-entropy, and the a-priori bound of what an honest implementation may return."""

from .binary import (
    BinaryReference,
    binary_cross_entropy,
    binary_cross_entropy_of_probabilities,
    binary_error_bound,
)
from .bounds import Bound, dominant_term, error_bound
from .problem import BinaryProblem, InvalidProblem, Problem
from .profile import Profile
from .rows import RowStatistics
from .softmax import Reference, cross_entropy, cross_entropy_of_probabilities

__all__ = [
    "BinaryProblem",
    "BinaryReference",
    "Bound",
    "InvalidProblem",
    "Problem",
    "Profile",
    "Reference",
    "RowStatistics",
    "binary_cross_entropy",
    "binary_cross_entropy_of_probabilities",
    "binary_error_bound",
    "cross_entropy",
    "cross_entropy_of_probabilities",
    "dominant_term",
    "error_bound",
]
