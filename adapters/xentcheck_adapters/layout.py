"""Memory layouts in which a subject may receive its arrays. The values never change, only the strides and flags."""

from __future__ import annotations

from typing import Callable

import numpy as np

from xentcheck_adapters.call import Array


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


_MAKERS: dict[str, Callable[[Array], Array]] = {
    "contiguous": np.array,
    "transposed": _transposed,
    "strided": _strided,
    "read-only": _read_only,
}
LAYOUTS = tuple(_MAKERS)


def with_layout(array: Array, layout: str) -> Array:
    """A private copy of an at least one-dimensional array in the named layout; KeyError for an unknown name."""
    return _MAKERS[layout](array)
