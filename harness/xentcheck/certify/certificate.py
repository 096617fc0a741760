"""The certificate: the worst figure of each regime, tier and result, and every broken promise."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from typing import Any

import numpy as np

from xentcheck.randomness import Array

from .comparison import Comparison, Violation, violations
from .rows import Batch

# The results in the order of the tables
WHATS = ("loss", "grad_logits", "grad_labels", "product")


@dataclass
class Worst:
    """The largest value of a figure, and what attained it."""

    value: float = 0.0
    row: str = ""
    column: int = -1

    def meet(self, values: Array, comparison: Comparison) -> None:
        """Take the largest of `values`, if it is larger; NaN stands for nothing to say."""
        known = np.nan_to_num(values, nan=-1.0, posinf=np.inf)
        at = int(known.argmax())
        if known[at] > self.value or (not self.row and known[at] == 0.0):
            self.value, self.row, self.column = float(known[at]), comparison.row_name(at), int(comparison.columns[at])


@dataclass
class Figure:
    """Of one result of one tier in one regime. Errors in ulp of float64, and as shares of a bound."""

    regime: str
    tier: str
    what: str
    values: int = 0
    ulp: Worst = field(default_factory=Worst)
    """Of the value, or of what cancels in it; in the double-word tier, of the high part"""
    pair_ulp: Worst = field(default_factory=Worst)
    of_bound: Worst = field(default_factory=Worst)
    of_tightest: Worst = field(default_factory=Worst)

    def meet(self, comparison: Comparison) -> None:
        self.values += len(comparison.error)
        for name in ("ulp", "pair_ulp", "of_bound", "of_tightest"):
            getattr(self, name).meet(getattr(comparison, name), comparison)


@dataclass
class Certificate:
    """What the referee has seen so far."""

    rows: dict[str, int] = field(default_factory=dict)
    """By regime"""
    figures: dict[tuple[str, str, str], Figure] = field(default_factory=dict)
    """By regime, tier and result"""
    violations: list[Violation] = field(default_factory=list)

    def add(self, batch: Batch, comparisons: list[Comparison]) -> None:
        """The rows of a batch, and how the oracle compared on them."""
        judged = np.unique(np.concatenate([comparison.rows for comparison in comparisons]))
        self.rows[batch.regime] = self.rows.get(batch.regime, 0) + int((judged >= 0).sum())
        for comparison in comparisons:
            key = batch.regime, comparison.tier, comparison.what
            self.figures.setdefault(key, Figure(*key)).meet(comparison)
            self.violations += violations(comparison)

    def of(self, tier: str, regime: str | None = None) -> Iterator[Figure]:
        """The figures of a tier, in the order of the tables."""
        for (its_regime, its_tier, _), figure in self.figures.items():
            if its_tier == tier and regime in (None, its_regime):
                yield figure

    def as_json(self) -> dict[str, Any]:
        """For a file: figures, broken promises, and the versions that they are about."""
        return {
            "rows": self.rows,
            "versions": {name: version(name) for name in ("xentcheck", "numpy", "python-flint")},
            "figures": [asdict(figure) for figure in self.figures.values()],
            "violations": [asdict(violation) for violation in self.violations],
        }
