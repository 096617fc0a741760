"""The exact side of the certificate: the textbook definition in ball arithmetic, in so many bits that nothing cancels.

Arb (F. Johansson, "Arb: efficient arbitrary-precision midpoint-radius interval arithmetic", IEEE Trans. Computers 66,
2017; here through python-flint) returns every number with a proven radius. A row is evaluated with more and more bits
until each radius is negligible, so none of the oracle's own algebra is needed, and none is used:

    z = c tanh(x/c)    s_j = exp(z_j) / sum_i exp(z_i)    loss = sum_j q_j (-log s_j) + z_loss lse^2

The only liberty is exp(z_j - max z) for exp(z_j), above and below alike: exponents of 1e300 have a thousand bits.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import inf, isfinite, log
from typing import Any

import numpy as np
from flint import arb, ctx

from xentcheck_reference import Problem

from .rows import Batch

# The oracle is held to 2^-70 of a value at the strictest, and below 2^-1074 float64 has nothing.
_RELATIVE_BITS = 96
_ABSOLUTE_BITS = 1140
_MOST_BITS = 1 << 14

Ball = Any
"""A flint.arb"""


@dataclass
class ExactValues:
    """Balls of negligible radius, and where they belong in the batch."""

    rows: list[int] = field(default_factory=list)
    """-1 for the one loss of a sum or a mean"""
    columns: list[int] = field(default_factory=list)
    """-1 for losses"""
    balls: list[Ball] = field(default_factory=list)

    def add(self, row: int, columns: Sequence[int], balls: Sequence[Ball]) -> None:
        self.rows += [row] * len(balls)
        self.columns += columns
        self.balls += balls

    def nearest(self) -> list[float]:
        """In float64."""
        return [float(ball) for ball in self.balls]

    def distances(self, high: Sequence[float], low: Sequence[float]) -> list[float]:
        """Upper bounds of |high + low - exact|; infinite where one is not finite and the other is not the same."""
        with _precision(_RELATIVE_BITS):
            return [_distance(*each) for each in zip(self.balls, high, low, strict=True)]


def exact_results(batch: Batch) -> dict[str, ExactValues]:
    """ "loss", "grad_logits", "product" (Hessian times the batch's vector) and, for soft labels, "grad_labels".

    Raises:
        ArithmeticError: a radius that stays too large; no input of the certificate needs a tenth of the bits allowed.
    """
    problem, losses, most = batch.problem, [], 0
    whats = ("loss", "grad_logits", "product", *(("grad_labels",) if problem.soft else ()))
    results = {what: ExactValues() for what in whats}
    for i, columns in enumerate(batch.columns):
        row, bits = _settled_row(batch, i)
        losses.append(row.pop("loss")[0])
        most = max(most, bits)
        for what, balls in row.items():
            results[what].add(i, columns, balls)
    if problem.reduction == "none":
        results["loss"] = ExactValues(list(range(len(losses))), [-1] * len(losses), losses)
    else:
        with _precision(most + _RELATIVE_BITS):
            results["loss"].add(-1, [-1], [sum(losses, arb(0)) / _denominator(problem)])
    return results


def _settled_row(batch: Batch, i: int) -> tuple[dict[str, list[Ball]], int]:
    """A row's results with negligible radii, and the bits that took."""
    bits = _first_guess(batch.problem, i)
    while bits <= _MOST_BITS:
        with _precision(bits):
            row = _row(batch, i)
        if all(_settled(ball) for balls in row.values() for ball in balls):
            return row, bits
        bits *= 2
    raise ArithmeticError(f"row {i} of {batch.name}: {_MOST_BITS} bits leave a radius that matters")


def _settled(ball: Ball) -> bool:
    if not ball.is_finite():
        return not ball.is_nan()
    return bool(
        ball.is_exact() or ball.rel_accuracy_bits() >= _RELATIVE_BITS or ball.rad() * arb(2) ** _ABSOLUTE_BITS < 1
    )


def _distance(exact: Ball, high: float, low: float) -> float:
    if not (isfinite(high) and exact.is_finite()):
        return 0.0 if high == float(exact) else inf
    return float((arb(high) - exact + arb(low)).abs_upper())


@contextmanager
def _precision(bits: int) -> Iterator[None]:
    before, ctx.prec = ctx.prec, bits
    try:
        yield
    finally:
        ctx.prec = before


def _first_guess(problem: Problem, i: int) -> int:
    """Bits to begin with: enough to see the second largest logit beside the largest."""
    x, c = problem.logits[i], problem.softcap
    z = x if c is None else c * np.tanh(x / c)
    second, first = np.sort(z)[-2:].tolist() if len(z) > 1 else (0.0, 0.0)
    return 32 + _RELATIVE_BITS + int(min(first - second, 800.0) / log(2.0))


def _row(batch: Batch, i: int) -> dict[str, list[Ball]]:
    problem, columns = batch.problem, batch.columns[i]
    if not problem.kept[i]:
        nothing = [arb(0)] * len(columns)
        return {"loss": nothing[:1], "grad_logits": nothing, "product": nothing}
    x = [arb(value) for value in problem.logits[i].tolist()]
    v = [arb(value) for value in batch.vector[i].tolist()]
    c = None if problem.softcap is None else arb(problem.softcap)
    t = None if c is None else [(value / c).tanh() for value in x]
    z = x if t is None else [c * value for value in t]
    top = z[int(problem.logits[i].argmax())]
    e = [(value - top).exp() for value in z]
    total = sum(e, arb(0))
    log_total = total.log()
    log_sum_exp, zeta = top + log_total, arb(problem.z_loss)
    q = _labels(problem, i)
    loss = sum((q_j * (log_total - (z[j] - top)) for j, q_j in q.items()), zeta * log_sum_exp * log_sum_exp)

    mass = arb(1) if problem.gradient_rule == "assume_normalised" else sum(q.values(), arb(0))
    mass += 2 * zeta * log_sum_exp
    scale = _scale(problem, i)
    slope = [arb(1)] * len(x) if t is None else [1 - value * value for value in t]
    w = v if t is None else [a * b for a, b in zip(slope, v, strict=True)]
    mean = sum((a * b for a, b in zip(e, w, strict=True)), arb(0)) / total
    row: dict[str, list[Ball]] = {"loss": [loss], "grad_logits": [], "product": []}
    for j in columns:
        s = e[j] / total
        grad = mass * s - q.get(j, 0)
        product = slope[j] * (mass * s * (w[j] - mean) + 2 * zeta * s * mean)
        if t is not None:
            product += -2 * t[j] * slope[j] / c * v[j] * grad
        row["grad_logits"].append(scale * slope[j] * grad)
        row["product"].append(scale * product)
    if problem.soft:
        rest = scale * (1 - arb(problem.label_smoothing))
        row["grad_labels"] = [rest * _weight(problem, j) * (log_total - (z[j] - top)) for j in columns]
    return row


def _weight(problem: Problem, j: int) -> Ball:
    return arb(1) if problem.weight is None else arb(float(problem.weight[j]))


def _labels(problem: Problem, i: int) -> dict[int, Ball]:
    """q_j = w_j ((1 - eps) y_j + eps/C), where it is not zero."""
    classes, smoothing = problem.logits.shape[1], arb(problem.label_smoothing)
    if problem.soft:
        given = {j: y for j, y in enumerate(problem.labels[i].tolist()) if y}
    else:
        given = {int(problem.labels[i]): 1.0}
    keep, share = 1 - smoothing, smoothing / classes
    everywhere = range(classes) if problem.label_smoothing else sorted(given)
    return {j: _weight(problem, j) * (keep * arb(given.get(j, 0.0)) + share) for j in everywhere}


def _scale(problem: Problem, i: int) -> Ball:
    upstream = 1.0 if problem.upstream is None else float(np.broadcast_to(problem.upstream, len(problem.logits))[i])
    return arb(upstream) / _denominator(problem)


def _denominator(problem: Problem) -> Ball:
    if problem.reduction != "mean":
        return arb(1)
    if problem.mean_divides_by == "rows":
        return arb(len(problem.logits))
    if problem.mean_divides_by == "kept" or problem.weight is None:
        return arb(int(problem.kept.sum()))
    return sum((_weight(problem, int(y)) for y in problem.labels[problem.kept]), arb(0))
