"""Memory layouts in which a subject may receive its arrays. The values never change, only the strides and flags."""

from __future__ import annotations

import mmap
import os
from typing import Callable

import numpy as np

from xentcheck_adapters.call import Array
from xentcheck_adapters.slab import create_slab_descriptor


def _transposed(array: Array) -> Array:
    return np.array(array, order="F")


def _strided(array: Array) -> Array:
    """Every second element of a wider buffer whose gaps hold the dtype's largest value: reading them shows."""
    wide = np.empty((*array.shape[:-1], 2 * array.shape[-1]), array.dtype)
    wide.view(np.uint8)[...] = 0x7B  # a huge finite number in every float dtype
    view = wide[..., ::2]
    view[...] = array
    return view


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


_MAKERS: dict[str, Callable[[Array], Array]] = {
    "contiguous": np.array,
    "transposed": _transposed,
    "strided": _strided,
    "read-only": _read_only,
}
LAYOUTS = tuple(_MAKERS)
FAR = "far"


def with_layout(array: Array, layout: str) -> Array:
    """A private copy of an at least one-dimensional array in the named layout; KeyError for an unknown name.
    "far" is for (N, C) alone."""
    return _far(array) if layout == FAR else _MAKERS[layout](array)
