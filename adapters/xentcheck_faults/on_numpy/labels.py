"""Mistakes with class indices and with soft labels."""

from __future__ import annotations

from dataclasses import replace

import ml_dtypes
import numpy as np

from xentcheck_faults.on_numpy.changes import anything_goes, dense_labels, relabelled
from xentcheck_faults.on_numpy.kernel import Kernel, gradient, row_losses, smoothed


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
