"""The errors of one row's softmax share a mode: whatever errs in the sum over the classes errs in every column alike.

So what a subject of unknown summation order may err by is one number per row, and the columns may differ from one
another only by what the other roundings explain. That sees a faulty column where the bound of the order alone, C/4
roundings for an unknown kernel, would hide it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .bounds import Roundings

if TYPE_CHECKING:
    from .problem import FloatArray, Problem
    from .profile import Profile
    from .softmax import Reference

_FEWEST_COLUMNS = 8


@dataclass(frozen=True, eq=False)
class CommonMode:
    shift: FloatArray
    """(N,) relative error that the softmax's columns share: their median; 0 where fewer than 8 columns can tell"""
    residual: FloatArray
    """(N, C) error of the gradient without its share of the shift; 0 where that row has no shift"""
    residual_bound: FloatArray
    """(N, C) largest honest residual"""


def common_mode(problem: Problem, reference: Reference, profile: Profile, grad_logits: FloatArray) -> CommonMode:
    """Split the errors of `grad_logits` (N, C), float64 images of a subject's answer, into what columns share and rest.

    The median of shift + e_j is within the median of |e_j| of the shift, and |e_j| is at most the bound without the
    sum over the classes.
    """
    with np.errstate(all="ignore"):
        roundings = Roundings(problem, reference, profile, common=False)
        bound = roundings.grad_logits(reference.grad_logits)
        unit = np.abs(reference.rows.scale * reference.rows.target.mass)[:, None] * reference.rows.softmax
        if reference.capped is not None:
            unit = unit * reference.capped.slope
        error = grad_logits - reference.grad_logits
        # A column tells where the shift would stand out of its own roundings' absolute part
        usable = np.isfinite(error) & (unit > profile.eta / profile.u) & reference.rows.kept[:, None]
        counts = usable.sum(axis=1) >= _FEWEST_COLUMNS
        shift = _median(np.where(usable, error / unit, np.nan), counts)
        spread = _median(np.where(usable, bound / unit, np.nan), counts)
        residual = np.where(counts[:, None] & np.isfinite(error), error - shift[:, None] * unit, 0.0)
        return CommonMode(shift, residual, bound + spread[:, None] * unit)


def _median(values: FloatArray, rows: FloatArray) -> FloatArray:
    """(N,) upper median of the rows named, over the columns that are not NaN; 0 elsewhere."""
    result = np.zeros(len(values))
    if rows.any():
        ordered = np.sort(values[rows], axis=1)  # NaN last
        middle = (~np.isnan(ordered)).sum(axis=1) // 2
        result[rows] = ordered[np.arange(len(ordered)), middle]
    return result
