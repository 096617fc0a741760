"""Errors row by row, as the atlas of a record sums them up: in ulp of the dtype, and relative to their bounds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import ml_dtypes
import numpy as np

from xentcheck.cases import Case
from xentcheck.expectation import Expectation
from xentcheck.randomness import Array
from xentcheck.regimes import HORIZON
from xentcheck.survey import reported_regime
from xentcheck.verdict import error_ratio, first_overflow
from xentcheck_adapters import Returned, dtype_named
from xentcheck_reports import Accuracy, Horizon

What = Literal["loss", "grad_logits"]

# A loss that is off by more than this share of itself is not to be trusted: five times what a well-behaved 16-bit
# loss errs by (half an ulp of bfloat16 is 0.4 %), and far above any rounding of the wider dtypes.
_TRUSTED = {"float16": 0.05, "bfloat16": 0.05, "float32": 0.01, "float64": 0.01}


@dataclass(frozen=True, eq=False)
class RowErrors:
    """One result of one case. Arrays hold one entry per row with a finite true value; for the gradient, that of the
    column with the largest error in ulp among those whose true value is a normal number of the dtype."""

    regime: str
    what: What
    dtype: str
    token: str
    row: Array
    """Which row of the case"""
    ulp: Array
    ratio: Array
    """Largest of all columns"""
    got: Array
    expected: Array
    zero: Array
    """Whether exactly 0 was returned for a normal number"""
    known: bool = False
    """Whether the case differs as a known divergence says: its errors are facts, but no bound is held against them"""


def row_errors(case: Case, answer: Returned, expectation: Expectation) -> tuple[RowErrors, ...]:
    """The errors of the loss, and of the gradient where there is one; the answer's shapes are those of the expectation,
    with one loss per row."""
    loss = _of(case, "loss", answer.loss, expectation)
    if answer.grad_logits is None:
        return (loss,)
    return loss, _of(case, "grad_logits", answer.grad_logits, expectation)


def _of(case: Case, what: What, got: Array, expectation: Expectation) -> RowErrors:
    dtype, expected = expectation.dtype, expectation.parts[what]
    ratio, limit = error_ratio(got, expected, dtype), first_overflow(dtype)
    low = np.broadcast_to(expected.low, expected.value.shape)
    mine, true, low = (np.asarray(v).astype(np.float64).reshape(case.rows, -1) for v in (got, expected.value, low))
    smallest = float(ml_dtypes.finfo(dtype_named(dtype)).smallest_normal)
    with np.errstate(all="ignore"):
        normal = np.abs(true) >= smallest
        error = np.abs((np.clip(mine, -limit, limit) - true) - low) / ulp(true, dtype)
        error = np.where(np.isnan(error), np.inf, error)
        if what == "grad_logits":
            error = np.where(normal, error, 0.0)
    rows = np.flatnonzero(np.isfinite(true).all(axis=1))
    column = error[rows].argmax(axis=1)
    return RowErrors(
        regime=reported_regime(case),
        what=what,
        dtype=dtype,
        token=case.token,
        row=rows,
        ulp=error[rows, column],
        ratio=ratio.reshape(case.rows, -1)[rows].max(axis=1),
        got=mine[rows, column],
        expected=true[rows, column],
        zero=((mine == 0.0) & normal)[rows].any(axis=1),
    )


def ulp(values: Array, dtype: str) -> Array:
    """Spacing of the dtype at each value, not below that at its smallest normal number."""
    info = ml_dtypes.finfo(dtype_named(dtype))
    smallest = int(np.frexp(float(info.smallest_normal))[1])
    exponent = np.where(values == 0, smallest, np.maximum(np.frexp(values)[1], smallest))  # v in [2**(e - 1), 2**e)
    return np.asarray(np.ldexp(1.0, exponent - 1 - int(info.nmant)))


def accuracy(errors: Sequence[RowErrors]) -> list[Accuracy]:
    """One entry per regime and result, in the order in which they came."""
    cells: dict[tuple[str, What], list[RowErrors]] = defaultdict(list)
    for part in errors:
        if len(part.row):
            cells[part.regime, part.what].append(part)
    return [_summed_up(parts) for parts in cells.values()]


def _summed_up(parts: Sequence[RowErrors]) -> Accuracy:
    ulps = np.concatenate([part.ulp for part in parts])
    ratios = np.concatenate([np.zeros(0), *(part.ratio for part in parts if not part.known)])
    worst = max(parts, key=lambda part: float(part.ulp.max()))
    index = int(worst.ulp.argmax())
    return Accuracy(
        regime=worst.regime,
        what=worst.what,
        rows=len(ulps),
        max_ulp=float(ulps.max()),
        p99_ulp=_p99(ulps),
        max_ratio=float(ratios.max(initial=0.0)),
        p99_ratio=_p99(ratios) if len(ratios) else 0.0,
        known_rows=len(ulps) - len(ratios),
        zeros=int(sum(part.zero.sum() for part in parts)),
        row=int(worst.row[index]),
        got=float(worst.got[index]),
        expected=float(worst.expected[index]),
        token=worst.token,
    )


def _p99(values: Array) -> float:
    """The smallest value that 99 % of the rows do not exceed; one of them, so infinities need no interpolation."""
    return float(np.percentile(values, 99, method="inverted_cdf"))


def horizon(errors: Sequence[RowErrors]) -> Horizon | None:
    """How small a loss may be and still be told, from the horizon rows among the errors; None without any."""
    parts = [part for part in errors if part.regime == HORIZON and part.what == "loss" and len(part.row)]
    if not parts:
        return None
    got, true = (np.concatenate([getattr(part, name) for part in parts]) for name in ("got", "expected"))
    tolerance = _TRUSTED[parts[0].dtype]
    relative = np.abs(got - true) / true
    return Horizon(
        zero_below=float(true[got == 0.0].max(initial=0.0)),
        accurate_above=float(true[~(relative <= tolerance)].max(initial=0.0)),
        tolerance=tolerance,
        token=parts[-1].token,
    )
