"""Mistakes with reductions, and with what a mean divides by."""

from __future__ import annotations

import ml_dtypes
import numpy as np

from xentcheck_faults.on_numpy.changes import unweighted
from xentcheck_faults.on_numpy.kernel import Array, Kernel, denominator, reduce, row_scale, running_sum


def half(value: Array) -> Array:
    """Rounded to float16."""
    return np.asarray(value.astype(np.float16).astype(value.dtype))


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
    divides_whatever = Kernel(
        "the gradient is divided by N, whatever the reduction",
        row_scale=lambda b, d: row_scale(b, d) / (1 if b.reduction == "mean" else b.wide(max(1, b.rows))),
    )
    divided_twice_in_gradient = Kernel(
        "divided in the kernel, and again in the backward",
        row_scale=lambda b, d: row_scale(b, d) / (d if b.reduction == "mean" and d else b.wide(1)),
    )
    ignored_twice = Kernel(
        "ignored rows are subtracted twice from the count",
        denominator=lambda b: np.maximum(denominator(b) - (~b.kept).sum().astype(b.wide), b.wide(1)),
    )
    dense_not_divided = Kernel(
        "the mean of rows with dense labels is a sum", denominator=lambda b: b.wide(1) if b.dense else denominator(b)
    )
    running_sum_in_bfloat16 = Kernel(
        "a running sum of the losses in bfloat16",
        reduce=lambda x, d, b: reduce(x if b.reduction == "none" else running_sum(x, ml_dtypes.bfloat16), d, b),
    )
    reciprocal_in_half = Kernel(
        "times 1/N in float16",
        reduce=lambda x, d, b: x.sum() * half(1 / d) if b.reduction == "mean" else reduce(x, d, b),
    )
