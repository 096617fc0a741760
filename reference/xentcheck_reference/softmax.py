"""Softmax cross-entropy of a whole problem: rows, reduction, gradients."""

from __future__ import annotations

from dataclasses import dataclass
from math import fsum
from typing import TYPE_CHECKING, Literal

import numpy as np

from .capping import Capped, cap
from .exact_rows import exact_results, spliced
from .problem import FloatArray, InvalidProblem, Problem, check_probabilities
from .rows import Differences, RowStatistics, evaluate, of_logits, of_probabilities
from .targets import magnitude_of, target_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

Tier = Literal["float64", "double-word"]


@dataclass(frozen=True, eq=False)
class Reference:
    """The answer. Rows with a NaN, a +inf or nothing but -inf are NaN; ignored rows are exactly 0.

    In the double-word tier each value is a pair: `loss` is the float64 nearest to the answer and `loss_low` what that
    leaves out, so that `(subject - loss) - loss_low` is the subject's error to far more digits than it has itself.
    """

    loss: FloatArray
    """(N,) for reduction none, () otherwise"""
    grad_logits: FloatArray
    """(N, C), upstream applied; with probabilities, the gradient to them"""
    grad_labels: FloatArray | None
    """(N, C), upstream applied; None for index labels"""
    rows: RowStatistics
    """Of the capped logits where there is a softcap"""
    tier: Tier
    capped: Capped | None
    loss_low: FloatArray | None = None
    """Like `loss`; None in the float64 tier, as the other low parts are"""
    grad_logits_low: FloatArray | None = None
    grad_labels_low: FloatArray | None = None


def cross_entropy(problem: Problem, *, tier: Tier = "float64") -> Reference:
    """Softmax cross-entropy of logits: loss and gradients.

    "float64" costs one exp an element, and `oracle_error` says what it errs by: for subjects of 32 bits and less.
    "double-word" errs by 2^-70, for subjects that are float64 themselves, at a tenth of the speed.

    Raises:
        InvalidProblem: an unknown tier.
    """
    if tier not in ("float64", "double-word"):
        raise InvalidProblem(f"tier: got {tier!r}, expected float64 or double-word")
    capped = None if problem.softcap is None else cap(problem.logits, problem.softcap)
    reference = _evaluate(problem, of_logits, capped)
    if tier == "float64":
        return reference
    exact = exact_results(problem, reference.rows)
    loss, loss_low = spliced(reference.loss, exact.loss)
    grad_logits, grad_logits_low = spliced(reference.grad_logits, exact.grad_logits)
    grad_labels, grad_labels_low = reference.grad_labels, None
    if grad_labels is not None and exact.grad_labels is not None:
        grad_labels, grad_labels_low = spliced(grad_labels, exact.grad_labels)
    return Reference(
        loss,
        grad_logits,
        grad_labels,
        reference.rows,
        tier,
        capped,
        loss_low,
        grad_logits_low,
        grad_labels_low,
    )


def cross_entropy_of_probabilities(problem: Problem) -> Reference:
    """The same function of probabilities p (in `problem.logits`): softmax cross-entropy of log p.

    grad_logits is the gradient to p, dL/dp = dL/d(log p) / p. Rows of p need not sum to one.

    Raises:
        InvalidProblem: a probability that is not finite and > 0 (clipping is the subject's business, not the oracle's);
            an option that is about logits.
    """
    check_probabilities(problem.logits)
    if problem.z_loss or problem.softcap is not None:
        name = "z_loss" if problem.z_loss else "softcap"
        raise InvalidProblem(f"{name}: got {getattr(problem, name)}, expected none with probabilities")
    reference = _evaluate(problem, of_probabilities, None)
    with np.errstate(all="ignore"):
        np.divide(reference.grad_logits, problem.logits, out=reference.grad_logits)
    return reference


def _evaluate(problem: Problem, differences: Differences, capped: Capped | None) -> Reference:
    kept = problem.kept
    denominator = _denominator(problem, kept)
    scale = _scale(problem, kept, denominator)
    target = target_of(problem)
    grad_labels = np.empty(problem.logits.shape) if problem.soft else None
    rows, grad = evaluate(
        problem.logits if capped is None else capped.logits,
        differences,
        target,
        magnitude_of(problem, target),
        kept,
        scale,
        denominator,
        problem.gradient_rule == "assume_normalised",
        problem.z_loss,
        problem.sample_weight,
        nll=grad_labels,
    )
    with np.errstate(all="ignore"):
        if capped is not None:
            grad *= capped.slope
        if grad_labels is not None:  # so far -log softmax
            grad_labels *= (scale * (1.0 - problem.label_smoothing))[:, None]
            grad_labels *= 1.0 if problem.weight is None else problem.weight
        return Reference(_reduce(problem, rows), grad, grad_labels, rows, "float64", capped)


def _denominator(problem: Problem, kept: NDArray[np.bool_]) -> float:
    if problem.reduction != "mean":
        return 1.0
    if problem.mean_divides_by == "rows":
        return float(len(kept))
    if problem.mean_divides_by == "kept":
        return float(kept.sum())
    weights = np.ones(len(kept)) if problem.sample_weight is None else problem.sample_weight
    if problem.mean_divides_by == "weights" and problem.weight is not None:
        return fsum(weights[kept] * problem.weight[problem.labels[kept].astype(np.intp)])
    return fsum(weights[kept])


def _scale(problem: Problem, kept: NDArray[np.bool_], denominator: float) -> FloatArray:
    upstream = np.ones(()) if problem.upstream is None else problem.upstream
    # A mean over nothing is a constant where it is 0, and has no derivative where it is NaN.
    scale = upstream / denominator if denominator else np.full((), problem.empty_mean)
    return np.where(kept, scale if problem.sample_weight is None else scale * problem.sample_weight, 0.0)


def _reduce(problem: Problem, rows: RowStatistics) -> FloatArray:
    if problem.reduction == "none":
        return rows.loss
    if rows.denominator == 0.0:
        return np.asarray(problem.empty_mean)
    return np.asarray(rows.loss.sum() / rows.denominator)
