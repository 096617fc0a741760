"""What a relative error is relative to: the value itself, or the terms it is the sum of, where those cancel.

    loss         sum_j |q_j| nll_j + z_loss (|max z| + log tail)^2
    gradient     sum_i |q_i| |s_j - delta_ij| + pull s_j, with pull = 2 z_loss (|max z| + log tail): for a one-hot label
                 nothing cancels, and this is the gradient itself however confident the row
    Hessian · v  (sum |q| + pull) s_j sum_i |v_i| |s_i - delta_ij| + pull s_j sum_i s_i |v_i|

    to labels    |q_j's factors| nll_j, in which nothing cancels

A soft-capped logit is itself a rounded number z (1 + u), unlike x - max, which is exact; to first order that moves the
loss by sum_j |dL/dz_j z_j| u, the gradient by the Hessian times z u, nll_j by sum_i |s_i - delta_ij| |z_i| u. All of
this is computed in float64: a magnitude needs no digits.
"""

from __future__ import annotations

import numpy as np

from xentcheck.randomness import Array
from xentcheck_reference import Problem


def magnitudes(problem: Problem, vector: Array) -> dict[str, Array]:
    """Of "loss", "grad_logits", "product" (Hessian times `vector`) and "grad_labels", shaped like them."""
    with np.errstate(all="ignore"):
        rows, scale = _Rows(problem), _scale(problem)[:, None]
        z, slope, bend = np.abs(rows.z), rows.slope, rows.bend
        loss, grad, product = rows.loss(), rows.gradient(), rows.product(np.abs(vector) * slope)
        nll, factor = rows.nll, scale * (1.0 - problem.label_smoothing)
        if problem.softcap is not None:
            nll = nll + rows.spread(z)
            loss = loss + (grad * z).sum(axis=1)
            # The third derivative, roughly; slope and bend have errors of their own, of the size of the first.
            product = slope * product * (1.0 + 4.0 * z.max(axis=1, keepdims=True))
            grad = grad + rows.product(z)
            product, grad = product + bend * np.abs(vector) * grad, slope * grad
        loss = np.where(problem.kept, loss, 0.0)
        if problem.reduction != "none":
            loss = np.asarray(loss.sum() / abs(denominator(problem)))
        factor = factor if problem.weight is None else factor * np.abs(problem.weight)
        return {"loss": loss, "grad_logits": grad * scale, "product": product * scale, "grad_labels": factor * nll}


def denominator(problem: Problem) -> float:
    """What the reduction divides by."""
    if problem.reduction != "mean":
        return 1.0
    if problem.mean_divides_by == "rows":
        return float(len(problem.logits))
    if problem.mean_divides_by == "kept" or problem.weight is None:
        return float(problem.kept.sum())
    return float(problem.weight[problem.labels[problem.kept].astype(np.intp)].sum())


def _scale(problem: Problem) -> Array:
    upstream = np.ones(()) if problem.upstream is None else np.abs(problem.upstream)
    return np.where(problem.kept, upstream / abs(denominator(problem)), 0.0)


class _Rows:
    """Softmax and its complement, |q| and the (capped) logits z of every row."""

    def __init__(self, problem: Problem) -> None:
        x, c = problem.logits, problem.softcap
        self.z, self.slope, self.bend = x, np.ones_like(x), np.zeros_like(x)
        if c is not None:
            t = np.tanh(x / c)
            self.z, self.slope = c * t, 1.0 / np.cosh(np.minimum(np.abs(x / c), 700.0)) ** 2
            self.bend = np.abs(2.0 * t * self.slope / c)
        index, top = np.arange(len(x)), x.argmax(axis=1)
        maximum = self.z[index, top]
        d = self.z - maximum[:, None]
        e = np.exp(d)
        e[index, top] = 0.0
        tail = e.sum(axis=1)
        self.softmax = e / (1.0 + tail)[:, None]
        self.softmax[index, top] = 1.0 / (1.0 + tail)
        self.complement = 1.0 - self.softmax
        self.complement[index, top] = tail / (1.0 + tail)
        self.nll = np.log1p(tail)[:, None] - d
        self.zeta, self.log_sum_exp = problem.z_loss, np.abs(maximum) + np.log1p(tail)
        self.pull = (2.0 * self.zeta * self.log_sum_exp)[:, None] if self.zeta else np.zeros((len(x), 1))
        self.q, self.normalised = _labels(problem), problem.gradient_rule == "assume_normalised"

    def loss(self) -> Array:
        terms = np.where(self.q == 0.0, 0.0, self.q * self.nll).sum(axis=1)
        return np.asarray(terms + self.zeta * self.log_sum_exp**2 if self.zeta else terms)

    def gradient(self) -> Array:
        others = 1.0 + self.q if self.normalised else _but_one(self.q)
        if self.normalised:
            # What is left of 1 beside q_j: exactly nothing for a one-hot label.
            others = np.where(self.q == 1.0, 0.0, others)
        return np.asarray((others + self.pull) * self.softmax + self.q * self.complement)

    def product(self, w: Array) -> Array:
        mass = 1.0 if self.normalised else self.q.sum(axis=1, keepdims=True)
        pulled = self.pull * self.softmax * (self.softmax * w).sum(axis=1, keepdims=True)
        return np.asarray((mass + self.pull) * self.softmax * self.spread(w) + pulled)

    def spread(self, w: Array) -> Array:
        """sum_i |s_i - delta_ij| w_i for w >= 0"""
        return np.asarray(self.complement * w + _but_one(self.softmax * w))


def _but_one(values: Array) -> Array:
    """(N, C) sums of each row's values >= 0 over all columns but one; anew where one value is nearly all of the sum."""
    rest = values.sum(axis=1, keepdims=True) - values
    index, largest = np.arange(len(values)), values.argmax(axis=1)
    others = values.copy()
    others[index, largest] = 0.0
    rest[index, largest] = others.sum(axis=1)
    return np.asarray(rest)


def _labels(problem: Problem) -> Array:
    """(N, C) q with every factor taken positive: smoothing may cancel a negative label."""
    shape = problem.logits.shape
    if problem.soft:
        rows = np.abs(problem.labels)
    else:
        rows = np.zeros(shape)
        rows[np.arange(shape[0]), np.where(problem.kept, problem.labels, 0)] = 1.0
    smoothing = problem.label_smoothing
    if smoothing:
        rows = rows * (1.0 - smoothing) + smoothing / shape[1]
    return np.asarray(rows if problem.weight is None else rows * np.abs(problem.weight))
