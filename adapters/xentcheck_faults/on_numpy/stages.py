"""Mistakes with the z-loss and with soft-capped logits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from xentcheck_faults.on_numpy.kernel import (
    Array,
    Batch,
    Kernel,
    cap_slope,
    capped,
    denominator,
    gradient,
    maximum,
    row_losses,
    rows_of,
    softmax_of,
    total,
    z_slope,
    z_term,
)


def of_probabilities(b: Batch) -> Array:
    """(N, 1) log-sum-exp of the softmax."""
    p = softmax_of(capped(rows_of(b), b))
    return np.asarray(maximum(p) + np.log(total(np.exp(p - maximum(p)))))


def label_in_half(q: Array, log_p: Array, b: Batch) -> Array:
    """The label's logit is capped in float16, those of the sum in float32."""
    if b.softcap is None:
        return row_losses(q, log_p, b)
    wide = capped(rows_of(b), b)
    half = capped(rows_of(b).astype(np.float16), replace(b, wide=np.float16)).astype(b.wide)
    return row_losses(q, log_p + np.where(np.isfinite(half), half - wide, 0), b)


class ZLoss:
    """zeta times the squared log-sum-exp, once a row that counts."""

    not_doubled = Kernel("the gradient lacks the factor 2", z_slope=lambda z, b: z_slope(z, b) / 2)
    of_the_shifted_row = Kernel("log-sum-exp of x - max", log_sum_exp=lambda top, log_total: log_total)
    not_squared = Kernel(
        "|log-sum-exp| itself in the loss", z_term=lambda z, b: b.wide(b.z_loss) * np.abs(z) * b.kept[:, None]
    )
    only_in_loss = Kernel("no gradient", backward=lambda b: replace(b, z_loss=0.0))
    only_in_gradient = Kernel("not in the loss", forward=lambda b: replace(b, z_loss=0.0))
    subtracted = Kernel("subtracted", see=lambda b: replace(b, z_loss=-b.z_loss))
    of_ignored_rows = Kernel(
        "ignored rows pay it too",
        z_term=lambda z, b: b.wide(b.z_loss) * z**2,
    )
    gradient_of_ignored_rows = Kernel("ignored rows have its gradient", z_slope=lambda z, b: 2 * b.wide(b.z_loss) * z)
    weighted = Kernel(
        "weighted like the label",
        z_term=lambda z, b: z_term(z, b) * (b.onehot @ b.weights)[:, None],
        z_slope=lambda z, b: z_slope(z, b) * (b.onehot @ b.weights)[:, None],
    )
    over_the_loss = Kernel(
        "its buffer is that of the loss, which it overwrites",
        row_losses=lambda q, log_p, b: row_losses(q, log_p, b) * (not b.z_loss),
    )
    of_probabilities = Kernel(
        "log-sum-exp of the softmax, not of the logits", z_term=lambda z, b: z_term(of_probabilities(b), b)
    )
    averaged_over_all_rows = Kernel(
        "its gradient is divided by N, whatever the loss is divided by",
        z_slope=lambda z, b: z_slope(z, b) * (denominator(b) / b.rows if b.reduction == "mean" else 1),
    )


class Softcap:
    """c tanh(x / c) in the place of the logits, before anything else."""

    without_derivative = Kernel("the gradient is that to the capped logits", cap_slope=lambda x, b: np.ones_like(x))
    derivative_of_the_capped = Kernel(
        "the cap's derivative at the capped logits", cap_slope=lambda x, b: cap_slope(capped(x, b), b)
    )
    after_the_maximum = Kernel("x - max is capped", capped=lambda x, b: capped(x - x.max(axis=1, keepdims=True), b))
    not_rescaled = Kernel("tanh(x / c)", capped=lambda x, b: x if b.softcap is None else np.tanh(x / b.wide(b.softcap)))
    clipped = Kernel(
        "x clipped to [-c, c]",
        capped=lambda x, b: x if b.softcap is None else np.clip(x, -b.wide(b.softcap), b.wide(b.softcap)),
    )
    only_in_loss = Kernel("the gradient is that of no cap", backward=lambda b: replace(b, softcap=None))
    not_in_loss = Kernel("the loss is that of no cap", forward=lambda b: replace(b, softcap=None))
    slope_on_the_softmax = Kernel(
        "the cap's derivative multiplies the softmax, and not the label",
        cap_slope=lambda x, b: np.ones_like(x),
        gradient=lambda p, q, b: gradient(p, q, b) + (cap_slope(rows_of(b), b) - 1) * p * q.sum(1, keepdims=True),
    )
    label_in_half = Kernel("the label's logit is capped in float16", row_losses=label_in_half)
