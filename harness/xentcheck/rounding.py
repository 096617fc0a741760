"""What the last rounding cannot have done: a sharper test than a bound where the dtype is coarse.

A bound allows half a unit in the last place for the rounding of the result, on top of the error e before it. But that
rounding is no error of unknown size: it is monotone and known. An honest result before it lies within e of the true
value v, so the result itself lies between v - e and v + e, both rounded. In 16 bits, computed in float32, e is 2^-13 of
a unit and more, so all but a few true values have exactly one honest answer, and a fault of 1e-5 shows in every
thousandth value that it moves past the middle between two neighbours.
"""

from __future__ import annotations

import ml_dtypes
import numpy as np

from xentcheck.expectation import Expected
from xentcheck.randomness import Array
from xentcheck_adapters import dtype_named

NARROW = ("float16", "bfloat16")
# ml_dtypes rounds float64 to bfloat16 by way of float32: the ends of the interval move outwards by that much.
_BY_WAY_OF_FLOAT32 = 2.0**-24


def misrounded(got: Array, expected: Expected, dtype: str) -> Array:
    """Where no honest value before the last rounding becomes what was returned; nowhere in dtypes but 16-bit ones.

    Same shape as `got`. A value that is not finite, or that may honestly overflow, is for the bound to judge.
    """
    if dtype not in NARROW:
        return np.zeros(got.shape, bool)
    narrow = dtype_named(dtype)
    unit = float(ml_dtypes.finfo(narrow).eps) / 2
    with np.errstate(all="ignore"):
        magnitude = np.abs(expected.value)
        # Every bound holds one output rounding; what is left is the error before it.
        before = np.maximum(expected.bound - unit * magnitude, 0.0) + _BY_WAY_OF_FLOAT32 * magnitude
        low, high = ((expected.value + side * before).astype(narrow).astype(np.float64) for side in (-1.0, 1.0))
        mine = got.astype(narrow).astype(np.float64)
        counted = np.isfinite(expected.value) & (expected.bound > 0) & ~expected.may_be_infinite
        return np.asarray(counted & ~((low <= mine) & (mine <= high)))
