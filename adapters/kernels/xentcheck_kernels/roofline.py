"""Rulers for speed: what the memory of this machine allows, and what a loop without vectors costs.

A roofline moves the bytes that a loss must move and computes nothing of them: forward reads the logits, loss and
gradient read them and write as many; rows of labels are one more read. (Williams, Waterman and Patterson, "Roofline",
CACM 52(4), 2009, of whose two limits this is the memory's.) It goes from end to end, as who computes row after row
does: a processor may have more to give to several streams at once.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from xentcheck_kernels import _roofline

Array = np.ndarray[Any, Any]

STEP = 256
"""Bytes that are moved at a time; what is beyond the last whole step of an array is left out."""


def read(source: Array, other: Array | None = None, *, threads: int = 1, repeats: int = 1) -> None:
    """Read a contiguous array, or two side by side, from end to end, `repeats` times, each thread parts of its own.
    Raises ValueError for arrays of different sizes."""
    _of_one_size(source, other)
    two = None if other is None else _bytes(other)
    _roofline.read(_bytes(source), two, threads=threads, repeats=repeats)


def write(
    out: Array,
    source: Array,
    other: Array | None = None,
    *,
    past_caches: bool,
    threads: int = 1,
    repeats: int = 1,
) -> None:
    """Read one contiguous array, or two, and write as many bytes as one has to `out`; its values are of no use.

    past_caches  by non-temporal stores: `out` must begin at a multiple of 64 bytes, ValueError otherwise
    Raises ValueError also for arrays of different sizes.
    """
    _of_one_size(out, source, other)
    two = None if other is None else _bytes(other)
    _roofline.write(_bytes(out), _bytes(source), two, past_caches=past_caches, threads=threads, repeats=repeats)


def scalar(logits: Array, labels: Array, loss: Array, grad: Array | None = None) -> None:
    """Loss of each row, and the gradient of their mean, one number at a time and unchecked.

    logits (N, C) float32, float64 or bfloat16; labels (N,) int64, or (N, C) as logits; loss (N,) float32, of float64
    logits float64; grad as logits. All contiguous. AttributeError for another dtype.
    """
    rows = getattr(_roofline, f"scalar_{logits.dtype.name}")
    dense = labels.ndim == logits.ndim
    rows(_bytes(logits), _bytes(labels), dense, _bytes(loss), None if grad is None else _bytes(grad))


def _of_one_size(*arrays: Array | None) -> None:
    sizes = [array.nbytes for array in arrays if array is not None]
    if len({*sizes}) != 1:
        raise ValueError(f"arrays must have as many bytes, got {', '.join(map(str, sizes))}")


def _bytes(array: Array) -> Array:
    """The bytes of an array, without a copy: reshape would make one of what is not contiguous, so that is refused."""
    if not array.flags.c_contiguous:
        raise ValueError("a roofline is that of contiguous arrays, got one with gaps")
    return array.reshape(-1).view(np.uint8)
