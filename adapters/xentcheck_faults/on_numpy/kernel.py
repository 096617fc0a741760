"""A softmax cross-entropy made of stages, each of which can be exchanged. As it stands it is honest.

A faulty implementation is this kernel with one stage broken, so what a test of the suite's detection power proves is
that the suite sees *that* stage.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Batch:
    """One call. logits (N, C) in the dtype of the caller; labels (N,) or (N, C); weight (C,); sample_weight (N,); wide:
    dtype of arithmetic."""

    logits: Array
    labels: Array
    weight: Array | None
    ignore_index: int
    smoothing: float
    reduction: str
    upstream: Array | None
    wide: Any
    z_loss: float = 0.0
    softcap: float | None = None
    sample_weight: Array | None = None

    @property
    def dense(self) -> bool:
        return self.labels.ndim == 2

    @property
    def rows(self) -> int:
        return len(self.logits)

    @property
    def classes(self) -> int:
        return int(self.logits.shape[1])

    @property
    def kept(self) -> Array:
        """(N,) rows that count."""
        return np.ones(self.rows, bool) if self.dense else np.asarray(self.labels != self.ignore_index)

    @property
    def weights(self) -> Array:
        """(C,) class weights, ones where none are given."""
        return np.ones(self.classes, self.wide) if self.weight is None else self.weight.astype(self.wide)

    @property
    def row_weights(self) -> Array:
        """(N,) sample weights, ones where none are given."""
        return np.ones(self.rows, self.wide) if self.sample_weight is None else self.sample_weight.astype(self.wide)

    @property
    def onehot(self) -> Array:
        """(N, C) dense labels, or class indices as rows; zero where a row is ignored."""
        if self.dense:
            return self.labels.astype(self.wide)
        kept, rows = self.kept, np.zeros((self.rows, self.classes), self.wide)
        rows[kept, self.labels[kept]] = 1
        return rows


def check(b: Batch) -> None:
    """Refuse labels of a wrong dtype or shape, or outside [0, C)."""
    if b.dense and b.labels.shape == b.logits.shape and b.labels.dtype.kind not in "iub":
        return
    if b.labels.dtype.kind not in "iu":
        raise TypeError(f"labels must be integers (N,), got {b.labels.dtype}")
    if b.labels.shape != (b.rows,):
        raise ValueError(f"labels must have shape ({b.rows},), got {b.labels.shape}")
    if (b.kept & ((b.labels < 0) | (b.labels >= b.classes))).any():
        raise IndexError(f"labels must be in [0, {b.classes}) or {b.ignore_index}")


def rows_of(b: Batch) -> Array:
    """(N, C) logits, zeros in ignored rows: those may be NaN, and 0 times NaN is NaN."""
    return np.where(b.kept[:, None], b.logits.astype(b.wide), 0)


def capped(x: Array, b: Batch) -> Array:
    """(N, C) c tanh(x / c), or x where nothing caps it."""
    return x if b.softcap is None else np.asarray(b.wide(b.softcap) * np.tanh(x / b.wide(b.softcap)))


def cap_slope(x: Array, b: Batch) -> Array:
    """(N, C) the derivative of the cap, 1 / cosh(x / c)²."""
    return np.ones_like(x) if b.softcap is None else np.asarray(np.cosh(x / b.wide(b.softcap)) ** -2)


def smoothed(b: Batch) -> Array:
    """(N, C) weighted and smoothed labels q = w ((1 - eps) y + eps/C), zero in ignored rows."""
    q = b.weights * ((1 - b.wide(b.smoothing)) * b.onehot + b.wide(b.smoothing) / b.classes)
    return np.asarray(q * b.kept[:, None])


def maximum(x: Array) -> Array:
    """(N, 1) what is subtracted before exp."""
    return np.asarray(x.max(axis=1, keepdims=True))


def total(e: Array) -> Array:
    """(N, 1) sum over the classes."""
    return np.asarray(e.sum(axis=1, keepdims=True))


def log_sum_exp(top: Array, log_total: Array) -> Array:
    """(N, 1) of the capped logits, for the z-loss."""
    return top + log_total


def z_term(log_sum: Array, b: Batch) -> Array:
    """(N, 1) zeta times the squared log-sum-exp, zero in ignored rows."""
    return np.where(b.kept[:, None], b.wide(b.z_loss) * log_sum**2, 0)


def z_slope(log_sum: Array, b: Batch) -> Array:
    """(N, 1) its derivative by the log-sum-exp."""
    return np.where(b.kept[:, None], 2 * b.wide(b.z_loss) * log_sum, 0)


def row_losses(q: Array, log_softmax: Array, b: Batch) -> Array:
    """(N,) -sum q log softmax, where 0 times infinity is 0."""
    return np.asarray(-np.where(q == 0, 0, q * log_softmax).sum(axis=1))


def gradient(p: Array, q: Array, b: Batch) -> Array:
    """(N, C) softmax times sum(q) minus q."""
    return np.asarray(p * q.sum(axis=1, keepdims=True) - q)


def weigh(values: Array, b: Batch) -> Array:
    """Losses (N,) or gradients (N, C) times the rows' sample weights."""
    return np.asarray(values * b.row_weights.reshape(-1, *[1] * (values.ndim - 1)))


def denominator(b: Batch) -> Any:
    """Of the mean: sample weights times the weights of kept labels; sample weights alone for dense labels."""
    return (b.row_weights if b.dense else b.row_weights * (b.onehot @ b.weights)).sum()


def row_scale(b: Batch, divisor: Any) -> Array:
    """(N,) or (): upstream gradient, divided like the mean; an empty mean has zero gradients."""
    scale = np.ones((), b.wide) if b.upstream is None else b.upstream.astype(b.wide)
    return np.asarray(scale / np.where(divisor == 0, 1, divisor) if b.reduction == "mean" else scale)


def reduce(losses: Array, divisor: Any, b: Batch) -> Array:
    """(N,) or ()."""
    if b.reduction == "none":
        return losses
    return np.asarray(losses.sum() / divisor if b.reduction == "mean" else losses.sum())


def store(loss: Array, grad: Array, b: Batch) -> tuple[Any, Any]:
    """What is returned: both in the logits' dtype."""
    return loss.astype(b.logits.dtype), grad.astype(b.logits.dtype)


def running_sum(values: Array, dtype: Any) -> Array:
    """(..., 1) a sum along the last axis, one term after another, kept in a dtype."""
    return np.asarray(np.cumsum(values.astype(dtype), axis=-1, dtype=dtype)[..., -1:].astype(values.dtype))


def softmax_of(x: Array) -> Array:
    """(N, C) along the last axis."""
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return np.asarray(e / e.sum(axis=-1, keepdims=True))


def same(b: Batch) -> Batch:
    """Nothing changed."""
    return b


def standard(dtype: Any) -> Any:
    """Arithmetic in float32, in float64 for float64."""
    return np.float64 if dtype.type is np.float64 else np.float32


@dataclass(frozen=True)
class Kernel:
    """What is done at each stage. `see` changes what both passes see before labels are checked; `forward` and
    `backward` what one of them sees."""

    about: str
    see: Callable[[Batch], Batch] = same
    check: Callable[[Batch], None] = check
    forward: Callable[[Batch], Batch] = same
    backward: Callable[[Batch], Batch] = same
    rows_of: Callable[[Batch], Array] = rows_of
    capped: Callable[[Array, Batch], Array] = capped
    cap_slope: Callable[[Array, Batch], Array] = cap_slope
    maximum: Callable[[Array], Array] = maximum
    exp: Callable[[Array], Array] = np.exp
    total: Callable[[Array], Array] = total
    log: Callable[[Array], Array] = np.log
    softmax: Callable[[Array, Array], Array] = lambda e, s: e / s
    log_sum_exp: Callable[[Array, Array], Array] = log_sum_exp
    z_term: Callable[[Array, Batch], Array] = z_term
    z_slope: Callable[[Array, Batch], Array] = z_slope
    smoothed: Callable[[Batch], Array] = smoothed
    row_losses: Callable[[Array, Array, Batch], Array] = row_losses
    gradient: Callable[[Array, Array, Batch], Array] = gradient
    weigh: Callable[[Array, Batch], Array] = weigh
    denominator: Callable[[Batch], Any] = denominator
    row_scale: Callable[[Batch, Any], Array] = row_scale
    reduce: Callable[[Array, Any, Batch], Array] = reduce
    store: Callable[[Array, Array, Batch], tuple[Any, Any]] = store
    wide: Callable[[Any], Any] = standard

    def __call__(
        self,
        logits: Array,
        labels: Array,
        *,
        weight: Array | None = None,
        sample_weight: Array | None = None,
        ignore_index: int = -100,
        label_smoothing: float = 0.0,
        z_loss: float = 0.0,
        softcap: float | None = None,
        reduction: str = "mean",
        grad_output: Array | None = None,
    ) -> tuple[Any, Any]:
        wide = self.wide(logits.dtype)
        options = (weight, ignore_index, label_smoothing, reduction, grad_output, wide, z_loss, softcap, sample_weight)
        b = self.see(Batch(logits, labels, *options))
        self.check(b)
        with np.errstate(all="ignore"):  # masked classes, overflow and 0/0 are part of the contract
            f, g = self.forward(b), self.backward(b)
            _, log_softmax, log_sum = self._softmax(f)
            loss = self.row_losses(self.smoothed(f), log_softmax, f)
            if f.z_loss:
                loss = loss + self.z_term(log_sum, f)[:, 0]
            softmax, _, log_sum = self._softmax(g)
            grad = self.gradient(softmax, self.smoothed(g), g)
            if g.z_loss:
                grad = grad + softmax * self.z_slope(log_sum, g)
            if g.softcap is not None:
                grad = grad * self.cap_slope(self.rows_of(g), g)
            loss, grad = self.weigh(loss, f), self.weigh(grad, g)
            loss = self.reduce(loss, self.denominator(f), f)
            grad = np.broadcast_to(self.row_scale(g, self.denominator(g)), (g.rows,))[:, None] * grad
            return self.store(loss, grad, b)

    def _softmax(self, b: Batch) -> tuple[Array, Array, Array]:
        """(N, C) softmax and log-softmax, (N, 1) log-sum-exp."""
        x = self.capped(self.rows_of(b), b)
        top = self.maximum(x)
        e = self.exp(x - top)
        s = self.total(e)
        log_total = self.log(s)
        return self.softmax(e, s), x - top - log_total, self.log_sum_exp(top, log_total)
