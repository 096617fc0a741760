"""First derivatives of the loss along a direction of the logits, and how they change with the labels.

With w_j = v_j - v_k, k the argmax, and b = sum_{j != k} s_j w_j, so that s.v - v_j = b - w_j without cancelling:

    tangent = d loss / d(x along v) = S s.v - q.v = sum_j q_j (b - w_j)
    mixed_j = d <grad, v> / d y_j   = scale (1 - eps) w_j (b - w_j)       (the first w_j is a class weight)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .hessian import sizes_of
from .oracle_error import OracleTerms
from .problem import FloatArray, InvalidProblem, Problem, check_direction
from .softmax import cross_entropy
from .sums import sum_roundings, sums_of_rows

if TYPE_CHECKING:
    from .rows import RowStatistics
    from .softmax import Reference

_U = 2.0**-53


@dataclass(frozen=True, eq=False)
class DirectionalDerivatives:
    """`row_tangents` (N,) and `tangent`, shaped like the loss, are without the upstream gradient; `mixed` (N, C) is
    with it, None for index labels. 0 on ignored rows, NaN on rows that have no softmax."""

    row_tangents: FloatArray
    tangent: FloatArray
    mixed: FloatArray | None
    row_error: FloatArray
    """(N,) a-priori absolute error of the oracle itself"""
    mixed_error: FloatArray | None


def directional_derivatives(problem: Problem, direction: FloatArray) -> DirectionalDerivatives:
    """Derivatives along `direction`, (N, C) float64. Under `gradient_rule="assume_normalised"` the tangent is
    <softmax - q, direction>, the mixed derivative that of -q.

    Raises:
        InvalidProblem: a direction that is not a finite float64 array shaped like the logits; sample weights, a z-loss
            or a softcap, which no subject differentiates so.
    """
    check_direction(direction, problem.logits.shape)
    if problem.z_loss or problem.softcap is not None or problem.sample_weight is not None:
        raise InvalidProblem("sample_weight, z_loss, softcap: expected none for a derivative along a direction")
    reference = cross_entropy(problem, tier="float64")
    rows, true = reference.rows, problem.gradient_rule == "true"
    with np.errstate(all="ignore"):
        at_top = direction[np.arange(len(direction)), rows.values.argmax(axis=1)]
        w = direction - at_top[:, None]
        bad = (rows.maximum - rows.maximum)[:, None]  # NaN where there is no softmax
        over_top = sums_of_rows(rows.softmax * w)
        change = over_top[:, None] - w + bad
        change_error = _change_error(problem, reference, direction)
        tangents = sums_of_rows(label_rows(problem, rows) * change)
        row_error = _row_error(problem, reference, direction, change_error)
        if not true:
            surplus = 1.0 - rows.target.mass
            tangents += surplus * (at_top + over_top)
            row_error += np.abs(surplus) * (change_error.max(axis=1) + 4.0 * _U * np.abs(direction).max(axis=1))
        tangents, row_error = (np.where(rows.kept, each, 0.0) for each in (tangents, row_error))
        tangent = tangents if problem.reduction == "none" else np.asarray(tangents.sum() / rows.denominator)
        if not problem.soft:
            return DirectionalDerivatives(tangents, tangent, None, row_error, None)
        factor = label_factor(problem, rows)
        mixed = factor * (change if true else bad - direction)
        mixed_error = np.abs(factor) * (change_error if true else 0.0) + 4.0 * _U * np.abs(mixed)
        return DirectionalDerivatives(tangents, tangent, mixed, row_error, mixed_error)


def _change_error(problem: Problem, reference: Reference, direction: FloatArray) -> FloatArray:
    """(N, C) of b - w_j: s_j errs by its softmax error each, the sum and its terms by a few u."""
    sizes, rows = sizes_of(problem, reference, direction), reference.rows
    relative = 1.5 * OracleTerms(problem, rows, "float64").softmax_error(slice(None), rows.nll)
    own = relative * (sizes.spread + sizes.mean_spread[:, None])
    return np.asarray(own + sums_of_rows(rows.softmax * relative * sizes.spread)[:, None])


def _row_error(problem: Problem, reference: Reference, direction: FloatArray, change_error: FloatArray) -> FloatArray:
    """(N,) of sum_j q_j (b - w_j)."""
    sizes, magnitude = sizes_of(problem, reference, direction), magnitude_rows(problem, reference.rows)
    terms = OracleTerms(problem, reference.rows, "float64")
    sums = _U * (sum_roundings(direction.shape[1]) + 4.0) * (sizes.spread + sizes.mean_spread[:, None])
    return np.asarray(sums_of_rows(magnitude * (change_error + sums)) + terms.floor * (1.0 + sizes.mass))


def label_rows(problem: Problem, rows: RowStatistics) -> FloatArray:
    """(N, C) q."""
    q = np.zeros(problem.logits.shape)
    rows.target.add_to(q, slice(None), np.ones(len(q)))
    return q


def magnitude_rows(problem: Problem, rows: RowStatistics) -> FloatArray:
    """(N, C) q made of |labels| and |weight|."""
    q = np.zeros(problem.logits.shape)
    rows.magnitude.add_to(q, slice(None), np.ones(len(q)))
    return q


def label_factor(problem: Problem, rows: RowStatistics) -> FloatArray:
    """(N, C) what a change of a label is multiplied with on its way to the loss: scale (1 - eps) w_j."""
    weight = np.ones(problem.logits.shape[1]) if problem.weight is None else problem.weight
    return np.asarray(rows.scale[:, None] * ((1.0 - problem.label_smoothing) * weight))
