"""The batches of the study: a cell of the table is a regime with a place for each row's outstanding class."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np

from xentcheck.build import build_call
from xentcheck.cases import Case
from xentcheck.randomness import Bits
from xentcheck_adapters import Call
from xentcheck_faults.on_numpy.kernel import Array

# C x N: few classes in many rows, as in a test; a thousand; a vocabulary
SIZES = ((10, 256), (1000, 64), (50257, 6))


@dataclass(frozen=True)
class Cell:
    """Regime of the logits, and where their outstanding class sits."""

    regime: str
    focus: str = "anywhere"

    @property
    def name(self) -> str:
        return self.regime if self.focus == "anywhere" else f"{self.regime}, {self.focus}"


NINE = tuple(
    map(Cell, ("normal", "wide", "near-tie", "confident", "wrong", "constant-tail", "offset", "spike", "tiny"))
)
# A block-wise kernel goes wrong only for some places of the maximum: put it where blocks begin and end. In a landmark
# row two or four classes share all the mass, so that any one of them lost shows in any number of classes.
SWEEP = tuple(Cell(*place) for place in product(("wrong", "landmark"), ("first", "last", "edge")))
CELLS = (*NINE, *SWEEP)

# What a batch asks for: the options that one of the faults is about.
KINDS = ("index", "smoothed", "soft", "mass", "z-loss")
_SMOOTHING, _Z_LOSS = 0.1, 1e-4
# A sum of labels that training meets: soft labels rounded to 16 bits sum to 1 within about this much.
_MASS_ERROR = 2.0**-10


@dataclass(frozen=True)
class Batch:
    """One call, and where in the table it belongs."""

    cell: Cell
    kind: str
    call: Call


def batches(
    cell: Cell, kind: str, dtype: str, seeds: Iterable[int], sizes: Sequence[tuple[int, int]] = SIZES
) -> Iterator[Batch]:
    """A batch of each size for each seed; equal arguments give equal arrays."""
    options: dict[str, dict[str, Any]] = {
        "smoothed": {"label_smoothing": _SMOOTHING},
        "soft": {"labels": "soft"},
        "mass": {"labels": "soft"},
        "z-loss": {"z_loss": _Z_LOSS},
    }
    for seed in seeds:
        for classes, rows in sizes:
            call = build_call(Case(dtype, rows, classes, cell.regime, seed, cell.focus, **options.get(kind, {})))
            if kind == "mass":
                call = replace(call, labels=_of_another_mass(call.labels, Bits(seed)))
            yield Batch(cell, kind, call)


def _of_another_mass(labels: Array, bits: Bits) -> Array:
    """Rows that sum to 1 +- 2**-10: the smallest positive label, a few times 2**-7, takes the difference exactly."""
    changed = labels.astype(np.float64)
    smallest = np.where(changed > 0, changed, np.inf).argmin(axis=1)
    changed[np.arange(len(changed)), smallest] += _MASS_ERROR * bits.sign((len(changed),))
    return changed.astype(labels.dtype)
