"""What a batch shows that no element does: errors well inside their bounds that are too large on average, or all of one
sign. A bound must cover the worst rounding; honest roundings are mostly far below it and point both ways.

The root mean square and the absolute mean of error / bound have no useful a-priori value, because a worst case says
nothing about an average. So they are compared with what honest implementations reached, which is data:
`thresholds.json`, one cell per kind of bound, dtype and regime. What chance makes of a few rows is no evidence: only
what a statistic exceeds by more than twice its own standard error counts.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from math import inf, isfinite
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from xentcheck.expectation import Expectation, Expected
from xentcheck.randomness import Array
from xentcheck_adapters import Returned

# "declared": bounds of the precision that a subject declares; "unknown": of Profile.unknown, for one that nobody knows.
Knowledge = Literal["declared", "unknown"]

# How far above the largest statistic of the calibrating batches the limit lies. Those batches and a new honest one are
# exchangeable, so without a margin a new one would be accused once in as many batches as were learned from. The
# statistics are averages over a batch, so their distribution ends soon after that maximum: a quarter more, and two
# standard errors, were exceeded by none of the held-out batches of the detection study.
MARGIN = 1.25
STANDARD_ERRORS = 2.0


@dataclass(frozen=True)
class Aggregate:
    """Error / bound over one batch: root mean square, and absolute value of the signed mean; with the standard error of
    each, rows being independent. The elements of a row are not: they share the error of its sum."""

    rms: float
    bias: float
    rms_error: float = 0.0
    bias_error: float = 0.0


@dataclass(frozen=True)
class BatchStatistics:
    """Aggregates of the row losses and of the gradient's elements; None where nothing has a bound."""

    loss: Aggregate | None
    grad_logits: Aggregate | None


def batch_statistics(answer: Returned, expectation: Expectation) -> BatchStatistics:
    """Statistics of one answer, whose shapes are those of the expectation."""
    parts = expectation.parts
    grad = answer.grad_logits
    return BatchStatistics(
        loss=_aggregate(answer.loss, parts["loss"]),
        grad_logits=None if grad is None else _aggregate(grad, parts["grad_logits"]),
    )


def _aggregate(got: Array, expected: Expected) -> Aggregate | None:
    """Over the elements that have an error to speak of: a finite true value, a positive bound, no honest overflow.

    NaN or infinity returned for one of those makes both statistics infinite.
    """
    with np.errstate(all="ignore"):
        counted = np.isfinite(expected.value) & (expected.bound > 0) & ~expected.may_be_infinite
        if not counted.any():
            return None
        error = (got.astype(np.float64) - expected.value) - expected.low
        ratio = np.where(counted, error / expected.bound, 0.0)
        if not np.isfinite(ratio).all():
            return Aggregate(inf, inf)
        rows = max(len(np.atleast_1d(ratio)), 1)
        counts = counted.reshape(rows, -1).sum(axis=1)
        ratio, counts = ratio.reshape(rows, -1)[counts > 0], counts[counts > 0]
        mean, mean_error = _mean(ratio.sum(axis=1) / counts)
        square, square_error = _mean(np.square(ratio).sum(axis=1) / counts)
        rms = float(np.sqrt(square))
        return Aggregate(rms, abs(mean), rms - float(np.sqrt(max(0.0, square - square_error))), mean_error)


def _mean(rows: Array) -> tuple[float, float]:
    """Mean over the rows and its standard error; of one row the error is all there is."""
    mean = float(rows.mean())
    return mean, abs(mean) if len(rows) == 1 else float(rows.std(ddof=1)) / float(np.sqrt(len(rows)))


_Statistic = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Limits(BaseModel):
    """Largest statistics of the honest batches of one cell, each as (rms, bias); None where none was measured."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    loss: tuple[_Statistic, _Statistic] | None = None
    grad_logits: tuple[_Statistic, _Statistic] | None = None

    def exceeds(self, statistics: BatchStatistics) -> str | None:
        """The statistic that is farthest above `MARGIN` times its honest maximum even if it is `STANDARD_ERRORS` of its
        own too large, in words; None if there is none."""
        worst, said = MARGIN, None
        for what in ("loss", "grad_logits"):
            seen, limit = getattr(statistics, what), getattr(self, what)
            if seen is None or limit is None:
                continue
            pairs = (("rms", seen.rms, seen.rms_error, limit[0]), ("bias", seen.bias, seen.bias_error, limit[1]))
            for name, value, error, honest in pairs:
                sure = max(0.0, value - STANDARD_ERRORS * error)
                excess = sure / honest if honest else inf if sure else 0.0
                if excess > worst:
                    worst = excess
                    said = (
                        f"{name} of {what} error / bound {value:.3g} ± {error:.1g}, honest batches reach {honest:.3g}"
                    )
        return said


class Thresholds(BaseModel):
    """Limits by kind of bound, dtype and regime, as they were measured."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    declared: dict[str, dict[str, Limits]] = {}
    unknown: dict[str, dict[str, Limits]] = {}

    def limits(self, knowledge: Knowledge, dtype: str, regime: str) -> Limits | None:
        """What a batch of a regime is held to; None where the regime was not calibrated.

        A described subject is one of those that the limits were learned from. A stranger is not, and may be the worst
        so far in one regime or another: it is held to the largest limits of all regimes.
        """
        cells: dict[str, Limits] = getattr(self, knowledge).get(dtype, {})
        if knowledge == "declared" or regime not in cells:
            return cells.get(regime)
        return Limits(
            loss=_widest(cell.loss for cell in cells.values()),
            grad_logits=_widest(cell.grad_logits for cell in cells.values()),
        )

    def exceeds(self, knowledge: Knowledge, dtype: str, regime: str, statistics: BatchStatistics) -> str | None:
        """What `Limits.exceeds` says; None also where nothing was calibrated, which is no verdict."""
        limits = self.limits(knowledge, dtype, regime)
        return limits.exceeds(statistics) if limits else None


def learn(batches: Iterable[BatchStatistics]) -> Limits:
    """Limits from the statistics of honest batches of one cell.

    Raises ValueError for a statistic that is not finite: a subject that answers NaN teaches nothing.
    """
    seen = list(batches)
    return Limits(
        loss=_largest([s.loss for s in seen if s.loss]),
        grad_logits=_largest([s.grad_logits for s in seen if s.grad_logits]),
    )


def _largest(aggregates: list[Aggregate]) -> tuple[float, float] | None:
    largest = _widest((a.rms, a.bias) for a in aggregates)
    if largest and not all(map(isfinite, largest)):
        raise ValueError("an honest batch with an infinite error cannot be learned from")
    return largest


def _widest(pairs: Iterable[tuple[float, float] | None]) -> tuple[float, float] | None:
    """(largest rms, largest bias) of those that are there."""
    there = [pair for pair in pairs if pair]
    return (max(rms for rms, _ in there), max(bias for _, bias in there)) if there else None


@cache
def thresholds() -> Thresholds:
    """The calibrated thresholds; pydantic's ValidationError if the data file is not what it should be."""
    return Thresholds.model_validate(json.loads(files(__package__).joinpath("thresholds.json").read_text("utf-8")))
