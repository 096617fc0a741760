"""Mistakes of losses that go over their rows in chunks, micro-batches or ranks, and add up the parts."""

from __future__ import annotations

from dataclasses import replace
from typing import Callable

import numpy as np

from xentcheck_faults.on_numpy.kernel import Array, Batch, Kernel, reduce, weigh

Groups = Callable[[int], Array]
WIDTH = 2


def in_a_row(rows: int) -> Array:
    """(N,) the chunk of each row: two in a row, the last one what is left."""
    return np.arange(rows) // WIDTH


def dealt_to_two(rows: int) -> Array:
    """(N,) the rank of each row, dealt out in turn."""
    return np.arange(rows) % 2


def divisors(b: Batch, groups: Groups) -> tuple[Array, Array]:
    """(N,) the chunk of each row; (chunks,) what its mean would be divided by."""
    each = b.row_weights if b.dense else b.row_weights * (b.onehot @ b.weights)
    group = groups(b.rows)
    return group, np.bincount(group, weights=each).astype(b.wide)


def averaged_twice(groups: Groups) -> Callable[[Array, Batch], Array]:
    """Rows weigh as if each chunk were averaged first, and those means then."""

    def weighed(values: Array, b: Batch) -> Array:
        if b.reduction != "mean" or not b.rows:
            return weigh(values, b)
        group, each = divisors(b, groups)
        factor = each.sum() / (len(each) * np.where(each == 0, 1, each))
        return np.asarray(weigh(values, b) * factor[group].reshape(-1, *[1] * (values.ndim - 1)))

    return weighed


def only_gradients(weighed: Callable[[Array, Batch], Array]) -> Callable[[Array, Batch], Array]:
    return lambda values, b: weighed(values, b) if values.ndim == 2 else weigh(values, b)


def empty_chunk_is_nan(losses: Array, divisor: Array, b: Batch) -> Array:
    """A chunk's mean is scaled by its share of the rows: 0/0 times 0."""
    if b.reduction == "none" or not b.rows or (divisors(b, in_a_row)[1] > 0).all():
        return reduce(losses, divisor, b)
    return np.asarray(b.wide(np.nan))


def mask_of_the_first(b: Batch) -> Batch:
    """Which rows are ignored is read from the first chunk's labels, whichever chunk it is."""
    if b.dense or b.kept.all():
        return b
    ignored, nothing = ~b.kept[np.arange(b.rows) % WIDTH], -(2**62)
    labels = np.where((b.labels >= 0) & (b.labels < b.classes), b.labels, 0)
    return replace(b, labels=np.where(ignored, nothing, labels), ignore_index=nothing)


def without_tail(values: Array, b: Batch) -> Array:
    """Two chunks of N // 2 rows; what is left is no chunk's."""
    counts = (np.arange(b.rows) < b.rows // 2 * 2) | (b.rows < 2)
    return weigh(values, b) * counts.reshape(-1, *[1] * (values.ndim - 1))


class Chunks:
    """However the rows are cut, sums add up and a mean is their sum over one divisor."""

    mean_of_means = Kernel("the mean of the means of chunks of two rows", weigh=averaged_twice(in_a_row))
    mean_of_means_in_gradient = Kernel(
        "the gradient is that of the mean of means", weigh=only_gradients(averaged_twice(in_a_row))
    )
    mean_of_ranks = Kernel("the mean of the means of two ranks", weigh=averaged_twice(dealt_to_two))
    empty_chunk_is_nan = Kernel("a chunk whose rows are all ignored is 0/0", reduce=empty_chunk_is_nan)
    mask_of_the_first = Kernel("every chunk ignores the rows that the first one does", see=mask_of_the_first)
    tail_dropped = Kernel("rows that fill no chunk are dropped", weigh=without_tail)
