"""Mistakes with sample weights."""

from __future__ import annotations

import numpy as np

from xentcheck_faults.on_numpy.changes import sample_weights, without_sample_weights
from xentcheck_faults.on_numpy.kernel import Kernel, denominator, row_scale, weigh


class SampleWeight:
    """s multiplies each row's loss, and the mean divides by its sum."""

    unread = Kernel("not used", see=without_sample_weights)
    not_in_loss = Kernel("only the gradient", forward=without_sample_weights)
    not_in_gradient = Kernel("only the loss", backward=without_sample_weights)
    over_rows = Kernel("the mean divides by N", denominator=lambda b: denominator(without_sample_weights(b)))
    over_rows_in_gradient = Kernel(
        "N, in the gradient only", row_scale=lambda b, d: row_scale(b, denominator(without_sample_weights(b)))
    )
    over_weighted_rows = Kernel(
        "the mean divides by the number of rows with a weight",
        denominator=lambda b: denominator(sample_weights(lambda s: (s > 0).astype(s.dtype))(b)),
    )
    over_all_rows = Kernel(
        "ignored rows stay in the sum of sample weights",
        denominator=lambda b: b.row_weights.sum() if b.sample_weight is not None else denominator(b),
    )
    at_least_one = Kernel(
        "max(sum of s, 1)",
        denominator=lambda b: denominator(b) if b.sample_weight is None else np.maximum(denominator(b), b.wide(1)),
    )
    a_mask = Kernel("any weight but 0 is 1", see=sample_weights(lambda s: (s > 0).astype(s.dtype)))
    squared = Kernel("applied twice", see=sample_weights(np.square))
    normalised = Kernel(
        "divided by its mean", see=sample_weights(lambda s: (s / s.astype(np.float32).mean()).astype(s.dtype))
    )
    of_the_row_before = Kernel("that of another row", see=sample_weights(lambda s: np.roll(s, 1)))
    zero_is_one = Kernel(
        "weight 0 is taken for none", see=sample_weights(lambda s: np.where(s == 0, 1, s).astype(s.dtype))
    )
    not_for_dense = Kernel("dense labels are not weighted", see=lambda b: without_sample_weights(b) if b.dense else b)
    not_for_none = Kernel(
        "only where the rows are reduced",
        weigh=lambda values, b: values if b.reduction == "none" else weigh(values, b),
    )
    of_the_mean_loss = Kernel(
        "mean of the losses times mean of the weights", weigh=lambda values, b: values * b.row_weights.mean()
    )
