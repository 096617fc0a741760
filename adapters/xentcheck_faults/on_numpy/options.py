"""Mistakes with smoothing, upstream gradients and weights."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from xentcheck_faults.on_numpy.changes import unsmoothed, unweighted, upstream, weights
from xentcheck_faults.on_numpy.ignore import refusing
from xentcheck_faults.on_numpy.kernel import (
    Array,
    Batch,
    Kernel,
    check,
    reduce,
    row_losses,
    row_scale,
    rows_of,
    smoothed,
)


def mixed(share: Any) -> Any:
    """Labels that keep another share than 1 - eps beside the uniform part."""
    return lambda b: b.weights * (share(b) * b.onehot + b.wide(b.smoothing) / b.classes) * b.kept[:, None]


def only_vectors(b: Batch) -> None:
    if b.upstream is not None and not b.upstream.ndim:
        raise ValueError("grad_output must have one dimension, got 0")
    check(b)


def only_scalars(b: Batch) -> None:
    if b.upstream is not None and b.upstream.size > 1:
        raise ValueError("The truth value of an array with more than one element is ambiguous")
    check(b)


def only_single_weights(b: Batch) -> None:
    if b.weight is not None and b.weight.dtype != np.float32 and not b.kept.all():
        raise TypeError(f"cannot choose between a float32 zero and weights in {b.weight.dtype}")
    check(b)


def weights_gathered_first(b: Batch) -> None:
    out_of_bounds = refusing(lambda y, classes: (y < -classes) | (y >= classes))
    (check if b.weight is None else out_of_bounds)(b)


def scratch_if_silent(logits: Array, labels: Array, *, grad_output: Array | None = None, **options: Any) -> Any:
    """The forward pass leaves its softmax in the gradient's buffer, and the backward is skipped for nothing."""
    if grad_output is None or grad_output.any():
        return honest(logits, labels, grad_output=grad_output, **options)
    return scratch(logits, labels, **options)


honest = Kernel("no fault: what the faults of this part are made around")
scratch = Kernel("softmax in the place of the gradient", gradient=lambda p, q, b: p)


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
    short_of_one = Kernel(
        "1 - eps C/(C - 1) and eps: shares that do not add up to 1",
        smoothed=mixed(lambda b: 1 - b.wide(b.smoothing) * b.classes / max(1, b.classes - 1)),
    )
    more_than_one = Kernel(
        "1 - eps/C and eps: shares that add up to more than 1",
        smoothed=mixed(lambda b: 1 - b.wide(b.smoothing) / b.classes),
    )
    of_nothing = Kernel(
        "0 times the mean of log-softmax where nothing is smoothed",
        row_losses=lambda q, log_p, b: row_losses(q, log_p, b) - (0 if b.smoothing else 0 * log_p.mean(axis=1)),
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
    not_for_dense = Kernel(
        "not used for dense labels",
        row_scale=lambda b, d: row_scale(replace(b, upstream=None) if b.dense else b, d),
    )
    only_below_one = Kernel("used where it is below 1", see=upstream(lambda g: np.minimum(g.astype(np.float32), 1)))
    only_scalars = Kernel("compared with 1 in an if, which vectors refuse", check=only_scalars)
    only_vectors = Kernel("one number is refused", check=only_vectors)
    scratch_if_silent = staticmethod(scratch_if_silent)


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
    in_single_beside_ignored = Kernel(
        "weights in another dtype than float32 are refused beside ignored rows", check=only_single_weights
    )
    gathered_before_masked = Kernel("w[y] is read before ignored labels are masked", check=weights_gathered_first)
