"""What the oracle itself may err by: a-priori bounds of its two tiers, refereed by the certificate and part of every
verdict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .rows import row_blocks
from .sums import sum_roundings

if TYPE_CHECKING:
    from .problem import FloatArray, Problem
    from .rows import RowStatistics
    from .softmax import Reference, Tier

# A double-word result of a handful of operations, each to 2^-74 or better: exp is the worst.
_U = {"float64": 2.0**-53, "double-word": 2.0**-74}
# exp and log1p of the C library and of NumPy's SIMD loops err by at most 2 u each; the double-word ones by less than u.
_FUNCTIONS = 16.0
_SMALLEST = 2.0**-1074


@dataclass(frozen=True, eq=False)
class OracleError:
    """Largest absolute error of each reference value, same shapes; 0 where that is not finite."""

    loss: FloatArray
    grad_logits: FloatArray
    grad_labels: FloatArray | None


def oracle_error(problem: Problem, reference: Reference) -> OracleError:
    """A-priori error of a reference that `cross_entropy` made of the problem."""
    with np.errstate(all="ignore"):
        terms = OracleTerms(problem, reference.rows, reference.tier)
        grad = np.empty(reference.grad_logits.shape)
        for rows in row_blocks(grad.shape):
            grad[rows] = terms.grad_logits(rows, *reference.rows.softmax_and_nll(rows))
            if reference.capped is not None:
                grad[rows] = grad[rows] * reference.capped.slope[rows] + terms.slope_error(
                    rows, np.abs(reference.grad_logits[rows])
                )
        labels = None if reference.grad_labels is None else terms.grad_labels()
        return OracleError(
            _of_finite(terms.loss(reference.loss), reference.loss),
            _of_finite(grad, reference.grad_logits),
            None if labels is None or reference.grad_labels is None else _of_finite(labels, reference.grad_labels),
        )


class OracleTerms:
    """The terms of one problem; a bound of a subject adds them to its own."""

    def __init__(self, problem: Problem, rows: RowStatistics, tier: Tier) -> None:
        self.problem, self.rows, self.u = problem, rows, _U[tier]
        classes = problem.logits.shape[1]
        self.mass = rows.magnitude.mass
        # Pairs carry x - max exactly and add without error.
        wide = tier == "float64"
        self.argument = rows.argument if wide else np.zeros(len(rows.tail))
        self.argument_u = 2.0 * self.u if wide else 0.0
        self.roundings = _FUNCTIONS + (2.0 * sum_roundings(classes) if wide else 0.0)
        if problem.softcap is not None:
            # c tanh(x/c) errs by 8 u of itself (double-word: 16 u), and so does the maximum: both enter x - max
            finite = np.where(np.isfinite(rows.values), np.abs(rows.values), 0.0)
            self.argument = self.argument + 32.0 * finite.max(axis=1)
        # What underflows: each exp below 2^-960, each product
        self.floor = 4.0 * classes * _SMALLEST

    @property
    def log_sum_exp(self) -> FloatArray:
        """(N,) absolute error of max + log sum exp(x - max)."""
        rows = self.rows
        size = np.abs(rows.log_sum_exp)
        return np.asarray(self.u * (self.argument + self.roundings * rows.log_tail + 2.0 * size) + self.floor)

    def row_loss(self) -> FloatArray:
        """(N,)"""
        rows = self.rows
        weighted = rows.gap + self.mass * rows.log_tail
        error = self.u * (self.mass * self.argument + self.roundings * weighted) + self.floor * (1.0 + self.mass)
        if self.problem.z_loss:
            size = np.abs(rows.log_sum_exp)
            error += self.problem.z_loss * size * (2.0 * self.log_sum_exp + 4.0 * self.u * size)
        if self.problem.sample_weight is not None:
            error = np.abs(self.problem.sample_weight) * error + self.u * np.abs(rows.loss) + _SMALLEST
        return np.asarray(np.where(rows.kept, error, 0.0))

    def loss(self, expected: FloatArray) -> FloatArray:
        """(N,) or (), like the loss."""
        if self.problem.reduction == "none":
            return self.row_loss()
        rows = self.rows
        total = self.row_loss().sum() + self.u * (sum_roundings(len(rows.loss)) + 4.0) * np.abs(rows.loss).sum()
        return np.asarray(total / abs(rows.denominator) + 4.0 * self.u * np.abs(expected) + _SMALLEST)

    def grad_logits(self, rows: slice, softmax: FloatArray, nll: FloatArray) -> FloatArray:
        """(n, C) of scale ((S + 2 z_loss lse) softmax - q), to the capped logits; `softmax` and `nll` of these rows."""
        stats = self.rows
        scale, mass = np.abs(stats.scale[rows]), self.mass[rows].copy()
        pull = np.zeros(len(scale))
        if self.problem.z_loss:
            size = np.abs(stats.log_sum_exp[rows])
            mass += 2.0 * self.problem.z_loss * size
            pull = 2.0 * self.problem.z_loss * (self.log_sum_exp[rows] + 4.0 * self.u * size)
        if self.problem.gradient_rule == "assume_normalised":
            mass += 1.0
        error = softmax * (self.softmax_error(rows, nll) * (scale * mass)[:, None] + (scale * pull)[:, None])
        # the denominator, the quotient, the product with q, the difference; sample weights in scale and denominator
        roundings = 4.0 + 2.0 * (self.problem.sample_weight is not None)
        stats.magnitude.add_to(error, rows, roundings * self.u * scale)
        # At the maximum, while it outweighs the others: others - mass T/(1+T), in which one-hot labels cancel exactly.
        tail = stats.tail[rows]
        index, top = np.arange(len(tail)), stats.values[rows].argmax(axis=1)
        others = stats.magnitude.rest(rows, top)
        if self.problem.gradient_rule == "assume_normalised":
            others = 1.0 + stats.magnitude.at(rows, top)
        at_top = 2.0 * self.roundings * (mass * tail / (1.0 + tail) + others) + 4.0 * mass * self.argument[rows]
        at_top = scale * (self.u * at_top + pull)
        error[index, top] = np.where(tail < 1.0, at_top, error[index, top])
        return np.asarray(error + (self.floor * (1.0 + scale * (1.0 + mass)))[:, None])

    def softmax_error(self, rows: slice, nll: FloatArray) -> FloatArray:
        """(n, C) relative error of softmax_j: of exp(x_j - max), whose argument is rounded, and of the sum."""
        shared = 2.0 * self.u * (self.roundings + 2.0 * self.argument[rows])
        return np.asarray(self.argument_u * np.minimum(nll, 1e4) + shared[:, None])

    def slope_error(self, rows: slice, magnitude: FloatArray) -> FloatArray:
        """(n, C) error of the softcap's slope 1 - tanh^2, on a gradient of this magnitude."""
        assert self.problem.softcap is not None
        y = np.abs(self.problem.logits[rows]) / self.problem.softcap
        return np.asarray(self.u * (2.0 * np.where(np.isfinite(y), y, 0.0) + 16.0) * magnitude + _SMALLEST)

    def grad_labels(self) -> FloatArray:
        """(N, C) of scale (1 - eps) w_j nll_j."""
        rows, problem = self.rows, self.problem
        weight = np.ones(problem.logits.shape[1]) if problem.weight is None else np.abs(problem.weight)
        factor = (np.abs(rows.scale) * (1.0 - problem.label_smoothing))[:, None] * weight
        error = self.u * (self.argument[:, None] + self.roundings * rows.nll) + self.floor
        # Three products, any of which may underflow before the next
        products = 4.0 * _SMALLEST * (1.0 + weight) * (1.0 + np.abs(rows.scale))[:, None]
        return np.asarray(factor * error + products)


def _of_finite(bound: FloatArray, expected: FloatArray) -> FloatArray:
    return np.where(np.isfinite(expected), bound, 0.0)
