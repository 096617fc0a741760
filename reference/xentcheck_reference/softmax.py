"""Softmax cross-entropy of a whole problem: rows, reduction, gradients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .problem import FloatArray, Problem, check_probabilities
from .rows import Differences, RowStatistics, evaluate, of_logits, of_logits_exactly, of_probabilities
from .targets import magnitude_of, target_of

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Reference:
    """The answer. Rows with a NaN, a +inf or nothing but -inf are NaN; ignored rows are exactly 0."""

    loss: FloatArray
    """(N,) for reduction none, () otherwise"""
    grad_logits: FloatArray
    """(N, C), upstream applied; with probabilities, the gradient to them"""
    grad_labels: FloatArray | None
    """(N, C), upstream applied; None for index labels"""
    rows: RowStatistics


def cross_entropy(problem: Problem, *, exact_arguments: bool = False) -> Reference:
    """Softmax cross-entropy of logits: loss and gradients in float64.

    `exact_arguments` carries x - max as an exact pair, for subjects that are float64 themselves: it removes the
    oracle's error term that grows with |x - max|, at about half the speed.
    """
    return _evaluate(problem, of_logits_exactly if exact_arguments else of_logits)


def cross_entropy_of_probabilities(problem: Problem) -> Reference:
    """The same function of probabilities p (in `problem.logits`): softmax cross-entropy of log p.

    grad_logits is the gradient to p, dL/dp = dL/d(log p) / p. Rows of p need not sum to one.

    Raises:
        InvalidProblem: a probability that is not finite and > 0 (clipping is the subject's business, not the oracle's).
    """
    check_probabilities(problem.logits)
    reference = _evaluate(problem, of_probabilities)
    with np.errstate(all="ignore"):
        np.divide(reference.grad_logits, problem.logits, out=reference.grad_logits)
    return reference


def _evaluate(problem: Problem, differences: Differences) -> Reference:
    kept = problem.kept
    denominator = _denominator(problem, kept)
    scale = _scale(problem, kept, denominator)
    target = target_of(problem)
    grad_labels = np.empty(problem.logits.shape) if problem.soft else None
    rows, grad = evaluate(
        problem.logits,
        differences,
        target,
        magnitude_of(problem, target),
        kept,
        scale,
        denominator,
        problem.gradient_rule == "assume_normalised",
        nll=grad_labels,
    )
    with np.errstate(all="ignore"):
        if grad_labels is not None:  # so far -log softmax
            grad_labels *= (scale * (1.0 - problem.label_smoothing))[:, None]
            grad_labels *= 1.0 if problem.weight is None else problem.weight
        return Reference(_reduce(problem, rows), grad, grad_labels, rows)


def _denominator(problem: Problem, kept: NDArray[np.bool_]) -> float:
    if problem.reduction != "mean":
        return 1.0
    if problem.mean_divides_by == "rows":
        return float(len(kept))
    if problem.mean_divides_by == "kept" or problem.weight is None:
        return float(kept.sum())
    return float(problem.weight[problem.labels[kept].astype(np.intp)].sum())


def _scale(problem: Problem, kept: NDArray[np.bool_], denominator: float) -> FloatArray:
    upstream = np.ones(()) if problem.upstream is None else problem.upstream
    # A mean over nothing is a constant where it is 0, and has no derivative where it is NaN.
    scale = upstream / denominator if denominator else np.full((), problem.empty_mean)
    return np.where(kept, scale, 0.0)


def _reduce(problem: Problem, rows: RowStatistics) -> FloatArray:
    if problem.reduction == "none":
        return rows.loss
    if rows.denominator == 0.0:
        return np.asarray(problem.empty_mean)
    return np.asarray(rows.loss.sum() / rows.denominator)
