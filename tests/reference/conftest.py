"""An independent judge: the textbook definitions in mpmath, with so many digits that cancellation does not matter."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from mpmath import mp, mpf

if TYPE_CHECKING:
    from collections.abc import Callable

    from xentcheck_reference import BinaryProblem, Problem

# Judged values go down to float64's 1e-308 and are judged to their 16th digit: the rounding of a central difference,
# 10^-(DIGITS - STEP_DIGITS), must stay below that; its truncation is 10^(-2 STEP_DIGITS) of the value.
DIGITS = 370
STEP_DIGITS = 30


def _row_loss(x: list[mpf], q: list[mpf], z_loss: mpf) -> mpf:
    log_sum = mp.log(mp.fsum(mp.exp(v) for v in x))
    return mp.fsum(q_j * (log_sum - x_j) for x_j, q_j in zip(x, q, strict=True)) + z_loss * log_sum**2


def _capped(problem: Problem, row: list[mpf]) -> list[mpf]:
    if problem.softcap is None:
        return row
    return [problem.softcap * mp.tanh(x / problem.softcap) for x in row]


def _labels(problem: Problem, i: int) -> list[mpf]:
    classes = problem.logits.shape[1]
    if problem.soft:
        return [mpf(float(v)) for v in problem.labels[i]]
    return [mpf(int(j == problem.labels[i])) for j in range(classes)]


def _denominator(problem: Problem) -> mpf:
    if problem.reduction != "mean":
        return mpf(1)
    if problem.mean_divides_by == "rows":
        return mpf(len(problem.logits))
    if problem.mean_divides_by == "kept":
        return mpf(int(problem.kept.sum()))
    weights = [s for s, kept in zip(_sample_weights(problem), problem.kept, strict=True) if kept]
    if problem.mean_divides_by == "weights" and problem.weight is not None:
        labels = problem.labels[problem.kept]
        return mp.fsum(s * mpf(float(problem.weight[y])) for s, y in zip(weights, labels, strict=True))
    return mp.fsum(weights)


def _sample_weights(problem: Problem | BinaryProblem) -> list[mpf]:
    rows = len(problem.logits)
    return [mpf(1)] * rows if problem.sample_weight is None else [mpf(float(s)) for s in problem.sample_weight]


def _loss(problem: Problem, logits: list[list[mpf]], labels: list[list[mpf]]) -> list[mpf]:
    eps, classes = mpf(problem.label_smoothing), problem.logits.shape[1]
    weight = [mpf(1)] * classes if problem.weight is None else [mpf(float(w)) for w in problem.weight]
    rows = []
    for i, kept in enumerate(problem.kept):
        q = [w * ((1 - eps) * y + eps / classes) for w, y in zip(weight, labels[i], strict=True)]
        rows.append(_row_loss(_capped(problem, logits[i]), q, mpf(problem.z_loss)) if kept else mpf(0))
    rows = [s * loss for s, loss in zip(_sample_weights(problem), rows, strict=True)]
    if problem.reduction == "none":
        return rows
    return [mp.fsum(rows) / _denominator(problem)]


def _gradient(function: Callable[[list[list[mpf]]], mpf], at: list[list[mpf]]) -> list[list[mpf]]:
    step = mpf(10) ** -STEP_DIGITS
    result = []
    for i, row in enumerate(at):
        result.append([])
        for j, value in enumerate(row):
            ends = []
            for sign in (1, -1):
                at[i][j] = value + sign * step
                ends.append(function(at))
            at[i][j] = value
            result[i].append((ends[0] - ends[1]) / (2 * step))
    return result


def _upstream(problem: Problem | BinaryProblem, count: int) -> list[mpf]:
    return [mpf(1)] * count if problem.upstream is None else [mpf(float(v)) for v in np.ravel(problem.upstream)]


def _matrix(array: Any) -> list[list[mpf]]:
    return [[mpf(float(v)) for v in row] for row in array]


def exact_cross_entropy(problem: Problem) -> SimpleNamespace:
    """loss, grad_logits, grad_labels: object arrays of mpf, differentiated numerically from the definition."""
    with mp.workdps(DIGITS):
        logits, labels = _matrix(problem.logits), [_labels(problem, i) for i in range(len(problem.logits))]
        loss = _loss(problem, logits, labels)
        upstream = _upstream(problem, len(loss))

        def scalar(x: list[list[mpf]], y: list[list[mpf]]) -> mpf:
            return mp.fsum(u * v for u, v in zip(upstream, _loss(problem, x, y), strict=True))

        return SimpleNamespace(
            loss=np.array(loss).reshape((-1,) if problem.reduction == "none" else ()),
            grad_logits=np.array(_gradient(lambda x: scalar(x, labels), logits)),
            grad_labels=np.array(_gradient(lambda y: scalar(logits, y), labels)) if problem.soft else None,
        )


def exact_hessian_vector_product(problem: Problem, direction: Any) -> Any:
    """(N, C) object array of mpf: the gradient's central difference along the direction."""
    with mp.workdps(2 * DIGITS):
        step, ends = mpf(10) ** -STEP_DIGITS, []
        labels = [_labels(problem, i) for i in range(len(problem.logits))]
        upstream = _upstream(problem, len(_loss(problem, _matrix(problem.logits), labels)))

        def scalar(x: list[list[mpf]]) -> mpf:
            return mp.fsum(u * v for u, v in zip(upstream, _loss(problem, x, labels), strict=True))

        for sign in (1, -1):
            moved = [
                [x + sign * step * mpf(float(v)) for x, v in zip(*row, strict=True)]
                for row in zip(_matrix(problem.logits), direction, strict=True)
            ]
            ends.append(np.array(_gradient(scalar, moved)))
        return (ends[0] - ends[1]) / (2 * step)


def _binary_loss(problem: BinaryProblem, logits: list[list[mpf]], labels: list[list[mpf]]) -> list[mpf]:
    eps = mpf(problem.label_smoothing)
    rows = []
    for x, y in zip(logits, labels, strict=True):
        yes = [(1 - eps) * y_j + eps / 2 for y_j in y]
        terms = [q * mp.log(1 + mp.exp(-v)) + (1 - q) * mp.log(1 + mp.exp(v)) for q, v in zip(yes, x, strict=True)]
        rows.append(mp.fsum(terms) / len(x))
    weights = _sample_weights(problem)
    rows = [s * loss for s, loss in zip(weights, rows, strict=True)]
    if problem.reduction == "none":
        return rows
    mean = len(rows) if problem.mean_divides_by == "rows" else mp.fsum(weights)
    return [mp.fsum(rows) / (mean if problem.reduction == "mean" else 1)]


def exact_binary_cross_entropy(problem: BinaryProblem) -> SimpleNamespace:
    """The same for sigmoid cross-entropy."""
    with mp.workdps(DIGITS):
        logits, labels = _matrix(problem.logits), _matrix(problem.labels)
        loss = _binary_loss(problem, logits, labels)
        upstream = _upstream(problem, len(loss))

        def scalar(x: list[list[mpf]], y: list[list[mpf]]) -> mpf:
            return mp.fsum(u * v for u, v in zip(upstream, _binary_loss(problem, x, y), strict=True))

        return SimpleNamespace(
            loss=np.array(loss).reshape((-1,) if problem.reduction == "none" else ()),
            grad_logits=np.array(_gradient(lambda x: scalar(x, labels), logits)),
            grad_labels=np.array(_gradient(lambda y: scalar(logits, y), labels)),
        )


def absolute_error(got: Any, exact: Any, low: Any = None) -> Any:
    """float64 array of |got + low - exact|, the difference taken in mpmath."""
    low = np.zeros(np.shape(got)) if low is None else low
    with mp.workdps(DIGITS):
        triples = zip(np.ravel(got), np.ravel(low), np.ravel(exact), strict=True)
        errors = [float(abs((mpf(float(value)) - true) + mpf(float(rest)))) for value, rest, true in triples]
        return np.array(errors).reshape(np.shape(got))


@pytest.fixture(scope="session")
def exact() -> SimpleNamespace:
    return SimpleNamespace(
        cross_entropy=exact_cross_entropy,
        binary_cross_entropy=exact_binary_cross_entropy,
        hessian_vector_product=exact_hessian_vector_product,
        error=absolute_error,
    )
