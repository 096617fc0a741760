"""The largest honest error of a Hessian-vector product."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .bounds import SAFETY, Roundings
from .hessian import sizes_of
from .problem import InvalidProblem
from .sums import sums_of_rows

if TYPE_CHECKING:
    from .hessian import HessianVectorProduct
    from .problem import FloatArray, Problem
    from .profile import Profile
    from .softmax import Reference


def hessian_error_bound(
    problem: Problem, reference: Reference, direction: FloatArray, product: HessianVectorProduct, profile: Profile
) -> FloatArray:
    """(N, C) largest honest error of a Hessian-vector product, the oracle's own included; 0 where it is not finite.

    First order: s_j errs by r_j, twice, as the softmax of the gradient and as that of its derivative; each term s_k v_k
    of s.v by r_k likewise, and by the sum over the classes. Where v leaves out the likely classes, r_k is far above
    r_j.

    Raises:
        InvalidProblem: a softcap, through which no subject offers a second derivative.
    """
    if problem.softcap is not None:
        raise InvalidProblem(f"softcap: got {problem.softcap}, expected None for the bound of a Hessian-vector product")
    with np.errstate(all="ignore"):
        p, rows, roundings = profile, reference.rows, Roundings(problem, reference, profile)
        sizes, v = sizes_of(problem, reference, direction), np.abs(direction)
        r = np.minimum(SAFETY * roundings.softmax_error(slice(None), np.minimum(rows.nll, 1e4)), 25.0)
        mean, labels = sizes.mean[:, None], (roundings.class_sum + 2.0 * p.u) * rows.target.mixed
        in_mean = sums_of_rows(sizes.softmax * v * np.expm1(2.0 * r + roundings.class_sum))[:, None]
        error = (v + mean) * np.expm1(2.0 * r) + in_mean
        # labels that are scaled, weighted or smoothed err before they are summed into the mass
        error += (roundings.scale_error + labels) * (v + mean)
        error *= sizes.mass[:, None]
        if problem.z_loss:
            size = np.abs(rows.log_sum_exp)
            pull = 2.0 * problem.z_loss * (roundings.log_sum_exp + 4.0 * p.u * (1.0 + size))
            error += pull[:, None] * (v + mean)
        # s_k and s_k v_k underflow class by class, in float16 below 2^-14 already
        underflow = p.eta_elementwise if p.storage == "wide" else p.eta
        error += 2.0 * underflow * (sizes.mass * v.sum(axis=1))[:, None]
        error *= sizes.softmax * np.abs(rows.scale)[:, None]
        # or after they are scaled: torch sums (scale s_k) v_k, whose first product errs times v_k and whose second once
        error += underflow * sizes.softmax * (v.shape[1] + v.sum(axis=1))[:, None]
        scaled = np.abs(rows.scale)[:, None] * (1.0 + v * (1.0 + rows.magnitude.mass[:, None]))
        bound = error + (p.u_elementwise + 3.0 * p.u) * np.abs(product.value) + 4.0 * p.eta * (1.0 + scaled)
        bound[~rows.kept] = 0.0
        return np.where(np.isfinite(product.value), bound + product.error, 0.0)
