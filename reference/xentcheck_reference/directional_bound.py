"""The largest honest errors of derivatives along a direction.

First order. The softmax s_j errs by r_j, so s.v by sum_j s_j |v_j| r_j and by the sum over the classes. The rest are
roundings of terms of the sizes S s.|v| and |q|.|v|: forward mode forms S s.v - q.v, a transposed backward pass
sum_j (S s_j - q_j) v_j; both sum over the classes, over the labels and over the products.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .bounds import SAFETY, Roundings
from .directional import label_factor, magnitude_rows
from .hessian import sizes_of
from .sums import sums_of_rows

if TYPE_CHECKING:
    from .directional import DirectionalDerivatives
    from .problem import FloatArray, Problem
    from .profile import Profile
    from .softmax import Reference

# Of each term: the label and its factor, the mean, its difference from v_j or that of softmax and label, the product
# with v_j or the label, the stored sum
_ROUNDINGS = 6.0


def tangent_error_bound(
    problem: Problem,
    reference: Reference,
    direction: FloatArray,
    derivatives: DirectionalDerivatives,
    profile: Profile,
) -> FloatArray:
    """Shape of the loss; the oracle's own error included."""
    with np.errstate(all="ignore"):
        p, rows, roundings = profile, reference.rows, Roundings(problem, reference, profile)
        sizes, v = sizes_of(problem, reference, direction), np.abs(direction)
        mass = sizes.mass
        magnitude = magnitude_rows(problem, rows)
        size = mass * sizes.mean + sums_of_rows(magnitude * v)
        row = mass * _in_mean(reference, roundings, v)
        row += SAFETY * (2.0 * roundings.class_sum + roundings.scale_error + _ROUNDINGS * _unit(profile)) * size
        row += p.eta * (1.0 + (1.0 + mass) * _underflows(v) + (magnitude > 0.0).sum(axis=1))
        row = np.where(rows.kept, row + derivatives.row_error, 0.0)
        if problem.reduction == "none":
            return np.where(np.isfinite(derivatives.tangent), row, 0.0)
        total = row.sum() + SAFETY * (roundings.row_sum + 3.0 * p.u) * np.where(rows.kept, size, 0.0).sum()
        return np.asarray(total / abs(rows.denominator) + p.eta)


def mixed_error_bound(
    problem: Problem,
    reference: Reference,
    direction: FloatArray,
    derivatives: DirectionalDerivatives,
    profile: Profile,
) -> FloatArray:
    """(N, C); the oracle's own error included."""
    assert derivatives.mixed is not None
    assert derivatives.mixed_error is not None
    with np.errstate(all="ignore"):
        p, roundings = profile, Roundings(problem, reference, profile)
        sizes, v = sizes_of(problem, reference, direction), np.abs(direction)
        factor = np.abs(label_factor(problem, reference.rows))
        error = _in_mean(reference, roundings, v)[:, None]
        error = error + SAFETY * (roundings.scale_error + _ROUNDINGS * _unit(profile)) * (v + sizes.mean[:, None])
        underflow = p.eta * _underflows(v)[:, None] * (1.0 + factor)
        bound = factor * error + 2.0 * p.u * np.abs(derivatives.mixed) + underflow + derivatives.mixed_error
        return np.where(np.isfinite(derivatives.mixed), bound, 0.0)


def _in_mean(reference: Reference, roundings: Roundings, v: FloatArray) -> FloatArray:
    """(N,) error of s.v."""
    rows = reference.rows
    r = np.minimum(SAFETY * roundings.softmax_error(slice(None), np.minimum(rows.nll, 1e4)), 25.0)
    return sums_of_rows(rows.softmax * v * np.expm1(r + roundings.class_sum))


def _underflows(v: FloatArray) -> FloatArray:
    """(N,) how many smallest steps s.v may be off by: each s_j, before it is multiplied with v_j, and each product.
    Products with labels underflow one by one as well, as tangents are far smaller than logits."""
    return np.asarray(1.0 + v.sum(axis=1) + (v > 0.0).sum(axis=1))


def _unit(profile: Profile) -> float:
    return max(profile.u, profile.u_elementwise)
