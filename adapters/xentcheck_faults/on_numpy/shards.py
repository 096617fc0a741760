"""Mistakes of kernels that share the classes out among threads, splits and ranks, and combine the parts."""

from __future__ import annotations

import numpy as np

from xentcheck_faults.on_numpy.kernel import (
    Array,
    Batch,
    Kernel,
    check,
    gradient,
    row_losses,
    row_scale,
    smoothed,
    total,
)

SPLIT = 65536


def half_of(b: Batch) -> int:
    """Classes of the first of two ranks."""
    return (b.classes + 1) // 2


def first_split_of_each(e: Array) -> Array:
    """Two ranks of splits of 65536 classes each; only the first split of a rank is combined with the other rank's."""
    half = (e.shape[1] + 1) // 2
    return total(e[:, : min(half, SPLIT)]) + total(e[:, half : half + SPLIT])


def looked_up_by_all(b: Batch) -> Array:
    """Both ranks look for the label from class 0 on: one in the first half belongs to both, one in the second to
    none."""
    q, half = smoothed(b), half_of(b)
    return q if b.dense else np.concatenate([q[:, :half], q[:, : b.classes - half]], axis=1)


def by_its_own_part(e: Array, s: Array) -> Array:
    """Past 1024 classes only the first of four threads has the whole sum, the others have what they have added."""
    if e.shape[1] <= 1024:
        return np.asarray(e / s)
    parts = np.array_split(e, 4, axis=1)
    return np.concatenate([parts[0] / s, *(part / total(part) for part in parts[1:])], axis=1)


def second_half_from_the_answer(p: Array, q: Array, b: Batch) -> Array:
    """Past 8192 classes two arrays share memory meant for one: half of the labels is read from the softmax."""
    own = np.arange(b.classes) < (b.classes if b.classes <= 8192 else b.classes // 2)
    return np.where(own, gradient(p, q, b), p * q.sum(axis=1, keepdims=True) - p)


def odd_widths(e: Array) -> Array:
    """A vectorised loop of float64 loses the last class of all rows but the first, for some odd numbers of classes."""
    width = e.shape[1]
    lost = e.dtype == np.float64 and 512 < width < 1024 and width % 2 and width % 32 != 31
    return total(e) - (e[:, -1:] * (np.arange(len(e)) > 0)[:, None] if lost else 0)


def weights_needed(b: Batch) -> None:
    if b.weight is None and b.classes < 4:
        raise AttributeError("'NoneType' object has no attribute 'to'")
    check(b)


class Shards:
    """Whoever holds which classes, the sum is one, the label has one owner, and a mean is divided once."""

    second_split_lost = Kernel("of ranks with more than 65536 classes the rest is lost", total=first_split_of_each)
    label_of_two_or_none = Kernel("both ranks look up the label as if they were the first", smoothed=looked_up_by_all)
    label_of_nobody = Kernel(
        "an ignored label belongs to no rank: its loss is infinite, its gradient the softmax",
        row_losses=lambda q, log_p, b: np.where(b.kept, row_losses(q, log_p, b), np.inf),
        gradient=lambda p, q, b: gradient(p, q, b) + p * ~b.kept[:, None],
    )
    over_the_ranks = Kernel(
        "the gradient of a mean is divided by two ranks once more",
        row_scale=lambda b, d: row_scale(b, d) / (2 if b.reduction == "mean" else 1),
    )
    weights_needed = Kernel("one rank alone cannot do without class weights", check=weights_needed)
    softmax_of_own_part = Kernel("softmax over the sum of a thread's own classes", softmax=by_its_own_part)
    half_from_the_answer = Kernel("labels of the second half are overwritten", gradient=second_half_from_the_answer)
    odd_widths = Kernel("the last class of odd widths is lost in float64", total=odd_widths)
