"""Mistakes with class indices and with soft labels."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import ml_dtypes
import numpy as np

from xentcheck_faults.on_numpy.changes import anything_goes, dense_labels, relabelled
from xentcheck_faults.on_numpy.kernel import (
    Array,
    Batch,
    Kernel,
    check,
    gradient,
    row_losses,
    running_sum,
    smoothed,
    softmax_of,
)


def flat_index(b: Batch) -> Batch:
    """The label is found at row C + label of the flat buffer, whichever row that belongs to."""
    outside = (b.labels < 0) | (b.labels >= b.classes)
    if b.dense or b.labels.dtype.kind != "i" or not (outside & b.kept).any():
        return b
    flat = np.zeros(b.rows * b.classes, b.wide)
    rows = np.flatnonzero(b.kept)
    flat[(rows * b.classes + b.labels[rows]) % flat.size] = 1
    return replace(b, labels=flat.reshape(b.logits.shape))


def bad_rows(logits: Array, labels: Array, ignore_index: int) -> Array:
    """(N,) rows with a label outside the range; none of labels that are no class indices."""
    if labels.ndim != 1 or labels.dtype.kind != "i":
        return np.zeros(len(logits), bool)
    return np.asarray((labels != ignore_index) & ((labels < 0) | (labels >= logits.shape[1])))


def writes_past_its_row(logits: Array, labels: Array, *, ignore_index: int = -100, **options: Any) -> Any:
    """The loss of a label out of range is NaN, and 1 is subtracted from the gradient where such a label would be."""
    bad = bad_rows(logits, labels, ignore_index)
    if not bad.any():
        return honest(logits, labels, ignore_index=ignore_index, **options)
    loss, grad = honest(logits, np.where(bad, 0, labels), ignore_index=ignore_index, **options)
    places = np.flatnonzero(bad) * logits.shape[1] + labels[bad]
    grad[bad], loss[bad if loss.ndim else ()] = 0, np.nan
    grad.reshape(-1)[places % grad.size] -= 1
    return loss, grad


def softmax_without_label(logits: Array, labels: Array, *, ignore_index: int = -100, **options: Any) -> Any:
    """A label out of range is a one-hot row of zeros in the loss, and nothing in the gradient: softmax minus 0."""
    bad = bad_rows(logits, labels, ignore_index)
    if not bad.any():
        return honest(logits, labels, ignore_index=ignore_index, **options)
    loss, grad = honest(logits, np.where(bad, ignore_index, labels), ignore_index=ignore_index, **options)
    grad[bad] = softmax_of(logits[bad].astype(np.float64)).astype(grad.dtype)
    return loss, grad


def only_long(b: Batch) -> None:
    if b.labels.dtype == np.int32:
        raise TypeError("labels must be int64, got int32")
    check(b)


honest = Kernel("no fault: what the faults of this part are made around")


class Labels:
    """Index labels are integers (N,) inside [0, C)."""

    wrap = Kernel(
        "negative indices count from the end",
        check=anything_goes,
        see=relabelled(lambda y, b: np.where(y < 0, y + b.classes, y)),
    )
    clamp = Kernel("clipped into [0, C)", see=relabelled(lambda y, b: np.clip(y, 0, b.classes - 1)))
    modulo = Kernel("taken modulo C", see=relabelled(lambda y, b: y % b.classes))
    outside_is_zero_loss = Kernel(
        "a one-hot row of zeros", see=relabelled(lambda y, b: np.where((y < 0) | (y >= b.classes), b.ignore_index, y))
    )
    upper_unchecked = Kernel("only negative labels refused", see=relabelled(lambda y, b: np.minimum(y, b.classes - 1)))
    off_by_one_check = Kernel(
        "label C passes as C - 1", see=relabelled(lambda y, b: np.where(y == b.classes, b.classes - 1, y))
    )
    as_int32 = Kernel("2**32 + 1 is read as 1", see=relabelled(lambda y, b: y.astype(np.int32)))
    as_int16 = Kernel("high bits lost", see=relabelled(lambda y, b: y.astype(np.int16)))
    as_int8 = Kernel("labels above 127 lose", see=relabelled(lambda y, b: y.astype(np.uint8)))
    in_logits_dtype = Kernel(
        "labels pass through the logits' dtype",
        see=relabelled(lambda y, b: np.minimum(y.astype(b.logits.dtype).astype(np.int64), b.classes - 1)),
    )
    float_truncated = Kernel(
        "float labels are truncated",
        see=lambda b: (
            b if b.labels.ndim == 2 or b.labels.dtype.kind != "f" else replace(b, labels=b.labels.astype(np.int64))
        ),
    )
    bool_accepted = Kernel(
        "bools are classes 0 and 1",
        see=lambda b: replace(b, labels=b.labels.astype(np.int64)) if b.labels.dtype == bool else b,
    )
    column_accepted = Kernel(
        "(N, 1) is flattened",
        see=lambda b: replace(b, labels=b.labels[:, 0]) if b.labels.shape[1:] == (1,) and b.classes > 1 else b,
    )
    one_for_all = Kernel(
        "(1,) is broadcast",
        see=lambda b: replace(b, labels=np.repeat(b.labels, b.rows)) if b.labels.shape == (1,) else b,
    )
    surplus_dropped = Kernel(
        "labels beyond N are not looked at", see=lambda b: replace(b, labels=b.labels[: b.rows]) if not b.dense else b
    )
    int32_misread = Kernel(
        "int32 labels are read as int64 memory",
        see=lambda b: replace(b, labels=np.arange(b.rows) % b.classes) if b.labels.dtype == np.int32 else b,
    )
    of_the_first_chunk = Kernel(
        "rows from 32 on have the first chunk's labels",
        see=lambda b: replace(b, labels=b.labels[np.arange(b.rows) % 32]),
    )
    first_only_checked = Kernel(
        "clipped, except the first row's",
        see=relabelled(lambda y, b: np.where(np.arange(b.rows) > 0, np.clip(y, 0, b.classes - 1), y)),
    )
    unchecked_for_mean = Kernel(
        "clipped for a mean", see=relabelled(lambda y, b: np.clip(y, 0, b.classes - 1) if b.reduction == "mean" else y)
    )
    unchecked_when_ignoring = Kernel(
        "clipped if another ignore_index than -100 is given",
        see=relabelled(lambda y, b: np.clip(y, 0, b.classes - 1) if b.ignore_index != -100 else y),
    )
    unchecked_when_smoothed = Kernel(
        "clipped if labels are smoothed",
        see=relabelled(lambda y, b: np.clip(y, 0, b.classes - 1) if b.smoothing else y),
    )
    flat_index = Kernel("row C + label of the flat buffer, unchecked", see=flat_index)
    lower_unchecked = Kernel(
        "only labels from C on are refused; -1 is the last class of the row before",
        see=lambda b: b if not b.dense and (b.labels >= b.classes).any() else flat_index(b),
    )
    writes_past_its_row = staticmethod(writes_past_its_row)
    softmax_without_label = staticmethod(softmax_without_label)
    int32_refused = Kernel("int32 labels are refused", check=only_long)
    shifted = Kernel("labels are 1-based", see=relabelled(lambda y, b: np.where((y > 0) & (y < b.classes), y - 1, y)))


class Dense:
    """Rows of any sum; the gradient is softmax sum(y) - y."""

    renormalised = Kernel(
        "divided by their sum",
        see=dense_labels(lambda y: y / np.where(y.sum(1, keepdims=True) == 0, 1, y.sum(1, keepdims=True))),
    )
    argmaxed = Kernel(
        "read as their largest class", see=dense_labels(lambda y: np.eye(y.shape[1], dtype=y.dtype)[y.argmax(1)])
    )
    clipped = Kernel("negative labels are 0", see=dense_labels(lambda y: np.maximum(y, 0)))
    assumed_normalised = Kernel(
        "softmax - y whatever y sums to",
        gradient=lambda p, q, b: p * b.kept[:, None] - q if b.dense and b.weight is None else gradient(p, q, b),
    )
    divergence = Kernel(
        "the Kullback-Leibler divergence: minus the entropy of y",
        row_losses=lambda q, log_p, b: row_losses(q, log_p - np.log(np.where(q > 0, q, 1)), b),
    )
    softmaxed = Kernel(
        "labels pass through a softmax", see=dense_labels(lambda y: np.exp(y) / np.exp(y).sum(1, keepdims=True))
    )
    thresholded = Kernel("labels below 1/64 are 0", see=dense_labels(lambda y: np.where(np.abs(y) < 1 / 64, 0, y)))
    in_bfloat16 = Kernel(
        "smoothed labels are stored in bfloat16",
        smoothed=lambda b: smoothed(b).astype(ml_dtypes.bfloat16).astype(b.wide),
    )
    swapped = Kernel(
        "labels and probabilities have changed places",
        row_losses=lambda q, log_p, b: -(np.exp(log_p) * np.log(q)).sum(axis=1) if b.dense else row_losses(q, log_p, b),
    )
    summed_in_half = Kernel(
        "a running sum over the classes in float16",
        row_losses=lambda q, log_p, b: (
            running_sum(-q * log_p, np.float16)[:, 0] if b.dense else row_losses(q, log_p, b)
        ),
    )
