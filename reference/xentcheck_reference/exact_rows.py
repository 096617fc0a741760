"""The same rows in double-word arithmetic: for subjects that are float64 themselves, and for golden values.

Infinities, NaN, ignored rows and empty means are the float64 tier's to decide; here every row is finite.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from .capping import cap_exactly
from .doubleword import DoubleWord, sum_of_pairs, two_difference
from .elementary import exp, log1p
from .rows import row_blocks

if TYPE_CHECKING:
    from .problem import FloatArray, Problem
    from .rows import RowStatistics
    from .targets import Indices


@dataclass(frozen=True, eq=False)
class ExactResults:
    loss: DoubleWord
    """(N,) or ()"""
    grad_logits: DoubleWord
    """(N, C)"""
    grad_labels: DoubleWord | None
    """(N, C); None for index labels"""


def exact_results(problem: Problem, rows: RowStatistics) -> ExactResults:
    """Loss and gradients of the problem, with the statistics that the float64 tier made of it."""
    losses, grad = _empty(problem.logits.shape[:1]), _empty(problem.logits.shape)
    labels = _empty(problem.logits.shape) if problem.soft else None
    with np.errstate(all="ignore"):
        scale = exact_scale(problem, rows)
        for part in row_blocks(problem.logits.shape):
            block = ExactBlock(problem, rows, part)
            loss = block.loss() if problem.sample_weight is None else block.loss() * problem.sample_weight[part]
            _store(losses, part, loss.where(rows.kept[part], 0.0))
            _store(grad, part, block.gradient() * scale[part][:, None])
            if labels is not None:
                _store(labels, part, block.label_gradient() * scale[part][:, None])
        return ExactResults(_reduced(problem, rows, losses), grad, labels)


def exact_scale(problem: Problem, rows: RowStatistics) -> DoubleWord:
    """(N,) upstream over the mean's denominator, times the sample weight."""
    upstream = np.ones(()) if problem.upstream is None else problem.upstream
    scale = np.broadcast_to(upstream, rows.scale.shape) / _denominator(problem, rows)
    return (scale if problem.sample_weight is None else scale * problem.sample_weight).where(rows.kept, 0.0)


class ExactBlock:
    """A cache-sized run of rows."""

    def __init__(self, problem: Problem, rows: RowStatistics, part: slice) -> None:
        self.problem = problem
        good = np.isfinite(rows.maximum[part])
        x = np.where(good[:, None], problem.logits[part], 0.0)
        self.index, self.top = np.arange(len(x)), rows.values[part].argmax(axis=1)
        self.capped = None if problem.softcap is None else cap_exactly(x, problem.softcap)
        if self.capped is None:
            maximum = x[self.index, self.top]
            d, self.maximum = two_difference(x, maximum[:, None]), DoubleWord.of(maximum)
        else:
            self.maximum = self.capped.logits[self.index, self.top]
            d = self.capped.logits - self.maximum[:, None]
        masked = ~np.isfinite(d.hi)
        self.d = d.where(~masked, 0.0) if masked.any() else d
        self.e = exp(self.d)
        if masked.any():
            self.e = self.e.where(~masked, 0.0)
        for half in (self.e.hi, self.e.lo):
            half[self.index, self.top] = 0.0
        self.tail = sum_of_pairs(self.e)
        self.log_tail = log1p(self.tail)
        self.share = 1.0 / (self.tail + 1.0)
        self.target = _target(problem, part, self.index)
        self.mass = self.target.mass()

    @property
    def total_mass(self) -> DoubleWord:
        """(n,) what multiplies the softmax: the labels' sum, or 1 where it is taken for that, and 2 z_loss lse."""
        mass = DoubleWord.of(np.ones(len(self.top))) if self.problem.gradient_rule != "true" else self.mass
        return mass + self.pull if self.problem.z_loss else mass

    @property
    def pull(self) -> DoubleWord:
        """(n,) 2 z_loss lse"""
        return (self.maximum + self.log_tail) * (2.0 * self.problem.z_loss)

    def loss(self) -> DoubleWord:
        """(n,)"""
        loss = self.target.gap(self.d) + self.mass * self.log_tail
        if self.problem.z_loss:
            log_sum_exp = self.maximum + self.log_tail
            loss = loss + log_sum_exp * log_sum_exp * self.problem.z_loss
        return loss

    def gradient(self) -> DoubleWord:
        """(n, C) to the logits, before it is scaled."""
        grad = self.to_capped_logits()
        return grad if self.capped is None else grad * self.capped.slope

    def to_capped_logits(self) -> DoubleWord:
        """(n, C) total mass times softmax, minus q."""
        mass, at_top = self.total_mass, self.target.at(self.top)
        others = self.target.rest(self.top) if self.problem.gradient_rule == "true" else 1.0 - at_top
        if self.problem.z_loss:
            others = others + self.pull
        grad = self.target.subtracted_from(self.e * (mass * self.share)[:, None])
        # As in the float64 tier: what cancels is never larger than the answer's own terms.
        top = (others - mass * (self.tail * self.share)).where(self.tail.hi < 1.0, mass * self.share - at_top)
        grad.hi[self.index, self.top], grad.lo[self.index, self.top] = top.hi, top.lo
        return grad

    def label_gradient(self) -> DoubleWord:
        """(n, C) to soft labels, before it is scaled: (1 - eps) w_j (-log softmax_j)."""
        factor = 1.0 - DoubleWord.of(self.problem.label_smoothing)
        nll = (self.log_tail[:, None] - self.d) * factor
        return nll if self.problem.weight is None else nll * self.problem.weight

    def softmax(self) -> DoubleWord:
        """(n, C)"""
        softmax = self.e * self.share[:, None]
        softmax.hi[self.index, self.top], softmax.lo[self.index, self.top] = self.share.hi, self.share.lo
        return softmax


class _Target(Protocol):
    """q of a block's rows; see targets.py."""

    def mass(self) -> DoubleWord: ...
    def gap(self, d: DoubleWord) -> DoubleWord: ...
    def at(self, classes: Indices) -> DoubleWord: ...
    def rest(self, classes: Indices) -> DoubleWord: ...
    def subtracted_from(self, grad: DoubleWord) -> DoubleWord: ...


@dataclass(frozen=True, eq=False)
class _Peaks:
    """One class per row, q = peak there."""

    index: Indices
    labels: Indices
    peak: FloatArray

    def mass(self) -> DoubleWord:
        return DoubleWord.of(self.peak)

    def gap(self, d: DoubleWord) -> DoubleWord:
        return -d[self.index, self.labels] * self.peak

    def at(self, classes: Indices) -> DoubleWord:
        return DoubleWord.of(np.where(self.labels == classes, self.peak, 0.0))

    def rest(self, classes: Indices) -> DoubleWord:
        return DoubleWord.of(np.where(self.labels == classes, 0.0, self.peak))

    def subtracted_from(self, grad: DoubleWord) -> DoubleWord:
        at_label = grad[self.index, self.labels] - self.peak
        grad.hi[self.index, self.labels], grad.lo[self.index, self.labels] = at_label.hi, at_label.lo
        return grad


@dataclass(frozen=True, eq=False)
class _Dense:
    """Any rows."""

    index: Indices
    q: DoubleWord

    def mass(self) -> DoubleWord:
        return sum_of_pairs(self.q)

    def gap(self, d: DoubleWord) -> DoubleWord:
        return -sum_of_pairs(self.q * d)

    def at(self, classes: Indices) -> DoubleWord:
        return self.q[self.index, classes]

    def rest(self, classes: Indices) -> DoubleWord:
        others = np.ones(self.q.hi.shape, np.bool_)
        others[self.index, classes] = False
        return sum_of_pairs(self.q.where(others, 0.0))

    def subtracted_from(self, grad: DoubleWord) -> DoubleWord:
        return grad - self.q


def _target(problem: Problem, part: slice, index: Indices) -> _Target:
    smoothing, weight = problem.label_smoothing, problem.weight
    classes = problem.logits.shape[1]
    if not problem.soft:
        labels = np.where(problem.kept[part], problem.labels[part], 0).astype(np.intp)
        if not smoothing:
            return _Peaks(index, labels, np.ones(len(labels)) if weight is None else weight[labels])
        rows = np.zeros((len(labels), classes))
        rows[index, labels] = 1.0
    else:
        rows = np.asarray(problem.labels[part], np.float64)
    q = DoubleWord.of(rows)
    if smoothing:
        q = q * (1.0 - DoubleWord.of(smoothing)) + DoubleWord.of(smoothing) / float(classes)
    return _Dense(index, q if weight is None else q * weight)


def _denominator(problem: Problem, rows: RowStatistics) -> DoubleWord:
    """() what the mean divides by; a sum of weights is one of doubles and needs its low part."""
    if problem.reduction != "mean" or problem.mean_divides_by in ("rows", "kept") or not rows.denominator:
        return DoubleWord.of(rows.denominator or 1.0)
    weights = DoubleWord.of(np.ones(len(rows.kept)) if problem.sample_weight is None else problem.sample_weight)
    weights = weights[rows.kept]
    if problem.mean_divides_by == "weights" and problem.weight is not None:
        weights = weights * problem.weight[problem.labels[rows.kept].astype(np.intp)]
    return sum_of_pairs(weights)


def _reduced(problem: Problem, rows: RowStatistics, losses: DoubleWord) -> DoubleWord:
    if problem.reduction == "none":
        return losses
    return sum_of_pairs(losses) / _denominator(problem, rows)


def _empty(shape: tuple[int, ...]) -> DoubleWord:
    return DoubleWord(np.empty(shape), np.empty(shape))


def _store(whole: DoubleWord, part: slice, values: DoubleWord) -> None:
    whole.hi[part], whole.lo[part] = values.hi, values.lo


def spliced(decided: FloatArray, exact: DoubleWord) -> tuple[FloatArray, FloatArray]:
    """High and low parts: the pair where the float64 tier found a finite value other than a decided 0."""
    usable = np.isfinite(decided) & np.isfinite(exact.hi)
    return np.where(usable, exact.hi, decided), np.where(usable & np.isfinite(exact.lo), exact.lo, 0.0)
