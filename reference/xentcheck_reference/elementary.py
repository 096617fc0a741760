"""exp, log1p and tanh in double-word arithmetic. Constants come from integer arithmetic: no file, no other library."""

from __future__ import annotations

from functools import cache
from math import factorial, isqrt
from typing import TYPE_CHECKING

import numpy as np

from .doubleword import DoubleWord, two_product, two_sum

if TYPE_CHECKING:
    from .problem import FloatArray

_STEPS = 1024  # 2^(j/1024) is tabulated: the rest of the argument is below 2^-11.5
_FRACTION = 256  # bits of the integers that constants are computed with
# Below exp(-750) nothing is left of a float64, and 2^-1000 is scaled away in two steps.
_LOWEST = -750.0


def exp(x: DoubleWord) -> DoubleWord:
    """exp(x) for x <= 0 (any shape), to 2^-74 relative while exp(x) > 2^-960; below, to 2^-1074 absolute.

    x = (1024 n + j) ln 2 / 1024 + r: a table of 2^(j/1024) and a polynomial of degree 5 in r, |r| < 2^-11.5. Relative
    errors: truncation r^6/720 = 2^-78.5; the polynomial's terms from r^2/2 on, rounded in float64, 2^-76; four
    additions into the low part, 2^-77 each.
    """
    table_hi, table_lo = _powers_of_two()
    ln2_high, ln2_middle, ln2_low, inverse = _ln2_pieces()
    clipped = np.maximum(x.hi, 2.0 * _LOWEST)
    k = np.rint(clipped * inverse)
    # k ln2_high and k ln2_middle are exact: 30 bits each, and |k| < 2^23.
    r, low = two_sum(clipped - k * ln2_high, -(k * ln2_middle))
    low = low - k * ln2_low + x.lo
    # exp(r + low) - 1 - r: low and the terms from r^2/2 on, with the cross term low (r + r^2/2)
    tail = (((r / 120.0 + 1.0 / 24.0) * r + 1.0 / 6.0) * r + 0.5) * (r * r)
    tail += low * (tail + r) + low
    whole = k.astype(np.int64)
    j = whole & (_STEPS - 1)
    t = table_hi[j]
    product, error = two_product(t, r)
    rest = t * tail + error + table_lo[j] + table_lo[j] * r
    s = t + product
    rest += product - (s - t)
    hi = s + rest
    rest -= hi - s
    n = ((whole - j) >> 10).astype(np.int32)
    first = np.maximum(n, -1000)  # 2^n itself underflows where hi 2^n does not yet
    scale, again = np.ldexp(1.0, first), np.ldexp(1.0, n - first)
    vanished = clipped < _LOWEST
    return DoubleWord(np.where(vanished, 0.0, hi * scale * again), np.where(vanished, 0.0, rest * scale * again))


def log1p(t: DoubleWord) -> DoubleWord:
    """log(1 + t) for t >= 0, to 2^-96 relative.

    1 + t = 2^k f with f in [1/sqrt 2, sqrt 2), log f = 2 artanh u, u = (f - 1)/(f + 1), |u| < 0.172. For k = 0 the
    numerator is t itself, so a tiny t loses nothing.
    """
    one_plus = t + 1.0
    fraction, k = np.frexp(one_plus.hi)
    k = np.where(fraction < np.sqrt(0.5), k - 1, k)
    f = one_plus.scaled(np.ldexp(1.0, -k))
    numerator = t.where(k == 0, f - 1.0)
    u = numerator / (f + 1.0)
    square = u * u
    series = _constant(1, 2 * _ARTANH_TERMS + 1) + np.zeros_like(t.hi)
    for i in range(_ARTANH_TERMS - 1, -1, -1):
        series = series * square + _constant(1, 2 * i + 1)
    return (u * series).scaled(2.0) + _ln2() * k.astype(np.float64)


_ARTANH_TERMS = 19  # u^2 < 2^-5: what is left out is below 2^-100


def tanh_and_slope(y: DoubleWord) -> tuple[DoubleWord, DoubleWord]:
    """tanh(y) and 1 - tanh(y)^2 (any shape), each to 2^-70 relative.

    With e = exp(-2|y|): tanh = (1 - e)/(1 + e) and 1 - tanh^2 = 4e/(1 + e)^2. Where 1 - e would cancel by more than
    three bits it is summed as a series.
    """
    sign = np.where(y.hi < 0.0, -1.0, 1.0)
    twice = y.scaled(-2.0 * sign)
    e = exp(twice)
    small = twice.hi > -0.125
    minus_expm1 = (1.0 - e).where(~small, -_expm1_series(twice.where(small, 0.0)))
    sum_ = e + 1.0
    return (minus_expm1 / sum_).scaled(sign), e.scaled(4.0) / (sum_ * sum_)


def _expm1_series(x: DoubleWord) -> DoubleWord:
    """exp(x) - 1 for |x| <= 1/8: x + x^2/2 + … + x^16/16!, 2^-92 of x left out."""
    total = _constant(1, factorial(16)) + np.zeros_like(x.hi)
    for n in range(15, 0, -1):
        total = total * x + _constant(1, factorial(n))
    return total * x


def _pair(numerator: int, denominator: int) -> tuple[float, float]:
    """The double word nearest to a quotient of integers; Python rounds int / int correctly."""
    hi = numerator / denominator
    top, bottom = hi.as_integer_ratio()
    return hi, (numerator * bottom - top * denominator) / (denominator * bottom)


@cache
def _constant(numerator: int, denominator: int) -> DoubleWord:
    hi, lo = _pair(numerator, denominator)
    return DoubleWord(np.asarray(hi), np.asarray(lo))


@cache
def _powers_of_two() -> tuple[FloatArray, FloatArray]:
    """2^(j/1024) for j < 1024: ten square roots of 2, and their products, as integers over 2^256."""
    root = 2 << _FRACTION
    for _ in range(10):
        root = isqrt(root << _FRACTION)
    power, pairs = 1 << _FRACTION, []
    for _ in range(_STEPS):
        pairs.append(_pair(power, 1 << _FRACTION))
        power = (power * root) >> _FRACTION
    hi, lo = zip(*pairs, strict=True)
    return np.array(hi), np.array(lo)


@cache
def _ln2_integer() -> int:
    """ln 2 times 2^256 = 2 artanh(1/3)."""
    total, term, n = 0, (2 << _FRACTION) // 3, 1
    while term:
        total += term // n
        term, n = term // 9, n + 2
    return total


@cache
def _ln2() -> DoubleWord:
    return _constant(_ln2_integer(), 1 << _FRACTION)


@cache
def _ln2_pieces() -> tuple[float, float, float, float]:
    """ln 2 / 1024 as two pieces of 30 bits and the rest, and its inverse."""
    scale = _FRACTION + 10
    rest, pieces = _ln2_integer(), []
    for _ in range(2):
        shift = rest.bit_length() - 30
        piece = (rest >> shift) << shift
        pieces.append(piece / (1 << scale))
        rest -= piece
    return pieces[0], pieces[1], rest / (1 << scale), (1 << scale) / _ln2_integer()
