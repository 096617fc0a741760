"""Faulty softmax cross-entropies, each with one mistake that somebody makes. Subject names are
`numpy:tests/meta/faults.py:Mean.over_all_rows`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import ml_dtypes
import numpy as np
from kernel import Array, Batch, Kernel, check, denominator, gradient, maximum, reduce, row_losses, row_scale, rows_of
from kernel import smoothed, total

Change = Callable[[Batch], Batch]


def unsmoothed(b: Batch) -> Batch:
    return replace(b, smoothing=0.0)


def unweighted(b: Batch) -> Batch:
    return replace(b, weight=None)


def never_ignoring(b: Batch) -> Batch:
    """Ignored rows count, as class 0 where their label is none."""
    inside = (b.labels >= 0) & (b.labels < b.classes)
    return b if b.dense else replace(b, labels=np.where(inside, b.labels, 0), ignore_index=-(2**62))


def ignoring_only(when: Callable[[Batch], bool]) -> Change:
    return lambda b: b if b.dense or when(b) else never_ignoring(b)


def relabelled(read: Callable[[Array, Batch], Array]) -> Change:
    """Kept index labels are read in another way."""
    return lambda b: b if b.dense else replace(b, labels=np.where(b.kept, read(b.labels, b), b.labels))


def dense_labels(change: Callable[[Array], Array]) -> Change:
    return lambda b: replace(b, labels=change(b.labels.astype(b.wide))) if b.dense else b


def logits(change: Callable[[Array], Array]) -> Change:
    return lambda b: replace(b, logits=change(b.logits))


def upstream(change: Callable[[Array], Any]) -> Change:
    return lambda b: b if b.upstream is None else replace(b, upstream=np.asarray(change(b.upstream)))


def weights(change: Callable[[Array], Array]) -> Change:
    return lambda b: b if b.weight is None else replace(b, weight=change(b.weight))


def anything_goes(b: Batch) -> None:
    """No label is refused."""


class Smoothing:
    """eps/C over all classes, weighted like the labels, in the loss and in the gradient."""

    over_the_others = Kernel(
        "eps / (C - 1) for the other classes",
        smoothed=lambda b: np.where(b.onehot > 0, 1 - b.smoothing, b.smoothing / max(1, b.classes - 1))
        * (b.weights * b.kept[:, None]).astype(b.wide)
        if not b.dense
        else smoothed(b),
    )
    not_renormalised = Kernel("y + eps/C", smoothed=lambda b: b.weights * (b.onehot + b.smoothing / b.classes) * b.kept[:, None])
    only_in_loss = Kernel("the gradient is that of eps = 0", backward=unsmoothed)
    only_in_gradient = Kernel("the loss is that of eps = 0", forward=unsmoothed)
    not_for_dense = Kernel("dense labels are not smoothed", see=lambda b: unsmoothed(b) if b.dense else b)
    without_weights = Kernel(
        "the uniform part is not weighted",
        smoothed=lambda b: smoothed(unsmoothed(b)) * (1 - b.smoothing) + b.smoothing / b.classes * b.kept[:, None],
    )
    weighted_by_label = Kernel(
        "the uniform part is weighted by the label's weight",
        smoothed=lambda b: (b.onehot @ b.weights)[:, None] * smoothed(unweighted(b)) if not b.dense else smoothed(b),
    )
    of_ignored_rows = Kernel(
        "ignored rows keep the uniform part",
        smoothed=lambda b: b.weights * ((1 - b.smoothing) * b.onehot + b.smoothing / b.classes),
    )
    twice = Kernel("smoothed labels are smoothed again", see=lambda b: replace(b, smoothing=1 - (1 - b.smoothing) ** 2))
    a_switch = Kernel("any eps is 0.1", see=lambda b: replace(b, smoothing=0.1 * (b.smoothing > 0)))


class Mean:
    """Divides by the weights of kept labels; dense labels by N."""

    over_all_rows = Kernel("N instead of kept rows", denominator=lambda b: b.wide(b.rows))
    over_kept_rows = Kernel("kept rows instead of their weights", denominator=lambda b: denominator(unweighted(b)))
    over_all_rows_in_gradient = Kernel("N, in the gradient only", row_scale=lambda b, d: row_scale(b, b.wide(b.rows)))
    unweighted_in_gradient = Kernel("kept rows, in the gradient only", backward=lambda b: b, row_scale=lambda b, d: row_scale(b, denominator(unweighted(b))))
    over_all_weights = Kernel("Σ w over the classes", denominator=lambda b: b.weights.sum())
    at_least_one = Kernel("max(Σ w, 1): wrong for few light rows", denominator=lambda b: np.maximum(denominator(b), b.wide(1)))
    plus_epsilon = Kernel("Σ w + 1e-6", denominator=lambda b: denominator(b) + b.wide(1e-6))
    dense_over_weights = Kernel("dense labels divided by Σ q w", denominator=lambda b: (b.onehot @ b.weights).sum())
    dense_over_cells = Kernel("dense labels divided by N C", denominator=lambda b: denominator(b) * (b.classes if b.dense else 1))
    off_by_one = Kernel("N - 1, as for a sample variance", denominator=lambda b: np.maximum(denominator(b) - 1, b.wide(1)))
    is_a_sum = Kernel("the mean is not divided", reduce=lambda x, d, b: reduce(x, b.wide(1), b))
    gradient_of_sum = Kernel("the mean's gradient is not divided", row_scale=lambda b, d: row_scale(b, b.wide(1)))
    sum_divides = Kernel("the sum is divided by N", reduce=lambda x, d, b: reduce(x, d, b) / (b.rows if b.reduction == "sum" else 1))
    none_divides = Kernel("reduction none has the mean's gradient", row_scale=lambda b, d: row_scale(b, d) / (b.rows if b.reduction == "none" else 1))
    empty_gradient_nan = Kernel("0/0 in the gradient of an empty mean", row_scale=lambda b, d: row_scale(b, b.wide(1)) / (d if b.reduction == "mean" else 1))
    empty_is_one = Kernel("an empty mean is 1", reduce=lambda x, d, b: np.asarray(b.wide(1)) if d == 0 and b.reduction == "mean" else reduce(x, d, b))


class Ignore:
    """Ignored rows have no effect."""

    only_in_loss = Kernel("gradients of ignored rows", backward=never_ignoring, row_scale=lambda b, d: row_scale(b, d))
    only_in_gradient = Kernel("losses of ignored rows", forward=never_ignoring)
    only_outside_range = Kernel("not a label in [0, C)", see=ignoring_only(lambda b: not 0 <= b.ignore_index < b.classes))
    only_inside_range = Kernel("not a label outside [0, C)", see=ignoring_only(lambda b: 0 <= b.ignore_index < b.classes))
    only_negative = Kernel("no label >= 0", see=ignoring_only(lambda b: b.ignore_index < 0))
    only_default = Kernel("no label but -100", see=ignoring_only(lambda b: b.ignore_index == -100))
    not_zero = Kernel("ignore_index 0 is taken for none", see=ignoring_only(lambda b: b.ignore_index != 0))
    default_too = Kernel("-100 is ignored whatever ignore_index says", see=relabelled(lambda y, b: np.where(y == -100, b.ignore_index, y)))
    negative_too = Kernel("all negative labels are ignored", see=relabelled(lambda y, b: np.where(y < 0, b.ignore_index, y)))
    by_multiplication = Kernel("ignored rows are multiplied by 0: NaN stays NaN", rows_of=lambda b: b.logits.astype(b.wide))
    nan_in_gradient = Kernel("the loss of ignored rows is masked, their softmax is not", rows_of=lambda b: b.logits.astype(b.wide), row_losses=lambda q, l, b: np.where(b.kept, row_losses(q, l, b), 0))
    first_row_never = Kernel("the first row always counts", see=lambda b: b if b.dense or b.kept[0] else replace(b, labels=np.concatenate([[0], b.labels[1:]]) if b.ignore_index else b.labels))
    all_if_any = Kernel("one ignored row ignores the batch", see=lambda b: b if b.kept.all() else replace(b, labels=np.full_like(b.labels, b.ignore_index)))
    tiny_gradient = Kernel("ignored rows have a gradient of 1e-30", gradient=lambda p, q, b: np.where(b.kept[:, None], gradient(p, q, b), b.wide(1e-30)))


class Labels:
    """Index labels are integers (N,) inside [0, C)."""

    wrap = Kernel("negative indices count from the end", check=anything_goes, see=relabelled(lambda y, b: np.where(y < 0, y + b.classes, y)))
    clamp = Kernel("clipped into [0, C)", see=relabelled(lambda y, b: np.clip(y, 0, b.classes - 1)))
    modulo = Kernel("taken modulo C", see=relabelled(lambda y, b: y % b.classes))
    outside_is_zero_loss = Kernel("a one-hot row of zeros", see=relabelled(lambda y, b: np.where((y < 0) | (y >= b.classes), b.ignore_index, y)))
    upper_unchecked = Kernel("only negative labels refused", see=relabelled(lambda y, b: np.minimum(y, b.classes - 1)))
    off_by_one_check = Kernel("label C passes as C - 1", see=relabelled(lambda y, b: np.where(y == b.classes, b.classes - 1, y)))
    as_int32 = Kernel("2**32 + 1 is read as 1", see=relabelled(lambda y, b: y.astype(np.int32)))
    as_int16 = Kernel("high bits lost", see=relabelled(lambda y, b: y.astype(np.int16)))
    as_int8 = Kernel("labels above 127 lose", see=relabelled(lambda y, b: y.astype(np.uint8)))
    in_logits_dtype = Kernel("labels pass through the logits' dtype", see=relabelled(lambda y, b: np.minimum(y.astype(b.logits.dtype).astype(np.int64), b.classes - 1)))
    float_truncated = Kernel("float labels are truncated", see=lambda b: b if b.labels.ndim == 2 or b.labels.dtype.kind != "f" else replace(b, labels=b.labels.astype(np.int64)))
    bool_accepted = Kernel("bools are classes 0 and 1", see=lambda b: replace(b, labels=b.labels.astype(np.int64)) if b.labels.dtype == bool else b)
    column_accepted = Kernel("(N, 1) is flattened", see=lambda b: replace(b, labels=b.labels[:, 0]) if b.labels.shape[1:] == (1,) and b.classes > 1 else b)
    one_for_all = Kernel("(1,) is broadcast", see=lambda b: replace(b, labels=np.repeat(b.labels, b.rows)) if b.labels.shape == (1,) else b)
    surplus_dropped = Kernel("labels beyond N are not looked at", see=lambda b: replace(b, labels=b.labels[: b.rows]) if not b.dense else b)
    int_onehot_accepted = Kernel("integer rows are soft labels", see=lambda b: replace(b, labels=b.labels.astype(b.wide)) if b.dense else b)
    int32_misread = Kernel("int32 labels are read as int64 memory", see=lambda b: replace(b, labels=np.arange(b.rows) % b.classes) if b.labels.dtype == np.int32 else b)
    of_the_first_chunk = Kernel("rows from 32 on have the first chunk's labels", see=lambda b: replace(b, labels=b.labels[np.arange(b.rows) % 32]))
    first_row_unchecked = Kernel("only the largest label is checked", check=lambda b: check(replace(b, labels=b.labels)) if b.dense or not b.rows else None, see=relabelled(lambda y, b: np.where(y < 0, 0, y)))
    shifted = Kernel("labels are 1-based", see=relabelled(lambda y, b: np.where((y > 0) & (y < b.classes), y - 1, y)))


class Upstream:
    """Multiplies each row's gradient, once."""

    unread = Kernel("not used", see=lambda b: replace(b, upstream=None))
    mean_only = Kernel("its mean for all rows", see=upstream(np.mean))
    total_only = Kernel("its sum for all rows", see=upstream(np.sum))
    first_only = Kernel("its first element for all rows", see=upstream(lambda g: g.flat[0]))
    magnitude = Kernel("its absolute value", see=upstream(np.abs))
    squared = Kernel("applied twice", see=upstream(np.square))
    clipped = Kernel("clipped to [-1, 1]", see=upstream(lambda g: np.clip(g.astype(np.float32), -1, 1)))
    shifted_row = Kernel("that of the row before", see=upstream(lambda g: np.roll(g, 1)))
    not_for_mean = Kernel("not used for a mean", row_scale=lambda b, d: row_scale(replace(b, upstream=None) if b.reduction == "mean" else b, d))
    not_for_sum = Kernel("not used for a sum", row_scale=lambda b, d: row_scale(replace(b, upstream=None) if b.reduction == "sum" else b, d))
    zero_is_nan = Kernel("normalised by itself: 0/0", see=upstream(lambda g: (g.astype(np.float32) / g.astype(np.float32)) * g.astype(np.float32)))
    zero_is_one = Kernel("a falsy upstream is taken for none", see=lambda b: b if b.upstream is None or b.upstream.any() else replace(b, upstream=None))
    on_the_loss = Kernel("multiplies the loss too", reduce=lambda x, d, b: reduce(x, d, b) * (1 if b.upstream is None else b.upstream.astype(b.wide)))
    after_rounding = Kernel("softmax only, not the label", gradient=lambda p, q, b: p * q.sum(axis=1, keepdims=True) - (q if b.upstream is None else np.sign(q)))


class Weight:
    """w[y] multiplies the row; soft labels are weighted class by class."""

    squared = Kernel("applied twice", see=weights(np.square))
    normalised = Kernel("divided by its mean", see=weights(lambda w: (w / w.mean()).astype(w.dtype)))
    of_the_largest_logit = Kernel(
        "w[argmax x] for w[y]",
        smoothed=lambda b: smoothed(b) if b.dense else smoothed(unweighted(b)) * b.weights[np.argmax(rows_of(b), axis=1)][:, None],
    )
    not_in_loss = Kernel("only the gradient", forward=lambda b: unweighted(b))
    not_in_gradient = Kernel("only the loss", backward=lambda b: unweighted(b))
    not_for_dense = Kernel("dense labels are not weighted", see=lambda b: unweighted(b) if b.dense else b)
    dense_by_argmax = Kernel("a dense row has the weight of its largest label", smoothed=lambda b: smoothed(unweighted(b)) * b.weights[np.argmax(b.onehot, axis=1)][:, None] if b.dense else smoothed(b))
    zero_is_one = Kernel("weight 0 is taken for none", see=weights(lambda w: np.where(w == 0, 1, w).astype(w.dtype)))
    in_mass_only = Kernel("sum(q) weighted in the gradient, q not", gradient=lambda p, q, b: p * q.sum(axis=1, keepdims=True) - (q if b.dense else q / np.where(b.weights == 0, 1, b.weights)))


class Dense:
    """Rows of any sum; the gradient is softmax sum(y) - y."""

    renormalised = Kernel("divided by their sum", see=dense_labels(lambda y: y / np.where(y.sum(1, keepdims=True) == 0, 1, y.sum(1, keepdims=True))))
    argmaxed = Kernel("read as their largest class", see=dense_labels(lambda y: np.eye(y.shape[1], dtype=y.dtype)[y.argmax(1)]))
    clipped = Kernel("negative labels are 0", see=dense_labels(lambda y: np.maximum(y, 0)))
    assumed_normalised = Kernel("softmax - y whatever y sums to", gradient=lambda p, q, b: p * b.kept[:, None] - q if b.dense and b.weight is None else gradient(p, q, b))
    divergence = Kernel("the Kullback-Leibler divergence: minus the entropy of y", row_losses=lambda q, l, b: row_losses(q, l - np.log(np.where(q > 0, q, 1)), b))
    softmaxed = Kernel("labels pass through a softmax", see=dense_labels(lambda y: np.exp(y) / np.exp(y).sum(1, keepdims=True)))
    thresholded = Kernel("labels below 1/64 are 0", see=dense_labels(lambda y: np.where(np.abs(y) < 1 / 64, 0, y)))
    in_bfloat16 = Kernel("smoothed labels are stored in bfloat16", smoothed=lambda b: smoothed(b).astype(ml_dtypes.bfloat16).astype(b.wide))


def every_fault() -> Iterator[str]:
    """Dotted names of all faults of this file."""
    for name, family in list(globals().items()):
        if isinstance(family, type) and family.__module__ == __name__:
            yield from (f"{name}.{fault}" for fault in vars(family) if not fault.startswith("_"))
