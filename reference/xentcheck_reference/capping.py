"""Logit soft-capping: c tanh(x/c), and its derivatives. Gemma 2, arXiv 2408.00118, section 2."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .doubleword import DoubleWord, two_product
from .elementary import tanh_and_slope

if TYPE_CHECKING:
    from .problem import FloatArray


@dataclass(frozen=True, eq=False)
class Capped:
    """All shaped like the logits."""

    logits: FloatArray
    """c t with t = tanh(x/c)"""
    slope: FloatArray
    """1 - t^2, the derivative"""
    bend: FloatArray
    """-2 t (1 - t^2) / c, the second derivative"""


@dataclass(frozen=True, eq=False)
class CappedExactly:
    """The same in double-word arithmetic."""

    logits: DoubleWord
    slope: DoubleWord
    bend: DoubleWord


def cap(x: FloatArray, c: float) -> Capped:
    """Float64; errs by 8 u |c t| and, relatively, (2 |x/c| + 8) u in the slope: it is formed without cancellation."""
    with np.errstate(all="ignore"):
        y = x / c
        t, e = np.tanh(y), np.exp(-2.0 * np.abs(y))
        slope = 4.0 * e / ((1.0 + e) * (1.0 + e))
        return Capped(c * t, slope, (-2.0 / c) * t * slope)


def cap_exactly(x: FloatArray, c: float) -> CappedExactly:
    """Double-word; 2^-70 relative. Infinite logits are capped at c like everything that large."""
    finite = np.where(np.isfinite(x), x, np.sign(np.where(np.isnan(x), 0.0, x)) * 1e300)
    quotient = finite / c
    product, error = two_product(quotient, np.full_like(quotient, c))
    y = DoubleWord(quotient, ((finite - product) - error) / c)
    # tanh(400) is 1 to any precision here, and products of what is larger would overflow
    large = np.abs(quotient) > 400.0
    y = y.where(~large, np.sign(quotient) * 400.0)
    t, slope = tanh_and_slope(y)
    return CappedExactly(t * c, slope, (t * slope) * (DoubleWord.of(-2.0) / c))
