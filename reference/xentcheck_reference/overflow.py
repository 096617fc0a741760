"""What overflows on the way to a loss that does not: sums that an honest subject keeps in a narrow dtype."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from .problem import FloatArray, Problem
    from .profile import Profile
    from .rows import RowStatistics


def largest_intermediate(problem: Problem, rows: RowStatistics, p: Profile) -> FloatArray:
    """(N,) or (), like the loss: magnitude of the largest such sum.

    Index labels with smoothing: PyTorch sums w_j nll_j over classes and rows, and divides a mean by the sum of weights
    (below 1, it may be), before it multiplies by eps/C. Means: the sum before the division, unless rows accumulate in
    float32; Keras scales kept rows by N/kept first and then divides by N. A z-loss squares the log-sum-exp before it
    multiplies by zeta. A row loss is there before its sample weight.
    """
    sums, unweighted = np.zeros(len(rows.loss)), np.zeros(len(rows.loss))
    if p.narrow and p.storage != "wide" and not problem.soft and problem.label_smoothing:
        sums = (rows.nll * (1.0 if problem.weight is None else np.abs(problem.weight))).sum(axis=1)
    if p.narrow and p.storage == "uniform" and problem.z_loss:
        sums = np.where(rows.kept, np.maximum(sums, rows.log_sum_exp**2), sums)
    if problem.sample_weight is not None:
        unweighted = np.where(rows.kept, rows.gap + rows.magnitude.mass * rows.log_tail, 0.0)
    if problem.reduction == "none":
        return np.maximum(sums, unweighted)
    losses = np.abs(rows.loss).sum() if p.narrow and p.row_sums == "io" else 0.0
    if problem.mean_divides_by == "kept":
        losses *= len(rows.loss) / max(int(rows.kept.sum()), 1)
    smooth = np.where(rows.kept, sums, 0.0).sum()
    divided = smooth / rows.denominator if rows.denominator > 0.0 else 0.0
    return np.asarray(max(smooth, losses, divided, unweighted.max(initial=0.0)))
