"""The label side of a row, q, without ever building an (N, C) one-hot.

Index labels are q = peak * onehot(y) + prior with one prior for all rows; soft labels are q itself.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from .sums import sums_of_rows

if TYPE_CHECKING:
    from .problem import FloatArray, Problem, ZeroTimesInf

Indices = NDArray[np.intp]


class Target(Protocol):
    """q of every row; `rows` is the slice of rows a block works on, `d` its (n, C) array of x - max."""

    @property
    def mass(self) -> FloatArray:
        """(N,) sum_j q_j"""

    @property
    def mixed(self) -> bool:
        """Whether the row loss sums over classes (False: one class only)."""

    def gap(self, rows: slice, d: FloatArray) -> FloatArray:
        """(n,) sum_j q_j (-d_j)"""

    def at(self, rows: slice, classes: Indices) -> FloatArray:
        """(n,) q at one class per row"""

    def rest(self, rows: slice, classes: Indices) -> FloatArray:
        """(n,) sum of q over all classes but one per row"""

    def add_to(self, out: FloatArray, rows: slice, factor: FloatArray) -> None:
        """out += factor[:, None] * q, in place"""


@dataclass(frozen=True, eq=False)
class IndexTarget:
    labels: Indices
    peak: FloatArray
    """(N,)"""
    prior: FloatArray | None
    """(C,) the smoothing mass eps/C * w, or None"""

    @cached_property
    def mass(self) -> FloatArray:
        return self.peak if self.prior is None else self.peak + self.prior.sum()

    @property
    def mixed(self) -> bool:
        return self.prior is not None

    def gap(self, rows: slice, d: FloatArray) -> FloatArray:
        labels = self.labels[rows]
        peak = -self.peak[rows] * d[np.arange(len(labels)), labels]
        return peak if self.prior is None else peak - _sum_of_products(d, self.prior, "zero")

    def at(self, rows: slice, classes: Indices) -> FloatArray:
        peak = np.where(self.labels[rows] == classes, self.peak[rows], 0.0)
        return peak if self.prior is None else peak + self.prior[classes]

    def rest(self, rows: slice, classes: Indices) -> FloatArray:
        peak = np.where(self.labels[rows] == classes, 0.0, self.peak[rows])
        return peak if self.prior is None else peak + (self.prior.sum() - self.prior[classes])

    def add_to(self, out: FloatArray, rows: slice, factor: FloatArray) -> None:
        if self.prior is not None:
            out += factor[:, None] * self.prior
        labels = self.labels[rows]
        out[np.arange(len(labels)), labels] += factor * self.peak[rows]


@dataclass(frozen=True, eq=False)
class SoftTarget:
    q: FloatArray
    """(N, C)"""
    zero_times_inf: ZeroTimesInf
    mixed: bool = True

    @cached_property
    def mass(self) -> FloatArray:
        return sums_of_rows(self.q)

    def gap(self, rows: slice, d: FloatArray) -> FloatArray:
        return -_sum_of_products(d, self.q[rows], self.zero_times_inf)

    def at(self, rows: slice, classes: Indices) -> FloatArray:
        return np.asarray(self.q[rows][np.arange(len(classes)), classes])

    def rest(self, rows: slice, classes: Indices) -> FloatArray:
        # Summed anew: mass - q_k would cancel where nearly all the mass sits on class k.
        others = self.q[rows].copy()
        others[np.arange(len(classes)), classes] = 0.0
        return sums_of_rows(others)

    def add_to(self, out: FloatArray, rows: slice, factor: FloatArray) -> None:
        out += factor[:, None] * self.q[rows]


def _sum_of_products(d: FloatArray, q: FloatArray, zero_times_inf: ZeroTimesInf) -> FloatArray:
    products = d * q
    if zero_times_inf == "zero" and not np.isfinite(products).all():
        products[(q == 0.0) & ~np.isnan(d)] = 0.0
    return sums_of_rows(products)


def target_of(problem: Problem) -> Target:
    """The rows q of a problem; ignored rows keep peak 0 and a label that is safe to index with."""
    smoothing, classes = problem.label_smoothing, problem.logits.shape[1]
    weight = problem.weight
    if problem.soft:
        q = np.asarray(problem.labels, np.float64)
        if smoothing:
            q = q * (1.0 - smoothing) + smoothing / classes
        return SoftTarget(q if weight is None else q * weight, problem.zero_times_inf)
    kept = None if problem.ignore_index is None else problem.kept
    labels = (problem.labels if kept is None else np.where(kept, problem.labels, 0)).astype(np.intp, copy=False)
    peak = np.full(len(labels), 1.0 - smoothing) if weight is None else weight[labels] * (1.0 - smoothing)
    prior = (smoothing / classes) * (np.ones(classes) if weight is None else weight) if smoothing else None
    return IndexTarget(labels, peak if kept is None else np.where(kept, peak, 0.0), prior)


def magnitude_of(problem: Problem, target: Target) -> Target:
    """What bounds charge roundings to: q with |labels| and |weight|; `target` itself where nothing is negative.

    Not |q|: smoothing may cancel against a negative label, and the roundings happen before it does.
    """
    weight, labels = problem.weight, problem.labels
    signed_weight = weight is not None and bool((weight < 0.0).any())
    signed_labels = problem.soft and bool((labels < 0.0).any())
    if not (signed_weight or signed_labels):
        return target
    return target_of(
        replace(
            problem,
            labels=np.abs(labels) if problem.soft else labels,
            weight=None if weight is None else np.abs(weight),
        )
    )
