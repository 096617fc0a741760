"""Arrays as exact Python: decimals where they are short, hexadecimal floats where they are not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import isinf, isnan
from typing import Any

import numpy as np

from xentcheck.randomness import Array
from xentcheck_adapters import BFLOAT16

HEX = "h = float.fromhex"
_LONGEST_DECIMAL = 10
_MOST_WRITTEN, _MOST_EXCEPTIONS = 64, 16


class TooLong(Exception):
    """An array that no line of a script holds."""


def number(value: float) -> str:
    """A float of Python, exactly; `h` is `float.fromhex`."""
    if isnan(value):
        return "np.nan"
    if isinf(value):
        return "np.inf" if value > 0 else "-np.inf"
    decimal = repr(value)
    return decimal if len(decimal) <= _LONGEST_DECIMAL else f'h("{value.hex()}")'


def assignment(name: str, array: Array, write: Callable[[float], str] = number) -> str:
    """The line that makes the array under this name; bfloat16 as float32, floats as `write` has it. Raises TooLong."""
    if array.size <= _MOST_WRITTEN:
        return f"{name} = {written(array, write)}"
    numbers = _numbers(array)
    values, counts = np.unique(_bits(numbers), return_counts=True)
    usual = _bits(numbers) == values[counts.argmax()]
    most, others = numbers[usual][0], np.argwhere(~usual)
    if len(others) > _MOST_EXCEPTIONS:
        raise TooLong(f"{name}: {array.size} numbers, {len(values)} of them different, are more than a script shows")
    whole = f"{name} = np.full({array.shape}, {_nested(most.tolist(), write)}{_dtype(array)})"
    if not len(others):
        return whole
    where = ", ".join(str(axis.tolist()) for axis in others.T)
    return f"{whole}; {name}[{where}] = {_nested(numbers[tuple(others.T)].tolist(), write)}"


def written(array: Array, write: Callable[[float], str] = number) -> str:
    """The expression of an array."""
    if not array.size:
        return f"np.zeros({array.shape}{_dtype(array)})"
    return f"np.array({_nested(_numbers(array).tolist(), write)}{_dtype(array)})"


def _numbers(array: Array) -> Array:
    return array if array.dtype.kind in "iub" else array.astype(np.float64)


def _bits(numbers: Array) -> Array:
    """What tells 0 from -0, and NaN from no NaN."""
    return numbers.view(np.int64) if numbers.dtype.kind == "f" else numbers


def _nested(values: Any, write: Callable[[float], str]) -> str:
    if isinstance(values, list):
        return f"[{', '.join(_nested(value, write) for value in values)}]"
    return write(values) if isinstance(values, float) else repr(values)


def _dtype(array: Array) -> str:
    if array.dtype in (np.int64, np.float64, np.bool_) and array.size:
        return ""
    return ", np.float32" if array.dtype == BFLOAT16 else f", np.{array.dtype.name}"


_LAYOUTS = {
    "transposed": "np.asfortranarray(a)",
    "strided": "np.stack([a, a + 7], -1)[..., 0]",
    "sliced": "np.pad(a, 2, constant_values=7)[(slice(2, -2),) * a.ndim]",
    "reversed": "np.flip(np.flip(a).copy())",
    "misaligned": 'np.frombuffer(b" " + a.tobytes(), a.dtype, offset=1).reshape(a.shape)',
    "broadcast": "np.broadcast_to(a[:1], a.shape) if a.ndim > 1 else a",
    "foreign byte order": "a.astype(a.dtype.newbyteorder())",
}


def laid_out(layout: str, names: Sequence[str]) -> Iterable[str]:
    """The line that brings arrays, all of one dimension or more, into a memory layout. Raises TooLong for a layout that
    takes more."""
    if layout == "contiguous":
        return
    if layout == "read-only":
        yield f"{' = '.join(f'{name}.flags.writeable' for name in names)} = False"
    elif layout in _LAYOUTS:
        yield f"{', '.join(names)} = ({_LAYOUTS[layout]} for a in ({', '.join(names)}))"
    else:
        raise TooLong(f"arrays laid out {layout} take more than a line")
