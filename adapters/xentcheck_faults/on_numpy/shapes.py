"""Mistakes that show at the ends of the range of shapes: no rows, one class, many classes, rows far apart."""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np

from xentcheck_faults.on_numpy.changes import logits, relabelled
from xentcheck_faults.on_numpy.kernel import Array, Batch, Kernel, check, gradient, reduce, row_losses, store


def through_32_bits(x: Array) -> Array:
    """Elements found by offsets in 32 bits, the sign bit masked away, from the start of the buffer."""
    if not x.size or sum((n - 1) * s for n, s in zip(x.shape, x.strides)) < x.itemsize << 31:
        return x
    base = x.base
    while base is not None and isinstance(base.base, np.ndarray):
        base = base.base
    rows, columns = (np.arange(n) * (s // x.itemsize) for n, s in zip(x.shape, x.strides))
    assert base is not None
    return np.asarray(base.view(x.dtype).ravel()[(rows[:, None] + columns) & 0x7FFFFFFF])


def through_16_bits(x: Array) -> Array:
    """Elements found by offsets in 16 bits."""
    return np.asarray(x.reshape(-1)[np.arange(x.size) & 0xFFFF].reshape(x.shape))


def aborts_without_rows(b: Batch) -> Batch:
    """An allocation of 0 bytes ends the process."""
    if not b.rows:
        os.abort()
    return b


def few_elements(b: Batch) -> None:
    if b.logits.size > 1 << 16:
        raise RuntimeError(f"sizes too large: {b.logits.size} elements")
    check(b)


class Shapes:
    """Any number of rows and of classes, anywhere in memory."""

    no_rows_not_reduced = Kernel(
        "an empty batch has a loss of shape (0,)", reduce=lambda x, d, b: x if not b.rows else reduce(x, d, b)
    )
    no_rows_sum_nan = Kernel(
        "the sum over an empty batch is N times its mean: 0 times NaN",
        reduce=lambda x, d, b: x.sum() / d * d if b.reduction == "sum" else reduce(x, d, b),
    )
    no_rows_one_gradient = Kernel(
        "an empty batch has a gradient for one row",
        store=lambda loss, grad, b: store(loss, grad if b.rows else np.zeros((1, b.classes), b.wide), b),
    )
    one_class_clipped = Kernel(
        "a probability of 1 is clipped: -log(1 - 1e-8) with one class",
        row_losses=lambda q, log_p, b: row_losses(q, log_p - (1e-8 if b.classes == 1 else 0.0), b),
    )
    one_class_gradient = Kernel(
        "exp(0) / (exp(0) + 1e-8) with one class",
        gradient=lambda p, q, b: gradient(p, q, b) - (1e-8 * q if b.classes == 1 else 0.0),
    )
    labels_in_16_bits = Kernel("labels lose what is above 2**16", see=relabelled(lambda y, b: y & 0xFFFF))
    offsets_in_32_bits = Kernel("an element's offset is cut to 31 bits", see=logits(through_32_bits))
    offsets_in_16_bits = Kernel("an element's offset is cut to 16 bits", see=logits(through_16_bits))
    rows_in_12_bits = Kernel(
        "rows from 4096 on are read from the first ones",
        see=lambda b: replace(b, logits=b.logits[np.arange(b.rows) & 0xFFF]),
    )
    large_refused = Kernel("more than 2**16 elements are refused", check=few_elements)
    no_rows_abort = Kernel("an empty batch ends the process", see=aborts_without_rows)
