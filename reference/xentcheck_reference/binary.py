"""Sigmoid (binary) cross-entropy: C independent yes/no questions per row, averaged.

With t = exp(-|x|), ell = log1p(t) and y' the smoothed label, one element is

    loss = |x| c + ell          c = 1 - y' for x > 0, y' otherwise
    dL/dx = sigmoid(x) - y'     = c - t/(1+t) for x > 0, t/(1+t) - c otherwise

Nothing cancels while 0 <= y <= 1: 1 - y' is formed as (1-y)(1-eps) + eps/2.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import fsum
from typing import TYPE_CHECKING

import numpy as np

from .bounds import E_EXP, E_LOG, SAFETY, SAMPLE_WEIGHT_ROUNDINGS, U64, Bound, ordinary_upstream
from .problem import BinaryProblem, FloatArray, check_probabilities

if TYPE_CHECKING:
    from .profile import Profile


@dataclass(frozen=True, eq=False)
class BinaryReference:
    """The answer, and what its bound needs. An element of NaN makes its row's loss NaN and only its own gradient."""

    loss: FloatArray
    """(N,) for reduction none, () otherwise"""
    grad_logits: FloatArray
    """(N, C), upstream applied; with probabilities, the gradient to them"""
    grad_labels: FloatArray
    """(N, C), upstream applied"""
    row_loss: FloatArray
    """(N,) mean over the classes, times the sample weight"""
    scale: FloatArray
    """(N,) upstream times d(returned loss)/d(one element's loss)"""
    positive: FloatArray
    """(N, C) -log p(yes), p = sigmoid(x)"""
    negative: FloatArray
    """(N, C) -log p(no)"""
    probabilities: bool
    """Whether `problem.logits` held probabilities"""


def binary_cross_entropy(problem: BinaryProblem) -> BinaryReference:
    """Sigmoid cross-entropy of logits: loss and gradients in float64."""
    x = problem.logits
    yes, no = _smoothed(problem)
    with np.errstate(all="ignore"):
        tail = np.exp(-np.abs(x))
        log_tail = np.log1p(tail)
        share = tail / (1.0 + tail)
        element = np.abs(x) * np.where(x > 0.0, no, yes) + log_tail
        grad = np.where(x > 0.0, no - share, share - yes)
        positive, negative = np.maximum(-x, 0.0) + log_tail, np.maximum(x, 0.0) + log_tail
        return _assemble(problem, element, grad, -x, positive, negative, False)


def binary_cross_entropy_of_probabilities(problem: BinaryProblem) -> BinaryReference:
    """The same function of probabilities p (in `problem.logits`): -(y log p + (1-y) log(1-p)).

    grad_logits is the gradient to p, (1-y)/(1-p) - y/p.

    Raises:
        InvalidProblem: a probability that is not inside (0, 1).
    """
    p = problem.logits
    check_probabilities(p, below=1.0)
    yes, no = _smoothed(problem)
    with np.errstate(all="ignore"):
        positive, negative = -np.log(p), -np.log1p(-p)
        grad = no / (1.0 - p) - yes / p
        return _assemble(problem, yes * positive + no * negative, grad, positive - negative, positive, negative, True)


def binary_error_bound(problem: BinaryProblem, reference: BinaryReference, profile: Profile) -> Bound:
    """Largest honest error of each value; see `Bound`. The profile's sum model is that of the mean over the classes."""
    with np.errstate(all="ignore"):
        bound = _bound_of_probabilities if reference.probabilities else _bound_of_logits
        element, gradient = bound(problem, reference, profile)
        scale, eta = np.abs(reference.scale)[:, None], profile.eta
        # Of a gradient that is stored before the upstream gradient multiplies it
        stored = np.reshape(ordinary_upstream(problem.upstream), (-1, 1))
        # upstream, 1/C and 1/N are at most 4 roundings to the dtype, and relative: they act on the finished gradient
        output = 5.0 * profile.u
        if problem.sample_weight is not None:
            eta = eta * (1.0 + np.abs(problem.sample_weight).max(initial=0.0))
            output += SAMPLE_WEIGHT_ROUNDINGS * profile.u + _weight_sum(problem, profile)
        grad = SAFETY * (scale * gradient + output * np.abs(reference.grad_logits))
        grad += eta * (1.0 + stored + scale)
        # log p(no) - log p(yes) is x only to those who simplify it; near x = 0 the two logs cancel
        logs = reference.positive + reference.negative
        slope = output + 3.0 * profile.u + (2.0 * E_LOG + 2.0) * profile.u_elementwise
        labels = SAFETY * slope * scale * (1.0 - problem.label_smoothing) * logs + eta * (1.0 + scale) * (1.0 + logs)
        if reference.probabilities:  # a scale that underflows is divided by p or 1 - p afterwards
            grad += eta * (1.0 + scale) * (1.0 / problem.logits + 1.0 / (1.0 - problem.logits))
        loss = _of_finite(_loss_bound(problem, reference, profile, element), reference.loss)
        return Bound(
            loss,
            _of_finite(grad, reference.grad_logits),
            _of_finite(labels, reference.grad_labels),
            np.asarray(np.abs(reference.loss) + loss + _sums(problem, reference) > profile.largest),
        )


def _smoothed(problem: BinaryProblem) -> tuple[FloatArray, FloatArray]:
    """(N, C) mass on yes and on no, each without cancellation."""
    eps, y = problem.label_smoothing, problem.labels
    return y * (1.0 - eps) + 0.5 * eps, (1.0 - y) * (1.0 - eps) + 0.5 * eps


def _assemble(
    problem: BinaryProblem,
    element: FloatArray,
    grad: FloatArray,
    to_labels: FloatArray,
    positive: FloatArray,
    negative: FloatArray,
    probabilities: bool,
) -> BinaryReference:
    count, classes = element.shape
    weights = np.ones(count) if problem.sample_weight is None else problem.sample_weight
    row_loss = element.mean(axis=1) * weights
    upstream = np.ones(()) if problem.upstream is None else problem.upstream
    denominator = _denominator(problem)
    loss = row_loss if problem.reduction == "none" else np.asarray(row_loss.sum() / denominator)
    scale = np.broadcast_to(upstream / (classes * denominator), (count,)) * weights
    grad_labels = (scale * (1.0 - problem.label_smoothing))[:, None] * to_labels
    return BinaryReference(loss, scale[:, None] * grad, grad_labels, row_loss, scale, positive, negative, probabilities)


def _bound_of_logits(
    problem: BinaryProblem, reference: BinaryReference, profile: Profile
) -> tuple[FloatArray, FloatArray]:
    """(N, C) errors of each element's loss, and of sigmoid(x) - y' before it is scaled."""
    x, u, u_e = np.abs(problem.logits), profile.u, profile.u_elementwise
    yes, no = (np.abs(q) for q in _smoothed(problem))
    smoothed = 3.0 * u * (problem.label_smoothing > 0.0)
    tail = np.exp(-x)
    log_tail = np.log1p(tail)
    # max(x,0) - x y' + log1p(exp(-|x|)) loses u |x y'| to the product, except where y' is 0 or 1 and it is exact; the
    # form y' softplus(-x) + (1-y') softplus(x) loses u of either summand. Twice: once computing, once storing. The form
    # (1-y') x + softplus(-x) that torch has cancels at y' = 0, x < 0 as well: a profile declares it by `offset`.
    split = x * (yes + no) if profile.offset else np.where((yes == 0.0) | (no == 0.0), 0.0, x * (yes + no))
    summands = yes * reference.positive + no * reference.negative
    element = (u_e + profile.u_log_softmax + smoothed) * (split + 2.0 * summands)
    element += u_e * ((E_EXP + E_LOG) * log_tail * (yes + no) + np.minimum(1.0, log_tail))  # log(1 + t) for log1p(t)
    element += U64 * (8.0 * (split + summands) + log_tail)
    # sigmoid(x) = 1/(1+t) or t/(1+t) errs by u (E_EXP + 3) of itself, in either form of the gradient:
    # sigmoid(x) - y', or (1-y') sigmoid(x) - y' sigmoid(-x)
    sigmoid, mirrored = (np.where(sign * problem.logits > 0.0, 1.0, tail) / (1.0 + tail) for sign in (1.0, -1.0))
    relative = u_e * (E_EXP + 3.0) + profile.u_log_softmax + 8.0 * U64 + smoothed
    gradient = relative * ((1.0 + no) * sigmoid + yes * mirrored) + (smoothed + 2.0 * U64) * yes
    return element, gradient + (u_e + profile.u) * np.abs(problem.labels - sigmoid)


def _bound_of_probabilities(
    problem: BinaryProblem, reference: BinaryReference, profile: Profile
) -> tuple[FloatArray, FloatArray]:
    p, u = problem.logits, profile.u
    yes, no = (np.abs(q) for q in _smoothed(problem))
    smoothed = 3.0 * u * (problem.label_smoothing > 0.0)
    # Each log errs by E_LOG u, each product, sum and rounding by u. 1 - p errs by u (1-p), so its log by u; and where
    # the subject adds an epsilon inside the log the caller must not come near the ends.
    relative = (E_LOG + 4.0) * u + smoothed + 8.0 * U64
    element = relative * (yes * reference.positive + no * reference.negative) + 2.0 * u * no
    # The mass on no is formed as 1 - y', which an error of y' moves as far, however small it is itself.
    element += smoothed * yes * reference.negative
    # 1 - p, the quotients, their difference
    gradient = (6.0 * u + smoothed + 8.0 * U64) * (yes / p + no / (1.0 - p)) + smoothed * yes / (1.0 - p)
    return element, gradient


def _loss_bound(
    problem: BinaryProblem, reference: BinaryReference, profile: Profile, element: FloatArray
) -> FloatArray:
    count, classes = element.shape
    magnitude = _element_magnitude(problem, reference).mean(axis=1)
    class_sum = max(profile.class_sum(classes) * profile.u_sum, profile.row_sum(classes))
    # storing the element, the sum, 1/C and the output
    row = SAFETY * (element.mean(axis=1) + (class_sum + 3.0 * profile.u) * magnitude) + 2.0 * profile.eta
    row += U64 * 25.0 * magnitude
    if problem.sample_weight is not None:
        rescaled = SAFETY * SAMPLE_WEIGHT_ROUNDINGS * profile.u * np.abs(reference.row_loss)
        row = np.abs(problem.sample_weight) * row + rescaled + profile.eta
    if problem.reduction == "none":
        return np.asarray(row)
    sums = profile.row_sum(count) + 3.0 * profile.u + _weight_sum(problem, profile)
    total = row.sum() + SAFETY * sums * np.abs(reference.row_loss).sum()
    return np.asarray(total / abs(_denominator(problem)) + profile.eta)


def _denominator(problem: BinaryProblem) -> float:
    if problem.reduction != "mean":
        return 1.0
    weights = problem.sample_weight if problem.mean_divides_by == "sample_weights" else None
    return float(len(problem.logits)) if weights is None else fsum(weights)


def _weight_sum(problem: BinaryProblem, profile: Profile) -> float:
    """Relative error of a mean's denominator."""
    summed = problem.reduction == "mean" and problem.mean_divides_by == "sample_weights"
    return profile.row_sum(len(problem.logits)) if summed and problem.sample_weight is not None else 0.0


def _sums(problem: BinaryProblem, reference: BinaryReference) -> FloatArray:
    """What the means add up before they divide, and before they are weighted."""
    rows = np.abs(reference.row_loss)
    if problem.sample_weight is not None:
        rows = np.maximum(rows, _element_magnitude(problem, reference).mean(axis=1))
    total = rows if problem.reduction == "none" else rows.sum()
    return np.asarray(total * problem.logits.shape[1])


def _element_magnitude(problem: BinaryProblem, reference: BinaryReference) -> FloatArray:
    yes, no = _smoothed(problem)
    return np.abs(yes) * reference.positive + np.abs(no) * reference.negative


def _of_finite(bound: FloatArray, expected: FloatArray) -> FloatArray:
    return np.where(np.isfinite(expected), bound, 0.0)
