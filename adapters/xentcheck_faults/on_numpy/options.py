"""Mistakes with smoothing, reductions, ignored rows, upstream gradients and weights."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from xentcheck_faults.on_numpy.changes import (
    ignoring_only,
    never_ignoring,
    relabelled,
    unsmoothed,
    unweighted,
    upstream,
    weights,
)
from xentcheck_faults.on_numpy.kernel import (
    Kernel,
    denominator,
    gradient,
    reduce,
    row_losses,
    row_scale,
    rows_of,
    smoothed,
)


class Smoothing:
    """eps/C over all classes, weighted like the labels, in the loss and in the gradient."""

    over_the_others = Kernel(
        "eps / (C - 1) for the other classes",
        smoothed=lambda b: (
            np.where(b.onehot > 0, 1 - b.smoothing, b.smoothing / max(1, b.classes - 1))
            * (b.weights * b.kept[:, None]).astype(b.wide)
            if not b.dense
            else smoothed(b)
        ),
    )
    not_renormalised = Kernel(
        "y + eps/C", smoothed=lambda b: b.weights * (b.onehot + b.smoothing / b.classes) * b.kept[:, None]
    )
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
    unweighted_in_gradient = Kernel(
        "kept rows, in the gradient only", row_scale=lambda b, d: row_scale(b, denominator(unweighted(b)))
    )
    over_all_weights = Kernel("Σ w over the classes", denominator=lambda b: b.weights.sum())
    at_least_one = Kernel(
        "max(Σ w, 1): wrong for few light rows", denominator=lambda b: np.maximum(denominator(b), b.wide(1))
    )
    plus_epsilon = Kernel("Σ w + 1e-6", denominator=lambda b: denominator(b) + b.wide(1e-6))
    in_the_dtype = Kernel(
        "the sum before the division is kept in the logits' dtype",
        reduce=lambda x, d, b: reduce(x, d, b) if b.reduction == "none" else reduce(x.astype(b.logits.dtype), d, b),
    )
    dense_over_weights = Kernel("dense labels divided by Σ q w", denominator=lambda b: (b.onehot @ b.weights).sum())
    dense_over_cells = Kernel(
        "dense labels divided by N C", denominator=lambda b: denominator(b) * (b.classes if b.dense else 1)
    )
    off_by_one = Kernel(
        "N - 1, as for a sample variance", denominator=lambda b: np.maximum(denominator(b) - 1, b.wide(1))
    )
    is_a_sum = Kernel("the mean is not divided", reduce=lambda x, d, b: reduce(x, b.wide(1), b))
    gradient_of_sum = Kernel("the mean's gradient is not divided", row_scale=lambda b, d: row_scale(b, b.wide(1)))
    sum_divides = Kernel(
        "the sum is divided by N", reduce=lambda x, d, b: reduce(x, d, b) / (b.rows if b.reduction == "sum" else 1)
    )
    none_divides = Kernel(
        "reduction none has the mean's gradient",
        row_scale=lambda b, d: row_scale(b, d) / (b.rows if b.reduction == "none" else 1),
    )
    empty_gradient_nan = Kernel(
        "0/0 in the gradient of an empty mean",
        row_scale=lambda b, d: row_scale(b, b.wide(1)) / (d if b.reduction == "mean" else 1),
    )
    empty_is_one = Kernel(
        "an empty mean is 1",
        reduce=lambda x, d, b: np.asarray(b.wide(1)) if d == 0 and b.reduction == "mean" else reduce(x, d, b),
    )


class Ignore:
    """Ignored rows have no effect."""

    only_in_loss = Kernel("gradients of ignored rows", backward=never_ignoring)
    only_in_gradient = Kernel("losses of ignored rows", forward=never_ignoring)
    only_outside_range = Kernel(
        "not a label in [0, C)", see=ignoring_only(lambda b: not 0 <= b.ignore_index < b.classes)
    )
    only_inside_range = Kernel(
        "not a label outside [0, C)", see=ignoring_only(lambda b: 0 <= b.ignore_index < b.classes)
    )
    only_negative = Kernel("no label >= 0", see=ignoring_only(lambda b: b.ignore_index < 0))
    only_default = Kernel("no label but -100", see=ignoring_only(lambda b: b.ignore_index == -100))
    not_zero = Kernel("ignore_index 0 is taken for none", see=ignoring_only(lambda b: b.ignore_index != 0))
    default_too = Kernel(
        "-100 is ignored whatever ignore_index says",
        see=relabelled(lambda y, b: np.where(y == -100, b.ignore_index, y)),
    )
    negative_too = Kernel(
        "all negative labels are ignored", see=relabelled(lambda y, b: np.where(y < 0, b.ignore_index, y))
    )
    by_multiplication = Kernel(
        "ignored rows are multiplied by 0: NaN stays NaN", rows_of=lambda b: b.logits.astype(b.wide)
    )
    nan_in_gradient = Kernel(
        "the loss of ignored rows is masked, their softmax is not",
        rows_of=lambda b: b.logits.astype(b.wide),
        row_losses=lambda q, log_p, b: np.where(b.kept, row_losses(q, log_p, b), 0),
    )
    first_row_never = Kernel(
        "the first row always counts",
        see=lambda b: (
            b
            if b.dense or b.kept[0]
            else replace(b, labels=np.concatenate([[0], b.labels[1:]]) if b.ignore_index else b.labels)
        ),
    )
    all_if_any = Kernel(
        "one ignored row ignores the batch",
        see=lambda b: b if b.kept.all() else replace(b, labels=np.full_like(b.labels, b.ignore_index)),
    )
    tiny_gradient = Kernel(
        "ignored rows have a gradient of 1e-30",
        gradient=lambda p, q, b: np.where(b.kept[:, None], gradient(p, q, b), b.wide(1e-30)),
    )


class Upstream:
    """Multiplies each row's gradient, once."""

    unread = Kernel("not used", see=lambda b: replace(b, upstream=None))
    mean_only = Kernel("its mean for all rows", see=upstream(np.mean))
    total_only = Kernel("its sum for all rows", see=upstream(np.sum))
    first_only = Kernel("its first element for all rows", see=upstream(lambda g: g.flat[0]))
    magnitude = Kernel("its absolute value", see=upstream(np.abs))
    squared = Kernel("applied twice", see=upstream(np.square))
    clipped = Kernel("clipped to [-1, 1]", see=upstream(lambda g: np.clip(g.astype(np.float32), -1, 1)))
    clipped_far_out = Kernel(
        "clipped to [-4096, 4096], as a remedy for exploding gradients",
        see=upstream(lambda g: np.clip(g.astype(np.float64), -4096, 4096)),
    )
    flushed = Kernel(
        "zero where it is below 1e-4",
        see=upstream(lambda g: np.where(np.abs(g.astype(np.float64)) < 1e-4, 0, g.astype(np.float64))),
    )
    never_quite_zero = Kernel(
        "kept away from zero by the smallest normal number, for a division",
        see=upstream(lambda g: np.where(g == 0, np.finfo(np.float32).tiny, g.astype(np.float64))),
    )
    shifted_row = Kernel("that of the row before", see=upstream(lambda g: np.roll(g, 1)))
    not_for_mean = Kernel(
        "not used for a mean",
        row_scale=lambda b, d: row_scale(replace(b, upstream=None) if b.reduction == "mean" else b, d),
    )
    not_for_sum = Kernel(
        "not used for a sum",
        row_scale=lambda b, d: row_scale(replace(b, upstream=None) if b.reduction == "sum" else b, d),
    )
    zero_is_nan = Kernel(
        "normalised by itself: 0/0",
        see=upstream(lambda g: (g.astype(np.float32) / g.astype(np.float32)) * g.astype(np.float32)),
    )
    zero_is_one = Kernel(
        "a falsy upstream is taken for none",
        see=lambda b: b if b.upstream is None or b.upstream.any() else replace(b, upstream=None),
    )
    on_the_loss = Kernel(
        "multiplies the loss too",
        reduce=lambda x, d, b: reduce(x, d, b) * (1 if b.upstream is None else b.upstream.astype(b.wide)),
    )
    after_rounding = Kernel(
        "softmax only, not the label",
        gradient=lambda p, q, b: p * q.sum(axis=1, keepdims=True) - (q if b.upstream is None else np.sign(q)),
    )


class Weight:
    """w[y] multiplies the row; soft labels are weighted class by class."""

    squared = Kernel("applied twice", see=weights(np.square))
    normalised = Kernel("divided by its mean", see=weights(lambda w: (w / w.mean()).astype(w.dtype)))
    of_the_largest_logit = Kernel(
        "w[argmax x] for w[y]",
        smoothed=lambda b: (
            smoothed(b) if b.dense else smoothed(unweighted(b)) * b.weights[np.argmax(rows_of(b), axis=1)][:, None]
        ),
    )
    not_in_loss = Kernel("only the gradient", forward=unweighted)
    not_in_gradient = Kernel("only the loss", backward=unweighted)
    not_for_dense = Kernel("dense labels are not weighted", see=lambda b: unweighted(b) if b.dense else b)
    dense_by_argmax = Kernel(
        "a dense row has the weight of its largest label",
        smoothed=lambda b: (
            smoothed(unweighted(b)) * b.weights[np.argmax(b.onehot, axis=1)][:, None] if b.dense else smoothed(b)
        ),
    )
    zero_is_one = Kernel("weight 0 is taken for none", see=weights(lambda w: np.where(w == 0, 1, w).astype(w.dtype)))
    in_mass_only = Kernel(
        "sum(q) weighted in the gradient, q not",
        gradient=lambda p, q, b: (
            p * q.sum(axis=1, keepdims=True) - (q if b.dense else q / np.where(b.weights == 0, 1, b.weights))
        ),
    )
