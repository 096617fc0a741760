"""Double-word arithmetic: a number as an unevaluated pair hi + lo of float64, about 106 significant bits.

Plain NumPy: sums, products, quotients, integers and powers of two only, all of which IEEE 754 rounds in one way. So the
results are bit-identical on every machine and for every SIMD level that NumPy dispatches to, which `np.exp` is not.

Error bounds of the elementary operations: Joldes, Muller, Popescu, "Tight and rigorous error bounds for basic building
blocks of double-word arithmetic", ACM TOMS 44 (2017). Nothing here knows infinities or NaN: callers replace them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from .problem import FloatArray

_HIGH_BITS = np.int64(-(1 << 27))  # the sign, the exponent and the leading 26 of 53 bits


@dataclass(frozen=True, eq=False, slots=True)
class DoubleWord:
    """hi + lo with |lo| <= ulp(hi)/2; two float64 arrays of one shape (or one that broadcasts)."""

    hi: FloatArray
    lo: FloatArray

    __array_ufunc__ = None  # ndarray + DoubleWord is ours to answer

    @classmethod
    def of(cls, value: FloatArray | float) -> DoubleWord:
        """A float64 value, exactly."""
        hi = np.asarray(value, np.float64)
        return cls(hi, np.zeros_like(hi))

    def __getitem__(self, key: Any) -> DoubleWord:
        return DoubleWord(self.hi[key], self.lo[key])

    def __neg__(self) -> DoubleWord:
        return DoubleWord(-self.hi, -self.lo)

    def __add__(self, other: Operand) -> DoubleWord:
        """Relative error 3 · 2^-106 where the signs agree."""
        b = _pair(other)
        s, e = two_sum(self.hi, b.hi)
        t, f = two_sum(self.lo, b.lo)
        s, e = _fast_two_sum(s, e + t)
        return DoubleWord(*_fast_two_sum(s, e + f))

    __radd__ = __add__

    def __sub__(self, other: Operand) -> DoubleWord:
        return self + -_pair(other)

    def __rsub__(self, other: Operand) -> DoubleWord:
        return _pair(other) + -self

    def __mul__(self, other: Operand) -> DoubleWord:
        """Relative error 5 · 2^-106 unless the low part underflows."""
        b = _pair(other)
        p, e = two_product(self.hi, b.hi)
        return DoubleWord(*_fast_two_sum(p, e + (self.hi * b.lo + self.lo * b.hi)))

    __rmul__ = __mul__

    def __truediv__(self, other: Operand) -> DoubleWord:
        """Relative error 10 · 2^-106."""
        b = _pair(other)
        first = self.hi / b.hi
        rest = self - b * first
        second = rest.hi / b.hi
        third = (rest - b * second).hi / b.hi
        return DoubleWord(*_fast_two_sum(first, second)) + third

    def __rtruediv__(self, other: Operand) -> DoubleWord:
        return _pair(other) / self

    def scaled(self, factor: FloatArray | float) -> DoubleWord:
        """Times a power of two: exact but for underflow."""
        return DoubleWord(self.hi * factor, self.lo * factor)

    def where(self, condition: Any, other: Operand) -> DoubleWord:
        """Itself where the condition holds, `other` elsewhere."""
        b = _pair(other)
        return DoubleWord(np.where(condition, self.hi, b.hi), np.where(condition, self.lo, b.lo))


Operand = DoubleWord | np.ndarray | float


def _pair(value: Operand) -> DoubleWord:
    return value if isinstance(value, DoubleWord) else DoubleWord.of(value)


def two_sum(a: FloatArray, b: FloatArray) -> tuple[FloatArray, FloatArray]:
    """a + b = s + e exactly (Knuth)."""
    s = a + b
    t = s - a
    return s, (a - (s - t)) + (b - t)


def two_difference(a: FloatArray, b: FloatArray) -> DoubleWord:
    """a - b, exactly."""
    return DoubleWord(*two_sum(a, -b))


def two_product(a: FloatArray, b: FloatArray) -> tuple[FloatArray, FloatArray]:
    """a b = p + e to 2^-106, without a fused multiply-add.

    The halves are cut by a bit mask: Veltkamp's product with 2^27 + 1 would overflow from 2^996 on.
    """
    p = a * b
    a_high, b_high = _high(a), _high(b)
    a_low, b_low = a - a_high, b - b_high
    return p, ((a_high * b_high - p) + a_high * b_low + a_low * b_high) + a_low * b_low


def sum_of_rows(values: FloatArray) -> DoubleWord:
    """(n,) sums over the last axis of an (n, C) float64 array, to 2^-100 of the largest |value| in the row.

    Error-free extraction (Rump, Ogita, Oishi, "Accurate floating-point summation I", SIAM J. Sci. Comput. 31 (2008),
    ExtractVector): the leading bits of all terms add exactly, in whatever order NumPy adds them.
    """
    largest = np.abs(values).max(axis=-1, keepdims=True, initial=0.0)
    exponent = np.frexp(largest)[1] + (values.shape[-1] + 1).bit_length()
    total, rest = DoubleWord.of(np.zeros(values.shape[:-1])), values
    for _ in range(2):
        # Capped below the overflow threshold: rows whose sum nears 2^1023 lose bits there, not validity.
        grid = np.ldexp(1.0, np.minimum(exponent, 1022))
        leading = (grid + rest) - grid
        rest = rest - leading
        total = total + np.asarray(leading.sum(axis=-1))
        exponent = exponent - 52 + (values.shape[-1] + 1).bit_length()
    return total + np.asarray(rest.sum(axis=-1))


def sum_of_pairs(values: DoubleWord) -> DoubleWord:
    """(n,) sums over the last axis of (n, C) pairs: the low parts are added in float64."""
    return sum_of_rows(values.hi) + np.asarray(values.lo.sum(axis=-1))


def _fast_two_sum(a: FloatArray, b: FloatArray) -> tuple[FloatArray, FloatArray]:
    """a + b = s + e exactly, for |a| >= |b| (Dekker)."""
    s = a + b
    return s, b - (s - a)


def _high(a: FloatArray) -> FloatArray:
    bits = np.ascontiguousarray(a).reshape(np.shape(a)).view(np.int64)
    return np.asarray((bits & _HIGH_BITS).view(np.float64))
