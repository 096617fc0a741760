"""Honest softmax cross-entropies, as different from one another as people write them. None may be accused, at any level
and in any dtype. Subject names are `numpy:xentcheck_faults.on_numpy.honest:log_sum_exp_minus_logit`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import reduce as fold
from typing import Any

import ml_dtypes
import numpy as np

from xentcheck_faults.on_numpy.kernel import (
    Array,
    Batch,
    Kernel,
    check,
    denominator,
    maximum,
    reduce,
    row_losses,
    row_scale,
    smoothed,
    store,
    total,
    weigh,
    z_slope,
    z_term,
)


def keep_wide(loss: Array, grad: Array, b: Batch) -> tuple[Array, Array]:
    """The loss in the dtype of the arithmetic, the gradient in the logits'."""
    return loss, grad.astype(b.logits.dtype)


def sequential(e: Array) -> Array:
    """One term after another, as a naive loop adds."""
    return np.asarray(np.cumsum(e, axis=1)[:, -1:])


def online(width: int) -> Callable[[Array], Array]:
    """Running maximum and rescaled running sum over blocks of classes; NumPy's axis is already shifted, so this is the
    same recurrence on exp(x - max) with the blocks' own maxima."""

    def summed(e: Array) -> Array:
        top, s = np.zeros_like(e[:, :1]), np.zeros_like(e[:, :1])
        for start in range(0, e.shape[1], width):
            block = e[:, start : start + width]
            new = np.maximum(top, maximum(block))
            safe = np.where(new > 0, new, 1)
            s = s * (np.where(top > 0, top, 0) / safe) + total(block / safe)
            top = safe * (new > 0)
        return np.asarray(s * top)

    return summed


wide = Kernel("float32 arithmetic, float64 for float64")
always_double = Kernel(
    "float64 inside and out", wide=lambda dtype: np.float64, store=lambda loss, grad, b: (loss, grad)
)
double_inside = Kernel("float64 inside, the logits' dtype out", wide=lambda dtype: np.float64)
wide_loss = Kernel("a float32 loss for 16-bit logits", store=keep_wide)
sequential_sum = Kernel("sums added one by one", total=sequential)
online_128 = Kernel("an online sum over blocks of 128 classes", total=online(128))
exp_of_log_softmax = Kernel(
    "softmax as exp of the stored log-softmax", softmax=lambda e, s: np.exp(np.log(e) - np.log(s))
)
slope_of_the_stored_tanh = Kernel(
    "1 - tanh², as automatic differentiation has it", cap_slope=lambda x, b: 1 - np.tanh(x / b.wide(b.softcap)) ** 2
)
softmax_by_reciprocal = Kernel("softmax times a reciprocal", softmax=lambda e, s: e * (1 / s))
exp2_log2 = Kernel(
    "exp2 and log2 with rounded constants",
    exp=lambda x: np.exp2(x * x.dtype.type(1.4426950408889634)),
    log=lambda s: np.log2(s) * s.dtype.type(0.6931471805599453),
)


def log_sum_exp_minus_logit(
    logits: Array,
    labels: Array,
    *,
    weight: Array | None = None,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
    z_loss: float = 0.0,
    reduction: str = "mean",
    grad_output: Array | None = None,
) -> tuple[Array, Array]:
    """sum(q) logsumexp(x) - sum(q x): loses the digits that cancel where logits have a large common offset.

    Dense and smoothed labels go through log-softmax, for sum(q x) of large logits would cancel too.
    """
    real = np.float64 if logits.dtype.type is np.float64 else np.float32
    b = Batch(logits, labels, weight, ignore_index, label_smoothing, reduction, grad_output, real, z_loss)
    check(b)
    q = smoothed(b)
    with np.errstate(all="ignore"):
        x = np.where(b.kept[:, None], logits.astype(real), 0)
        top = maximum(x)
        log_sum = top + np.log(total(np.exp(x - top)))
        nll = log_sum - x
        divisor = denominator(b)
        losses, mass = row_losses(q, -nll, b), q.sum(axis=1, keepdims=True)
        if z_loss:
            losses, mass = losses + z_term(log_sum, b)[:, 0], mass + z_slope(log_sum, b)
        loss, grad = reduce(losses, divisor, b), np.exp(-nll) * mass - q
        grad = np.where(b.kept[:, None], grad * np.broadcast_to(row_scale(b, divisor), (b.rows,))[:, None], 0)
    return store(loss, grad, b)


def row_by_row(
    logits: Array, labels: Array, *, reduction: str = "mean", grad_output: Array | None = None, **options: Any
) -> Any:
    """A Python loop over the rows; the mean's denominator is found first."""
    rows = len(logits)
    real = np.float64 if logits.dtype.type is np.float64 else np.float32
    b = Batch(
        logits,
        labels,
        options.get("weight"),
        options.get("ignore_index", -100),
        options.get("label_smoothing", 0.0),
        reduction,
        None,
        real,
    )
    check(b)
    b = replace(b, sample_weight=options.pop("sample_weight", None))
    divisor = denominator(b)
    upstream = np.ones(rows, real) if grad_output is None else np.broadcast_to(grad_output.astype(real), (rows,))
    each = [wide(logits[i : i + 1], labels[i : i + 1], reduction="none", **options) for i in range(rows)]
    losses = [s * loss[0].astype(real) for s, (loss, _) in zip(b.row_weights, each)]
    with np.errstate(all="ignore"):
        scale = b.row_weights * (upstream / np.where(divisor == 0, 1, divisor) if reduction == "mean" else upstream)
        grad = np.stack([s * g[0].astype(real) for s, (_, g) in zip(scale, each)])
        summed = fold(lambda a, c: a + c, losses)
        loss = np.asarray({"none": losses, "sum": summed, "mean": summed / divisor}[reduction])
    return store(loss, grad, b)


def every_operation_rounded(logits: Array, labels: Array, **options: Any) -> Any:
    """Elementwise operations round to the dtype; only sums over the classes are kept in float32."""
    if logits.dtype not in (np.float16, ml_dtypes.bfloat16):
        return wide(logits, labels, **options)
    return rounding(logits.dtype)(logits, labels, **options)


def rounding(dtype: Any) -> Kernel:
    """The kernel with every stage's result rounded to a dtype."""

    def rounded(a: Array) -> Array:
        return np.asarray(a, np.float32).astype(dtype).astype(np.float32)

    def counted(a: Any) -> Array:
        """Rounded, but for counts of terms and rows that only float32 holds: NUM-7 and NUM-8 are about those."""
        return np.where(np.isinf(rounded(a)), a, rounded(a))

    def gradient(p: Array, q: Array, b: Batch) -> Array:
        return rounded(rounded(p * rounded(q.sum(axis=1, keepdims=True))) - q)

    def tanh(x: Array, b: Batch) -> Array:
        return rounded(np.tanh(rounded(x / b.wide(b.softcap))))

    return Kernel(
        "rounded to 16 bits",
        capped=lambda x, b: x if b.softcap is None else rounded(b.wide(b.softcap) * tanh(x, b)),
        cap_slope=lambda x, b: rounded(1 - rounded(tanh(x, b) ** 2)),
        log_sum_exp=lambda top, log_total: rounded(top + log_total),
        z_term=lambda z, b: rounded(b.wide(b.z_loss) * rounded(z_term(z, replace(b, z_loss=1.0)))),
        z_slope=lambda z, b: rounded(z_slope(z, b)),
        exp=lambda x: rounded(np.exp(rounded(x))),
        total=lambda e: counted(total(e)),
        log=lambda s: rounded(np.log(s)),
        softmax=lambda e, s: rounded(e / s),
        smoothed=lambda b: rounded(smoothed(b)),
        row_losses=lambda q, log_p, b: rounded(row_losses(q, rounded(log_p), b)),
        gradient=gradient,
        weigh=lambda values, b: rounded(weigh(values, b)),
        row_scale=lambda b, d: rounded(row_scale(b, counted(d))),
        denominator=lambda b: counted(denominator(b)),
    )


def without_options(
    logits: Array, labels: Array, *, reduction: str = "mean", grad_output: Array | None = None
) -> tuple[Array, Array]:
    """Offers neither weights, nor smoothing, nor an ignored label: what it lacks is no fault."""
    return wide(logits, labels, reduction=reduction, ignore_index=-(2**62), grad_output=grad_output)
