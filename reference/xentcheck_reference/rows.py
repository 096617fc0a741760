"""Row by row: the float64 arithmetic of softmax cross-entropy, in a form in which nothing cancels.

With k one argmax, m = x_k and d_j = x_j - m:

    T = sum_{j != k} exp(d_j)     ell = log1p(T)     -log softmax_j = (-d_j) + ell    (two terms >= 0)

so a loss of 1e-20 is right to its last digits, where log(sum(exp)) rounds 1 + T to 1 and returns 0. For the same
reason the gradient at k is sum_{j != k} q_j - S T/(1+T) while T < 1: for a one-hot label at the maximum, -T/(1+T).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from .problem import FloatArray
from .sums import dots_of_rows, sums_of_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .targets import Target

# Elements and rows per block: few enough for its temporaries to stay in the caches, enough to outweigh the calls.
_BLOCK_ELEMENTS, _FEWEST_ROWS = 1 << 17, 4

Differences = Callable[[FloatArray, FloatArray, FloatArray, FloatArray], None]
"""(values (n, C), their row maxima (n,), d (n, C), e (n, C)): writes x - max to d and exp(d) to e."""


def rows_per_block(classes: int) -> int:
    """How many rows of C classes are worked on at a time."""
    return max(_FEWEST_ROWS, _BLOCK_ELEMENTS // classes)


def row_blocks(shape: tuple[int, ...]) -> Iterator[slice]:
    """Slices that together cover the rows of an (N, C) array, `rows_per_block` each."""
    rows, classes = shape
    step = rows_per_block(classes)
    return (slice(start, min(start + step, rows)) for start in range(0, rows, step))


def of_logits(x: FloatArray, maximum: FloatArray, d: FloatArray, e: FloatArray) -> None:
    np.subtract(x, maximum[:, None], out=d)
    np.exp(d, out=e)


def of_probabilities(p: FloatArray, maximum: FloatArray, d: FloatArray, e: FloatArray) -> None:
    # The logits are log p, so exp(d) is the ratio of two probabilities and needs no exp.
    np.divide(p, maximum[:, None], out=e)
    np.log(e, out=d)


@dataclass(frozen=True, eq=False)
class RowStatistics:
    """What the error bound needs to know about every row. Shapes (N,) unless said; natural logarithms."""

    values: FloatArray
    """(N, C) logits or probabilities, as given"""
    differences: Differences
    target: Target
    magnitude: Target
    """The same rows with |labels| and |weight|"""
    kept: NDArray[np.bool_]
    scale: FloatArray
    """upstream times d(returned loss)/d(row loss), sample weight included; 0 on ignored rows"""
    denominator: float
    """What the mean divides by; 1 for the other reductions"""
    z_loss: float
    """The factor of the squared log-sum-exp"""
    maximum: FloatArray
    """m, NaN on rows that have no softmax"""
    tail: FloatArray
    """T"""
    log_tail: FloatArray
    """ell"""
    argument: FloatArray
    """sum_j softmax_j |d_j|"""
    gap: FloatArray
    """sum_j |d_j| times the magnitude's q_j"""
    loss: FloatArray
    """Row losses before the reduction, times their sample weights; exactly 0 on ignored rows"""

    @property
    def log_sum_exp(self) -> FloatArray:
        """(N,)"""
        return self.maximum + self.log_tail

    @property
    def pull(self) -> FloatArray | float:
        """(N,) 2 z_loss lse: what the squared log-sum-exp adds to the mass that multiplies the softmax."""
        return 2.0 * self.z_loss * self.log_sum_exp if self.z_loss else 0.0

    def softmax_and_nll(self, rows: slice) -> tuple[FloatArray, FloatArray]:
        """(n, C) softmax and -log softmax of a slice of rows."""
        with np.errstate(all="ignore"):
            softmax, d = np.empty(self.values[rows].shape), np.empty(self.values[rows].shape)
            self.differences(self.values[rows], self.maximum[rows], d, softmax)
            softmax /= (1.0 + self.tail[rows])[:, None]
            return softmax, np.subtract(self.log_tail[rows, None], d, out=d)

    @cached_property
    def softmax(self) -> FloatArray:
        """(N, C)"""
        return self.softmax_and_nll(slice(None))[0]

    @cached_property
    def nll(self) -> FloatArray:
        """(N, C) -log softmax"""
        return self.softmax_and_nll(slice(None))[1]


def evaluate(
    values: FloatArray,
    differences: Differences,
    target: Target,
    magnitude: Target,
    kept: NDArray[np.bool_],
    scale: FloatArray,
    denominator: float,
    assume_normalised: bool,
    z_loss: float,
    sample_weight: FloatArray | None,
    nll: FloatArray | None,
) -> tuple[RowStatistics, FloatArray]:
    """Statistics and row losses of every row, and the (N, C) gradient scale * ((S + 2 z_loss lse) softmax - q) to the
    logits.

    `assume_normalised` takes S = 1 in the gradient, whatever the labels sum to. `sample_weight` (N,) multiplies the row
    losses, and is in `scale` already. `nll` (N, C) receives -log softmax.
    """
    grad, columns = np.empty(values.shape), np.empty((6, len(values)))
    mass = target.mass
    # One buffer for all blocks: the system would take a fresh one back, and giving it again costs more than filling it.
    differences_of_block = np.empty((min(len(values), rows_per_block(values.shape[1])), values.shape[1]))
    with np.errstate(all="ignore"):
        for rows in row_blocks(values.shape):
            d = differences_of_block[: len(values[rows])]
            block = _Block(values[rows], differences, d, grad[rows])
            gap = target.gap(rows, block.d)
            loss = gap + mass[rows] * block.log_tail
            pull = None
            if z_loss:
                log_sum_exp = block.maximum + block.log_tail
                loss += z_loss * log_sum_exp * log_sum_exp
                pull = 2.0 * z_loss * log_sum_exp
            if sample_weight is not None:
                loss *= sample_weight[rows]
            gap = gap if magnitude is target else magnitude.gap(rows, block.d)
            columns[:, rows] = block.maximum, block.tail, block.log_tail, block.argument, gap, loss
            if nll is not None:
                np.subtract(block.log_tail[:, None], block.d, out=nll[rows])
            block.finish_gradient(target, rows, None if assume_normalised else mass[rows], pull, scale[rows])
    columns[5, ~kept] = 0.0
    grad[~kept] = 0.0
    return RowStatistics(values, differences, target, magnitude, kept, scale, denominator, z_loss, *columns), grad


class _Block:
    """A cache-sized run of rows; exp(d) lives in the gradient's memory until finish_gradient turns it into that."""

    def __init__(self, values: FloatArray, differences: Differences, d: FloatArray, e: FloatArray) -> None:
        self.index = np.arange(len(values))
        self.top = values.argmax(axis=1)  # a NaN counts as the maximum, so `maximum` shows every kind of bad row
        maximum = values[self.index, self.top]
        self.maximum = np.where(np.isfinite(maximum), maximum, np.nan)
        self.d, self.e = d, e
        differences(values, self.maximum, d, e)
        weighted = dots_of_rows(e, d)
        if np.isnan(weighted).any():  # exp(-inf) * -inf
            weighted = sums_of_rows(np.where(e == 0.0, 0.0, e * self.d))
        e[self.index, self.top] = 0.0
        self.tail = sums_of_rows(e) + (self.maximum - self.maximum)  # NaN on bad rows, even where C = 1 leaves no tail
        self.log_tail = np.log1p(self.tail)
        self.argument = -weighted / (1.0 + self.tail)

    def finish_gradient(
        self, target: Target, rows: slice, mass: FloatArray | None, pull: FloatArray | None, scale: FloatArray
    ) -> None:
        """scale * ((mass + pull) softmax - q); a mass of None is taken to be 1 whatever q sums to."""
        share = 1.0 / (1.0 + self.tail)
        at_top = target.at(rows, self.top)
        if mass is None:
            mass, others = np.ones_like(share), 1.0 - at_top
        else:
            others = target.rest(rows, self.top)
        if pull is not None:
            mass, others = mass + pull, others + pull
        grad = self.e
        grad *= (scale * mass * share)[:, None]
        target.add_to(grad, rows, -scale)
        top = np.where(self.tail < 1.0, others - mass * (self.tail * share), mass * share - at_top)
        grad[self.index, self.top] = scale * top
        bad = np.isnan(self.maximum)
        if bad.any():
            grad[bad] = np.nan
