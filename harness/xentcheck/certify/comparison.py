"""What the oracle promises of its values, and whether it keeps to it.

Both tiers state an a-priori bound of their own error (`oracle_error`), which enters every verdict. Beside it:

* float64 is negligible in every verdict that it is used in: below 1e-6 of the tightest bound of a float32 subject;
* double-word has the nearest float64 for its high part (0.51 ulp: a hundredth for ties that the low part decides), and
  a pair right to 2^-70, wherever low parts are not subnormal themselves.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from xentcheck.randomness import Array
from xentcheck_reference import Tier

from .rows import Batch

HIGH_ULP = 0.51
PAIR = 2.0**-70
NEGLIGIBLE = 1e-6
# Low parts are 2^-53 of what they belong to and have to hold 2^-74 of it: below 2^-960 they run into 2^-1074.
FLOOR = 2.0**-960


@dataclass(frozen=True, eq=False)
class Comparison:
    """One result of one tier on one batch. Arrays have one element per judged value."""

    batch: Batch
    tier: Tier
    what: str
    rows: Array
    """Row of each value in the batch; -1 where the reduction made one of them all"""
    columns: Array
    """-1 for losses"""
    got: Array
    """High part in the double-word tier"""
    exact: Array
    error: Array
    """|got + low - exact|"""
    high_error: Array
    """|got - exact|"""
    magnitude: Array
    """What relative errors are relative to: |exact|, or what cancels in it"""
    bound: Array
    """A priori, of the error"""
    tightest: Array | None
    """Tightest bound of a float32 subject; None where there is none, and in the double-word tier"""

    def of_row(self, row: int | None) -> Comparison:
        """One row's values, and those of the whole batch; all of them for None."""
        if row is None:
            return self
        chosen = np.isin(self.rows, (row, -1))
        arrays: dict[str, Any] = {
            name: values[chosen] for name, values in vars(self).items() if isinstance(values, np.ndarray)
        }
        return replace(self, **arrays)

    @property
    def ulp(self) -> Array:
        """Error in units in the last place of float64: of the magnitude, or of the high part where it is a pair.

        NaN where nothing can be said in ulp: infinities, high parts of values that cancel or lie below FLOOR.
        """
        with np.errstate(all="ignore"):
            if self.tier == "float64":
                return np.asarray(self.error / _spacing(self.magnitude))
            return np.where(self._high_decides, self.high_error / _spacing(self.exact), np.nan)

    @property
    def pair_ulp(self) -> Array:
        """Error of the pair in ulp of the magnitude; NaN below FLOOR and in the float64 tier."""
        with np.errstate(all="ignore"):
            usable = self._has_pair & (self.tier == "double-word")
            return np.where(usable, self.error / _spacing(self.magnitude), np.nan)

    @property
    def of_bound(self) -> Array:
        """Error as a share of the a-priori bound."""
        return _ratio(self.error, self.bound)

    @property
    def of_tightest(self) -> Array:
        """Error as a share of the tightest float32 bound; NaN where there is none."""
        return np.full(len(self.error), np.nan) if self.tightest is None else _ratio(self.error, self.tightest)

    @property
    def _has_pair(self) -> Array:
        return np.asarray((self.magnitude >= FLOOR) & np.isfinite(self.magnitude))

    @property
    def _high_decides(self) -> Array:
        # Where the pair's 2^-70 of the magnitude is below a hundredth of an ulp, the high part is as good as nearest.
        cancelled = PAIR * self.magnitude > (HIGH_ULP - 0.5) * _spacing(self.exact)
        return np.asarray((np.abs(self.exact) >= FLOOR) & np.isfinite(self.exact) & ~cancelled)

    def promises(self) -> Iterator[tuple[str, Array, Array]]:
        """Name, error and bound of every promise about these values."""
        yield "the a-priori bound", self.error, self.bound
        with np.errstate(all="ignore"):
            if self.tightest is not None:
                yield "1e-6 of the tightest float32 bound", self.error, NEGLIGIBLE * self.tightest
            if self.tier == "double-word":
                high = np.where(self._high_decides, HIGH_ULP * _spacing(self.exact), np.inf)
                yield "0.51 ulp of the high part", self.high_error, high
                yield "2^-70 of the pair", self.error, np.where(self._has_pair, PAIR * self.magnitude, np.inf)

    def row_name(self, i: int) -> str:
        """seed:regime:batch.row of a value; seed:regime:batch where it belongs to the whole batch."""
        return self.batch.name + (f".{self.rows[i]}" if self.rows[i] >= 0 else "")


@dataclass(frozen=True)
class Violation:
    """A promise that a value breaks."""

    tier: str
    promise: str
    what: str
    regime: str
    row: str
    """As `xentcheck certify --row` takes it"""
    column: int
    got: float
    exact: float
    error: float
    bound: float


def violations(comparison: Comparison) -> Iterator[Violation]:
    """The promises that are broken, value by value."""
    c = comparison
    for promise, error, bound in c.promises():
        for i in np.flatnonzero(~(error <= bound)).tolist():
            yield Violation(
                tier=c.tier,
                promise=promise,
                what=c.what,
                regime=c.batch.regime,
                row=c.row_name(i),
                column=int(c.columns[i]),
                got=float(c.got[i]),
                exact=float(c.exact[i]),
                error=float(error[i]),
                bound=float(bound[i]),
            )


def _spacing(values: Array) -> Array:
    with np.errstate(all="ignore"):
        return np.asarray(np.spacing(np.abs(values)))


def _ratio(error: Array, bound: Array) -> Array:
    with np.errstate(all="ignore"):
        return np.where(error == 0.0, 0.0, error / bound)
