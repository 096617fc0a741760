"""Names of array dtypes as they travel: `float16`, `bfloat16`, `float32`, `float64`, and NumPy's integer names."""

from __future__ import annotations

from typing import Any

import numpy as np

try:
    from ml_dtypes import bfloat16 as _bfloat16

    BFLOAT16: np.dtype[Any] = np.dtype(_bfloat16)
except ImportError:
    # An interpreter that holds only NumPy and a framework with a bfloat16 of its own still passes the bits through.
    BFLOAT16 = np.dtype([("bfloat16", "<u2")])

FLOAT_DTYPES = ("float16", "bfloat16", "float32", "float64")


def dtype_name(dtype: np.dtype[Any]) -> str:
    """The travelling name of a dtype."""
    return "bfloat16" if dtype == BFLOAT16 else dtype.name


def dtype_named(name: str) -> np.dtype[Any]:
    """The dtype of a travelling name; raises TypeError for a name NumPy does not know."""
    return BFLOAT16 if name == "bfloat16" else np.dtype(name)


def in_native_order(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The array itself, or its values in this machine's byte order if it has the other one."""
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))
