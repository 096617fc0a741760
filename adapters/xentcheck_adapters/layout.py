"""Memory layouts in which a subject may receive its arrays. The values never change, only the strides, the address, the
byte order and the flags."""

from __future__ import annotations

import mmap
import os
from typing import Callable

import numpy as np

from xentcheck_adapters.call import Array
from xentcheck_adapters.dtypes import BFLOAT16
from xentcheck_adapters.slab import create_slab_descriptor

_FILL = 0x7B  # a huge finite number in every float dtype, and no class index: reading it shows


def _transposed(array: Array) -> Array:
    return np.array(array, order="F")


def _strided(array: Array) -> Array:
    """Every second element of a wider buffer whose gaps hold huge numbers."""
    view = _buffer(array, [*array.shape[:-1], 2 * array.shape[-1]])[..., ::2]
    view[...] = array
    return view


def _sliced(array: Array) -> Array:
    """The inside of a buffer that is longer by two at both ends of each axis: an offset, and gaps between the rows."""
    view = _buffer(array, [size + 4 for size in array.shape])[(slice(2, -2),) * array.ndim]
    view[...] = array
    return view


def _reversed(array: Array) -> Array:
    """Negative strides along every axis."""
    flip = (slice(None, None, -1),) * array.ndim
    return np.array(array[flip])[flip]


def _misaligned(array: Array) -> Array:
    """At an odd address, as the fields of a packed record are."""
    view = np.empty(array.nbytes + 1, np.uint8)[1:].view(array.dtype).reshape(array.shape)
    view[...] = array
    return view


def _broadcast(array: Array) -> Array:
    """Stride 0 along the rows of an array whose rows are equal; any other array as it is."""
    if array.ndim < 2 or array[:1].tobytes() * len(array) != array.tobytes():
        return np.array(array)
    return np.broadcast_to(np.array(array[:1]), array.shape)


def _read_only(array: Array) -> Array:
    copy = array.copy()
    copy.flags.writeable = False
    return copy


def _far(array: Array) -> Array:
    """Rows so far apart that the last one's offset, counted in elements, is past 32 bits; all between is a hole in a
    sparse file, which takes no memory."""
    rows, columns = array.shape
    pitch = -(-(1 << 31) // max(rows - 1, 1)) + columns
    size = (max(rows - 1, 1) * pitch + columns) * array.itemsize
    descriptor = create_slab_descriptor()
    os.ftruncate(descriptor, size)
    hole = np.frombuffer(mmap.mmap(descriptor, size), np.uint8)
    os.close(descriptor)
    view = np.ndarray(array.shape, array.dtype, hole, strides=(pitch * array.itemsize, array.itemsize))
    view[...] = array
    return view


def _foreign(array: Array) -> Array:
    """In the byte order of other machines; bfloat16, which NumPy does not know, has only one."""
    return array.copy() if array.dtype == BFLOAT16 else array.astype(array.dtype.newbyteorder())


def _buffer(array: Array, shape: list[int]) -> Array:
    wide = np.empty(shape, array.dtype)
    wide.view(np.uint8)[...] = _FILL
    return wide


_MAKERS: dict[str, Callable[[Array], Array]] = {
    "contiguous": np.array,
    "transposed": _transposed,
    "strided": _strided,
    "read-only": _read_only,
    "sliced": _sliced,
    "reversed": _reversed,
    "misaligned": _misaligned,
    "broadcast": _broadcast,
    "foreign byte order": _foreign,
}
LAYOUTS = tuple(_MAKERS)
FAR = "far"


def with_layout(array: Array, layout: str) -> Array:
    """A private copy of an at least one-dimensional array in the named layout; KeyError for an unknown name.
    "far" is for (N, C) alone."""
    return _far(array) if layout == FAR else _MAKERS[layout](array)
