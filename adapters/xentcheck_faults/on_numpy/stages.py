"""Mistakes with the z-loss and with soft-capped logits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from xentcheck_faults.on_numpy.kernel import Kernel, cap_slope, capped, z_slope, z_term


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
