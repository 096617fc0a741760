"""The oracle's sums over classes, and what their order costs."""

from __future__ import annotations

from math import log2
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from .problem import FloatArray

# NumPy sums a contiguous axis pairwise: up to 128 terms in 8 lanes of 16 and 3 levels, 19 roundings on the longest
# path; then one level more per doubling. A matrix product promises no order, and so no bound.
_ROUNDINGS = 19
# Longer dot products are shared among threads, which costs more than it gains and blocks where cores are busy.
_UNTHREADED = 1 << 13


def sums_of_rows(values: FloatArray) -> FloatArray:
    """(n,) sums over the classes of an (n, C) array."""
    if values.shape[1] <= _ROUNDINGS + 1:  # no order of so few terms is worse, and einsum has no per-row overhead
        return np.asarray(np.einsum("ij->i", values))
    return np.asarray(values.sum(axis=1))


def dots_of_rows(a: FloatArray, b: FloatArray) -> FloatArray:
    """(n,) sums over the classes of a b, in an order nobody promises: for sizes of error bounds, not for values."""
    total = np.zeros(len(a))
    for start in range(0, a.shape[1], _UNTHREADED):
        total += np.vecdot(a[:, start : start + _UNTHREADED], b[:, start : start + _UNTHREADED])
    return total


def sum_roundings(classes: int) -> float:
    """Relative error of `sums_of_rows` of same-signed terms, in unit roundoffs of float64."""
    return _ROUNDINGS + max(0.0, log2(classes / 128.0))
