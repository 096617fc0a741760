"""Hessian-vector products: the derivative of the gradient along a direction.

With w_j = v_j - v_k, k the argmax, and b = sum_{j != k} s_j w_j, so that v_j - s.v = w_j - b without cancelling:

    (H v)_j = scale ( G s_j (w_j - b) + 2 zeta s_j (v_k + b) )        G = S + 2 zeta lse

A softcap x -> c tanh(x/c) makes v' = slope v of v, and slope (H v')_j + bend_j v_j (dL/dx')_j of the product.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from .doubleword import DoubleWord, sum_of_pairs, two_difference
from .exact_rows import ExactBlock, exact_scale, spliced
from .oracle_error import OracleTerms
from .problem import FloatArray, Problem, check_direction
from .rows import row_blocks
from .softmax import cross_entropy
from .sums import sums_of_rows

if TYPE_CHECKING:
    from .softmax import Reference, Tier


@dataclass(frozen=True, eq=False)
class HessianVectorProduct:
    value: FloatArray
    """(N, C); exactly 0 on ignored rows, NaN on rows that have no softmax"""
    low: FloatArray | None
    """What `value` leaves out, in the double-word tier"""
    error: FloatArray
    """(N, C) a-priori absolute error of the oracle itself"""


def hessian_vector_product(problem: Problem, direction: FloatArray, *, tier: Tier = "float64") -> HessianVectorProduct:
    """Derivative of `grad_logits` (upstream gradient and reduction included) along `direction`, (N, C) float64.

    Under `gradient_rule="assume_normalised"` it is the derivative of that gradient, softmax - labels.

    Raises:
        InvalidProblem: a direction that is not a finite float64 array shaped like the logits.
    """
    check_direction(direction, problem.logits.shape)
    reference = cross_entropy(problem, tier="float64")
    with np.errstate(all="ignore"):
        value = np.empty(direction.shape)
        for part in row_blocks(direction.shape):
            value[part] = _product(problem, reference, direction, part)
        capped = reference.capped
        if capped is not None:
            to_capped = cross_entropy(replace(problem, logits=capped.logits, softcap=None)).grad_logits
            value = value * capped.slope + capped.bend * direction * to_capped
        value[~reference.rows.kept] = 0.0
        low = None
        if tier == "double-word":
            value, low = spliced(value, _exact_product(problem, reference, direction))
        error = np.where(np.isfinite(value), _oracle_error(problem, reference, direction, tier), 0.0)
        return HessianVectorProduct(value, low, error)


def _product(problem: Problem, reference: Reference, direction: FloatArray, part: slice) -> FloatArray:
    """(n, C), to the capped logits where there is a softcap."""
    rows, capped, v = reference.rows, reference.capped, direction[part]
    softmax, _ = rows.softmax_and_nll(part)
    index, top = np.arange(len(v)), rows.values[part].argmax(axis=1)
    if capped is not None:
        v = v * capped.slope[part]
    at_top = v[index, top]
    w = v - at_top[:, None]
    mean = sums_of_rows(softmax * w)
    mass = np.ones(len(v)) if problem.gradient_rule != "true" else rows.target.mass[part]
    scale = rows.scale[part]
    product = ((mass + _part(rows.pull, part)) * scale)[:, None] * softmax * (w - mean[:, None])
    if problem.z_loss:
        product += (2.0 * problem.z_loss * scale * (at_top + mean))[:, None] * softmax
    return np.asarray(product + (rows.maximum[part] - rows.maximum[part])[:, None])  # NaN where there is no softmax


def _exact_product(problem: Problem, reference: Reference, direction: FloatArray) -> DoubleWord:
    product = DoubleWord(np.empty(direction.shape), np.empty(direction.shape))
    scale = exact_scale(problem, reference.rows)
    for part in row_blocks(direction.shape):
        block = ExactBlock(problem, reference.rows, part)
        softmax, v = block.softmax(), direction[part]
        if block.capped is None:
            at_top = DoubleWord.of(v[block.index, block.top])
            w = two_difference(v, at_top.hi[:, None])
        else:
            capped = block.capped.slope * v
            at_top = capped[block.index, block.top]
            w = capped - at_top[:, None]
        mean = sum_of_pairs(softmax * w)
        result = softmax * block.total_mass[:, None] * (w - mean[:, None])
        if problem.z_loss:
            result = result + softmax * ((at_top + mean) * (2.0 * problem.z_loss))[:, None]
        if block.capped is not None:
            result = result * block.capped.slope + block.to_capped_logits() * (block.capped.bend * v)
        result = result * scale[part][:, None]
        product.hi[part], product.lo[part] = result.hi, result.lo
    return product


@dataclass(frozen=True, eq=False)
class Sizes:
    """Magnitudes of a product's terms: what relative errors act on."""

    softmax: FloatArray
    """(N, C)"""
    mass: FloatArray
    """(N,) |labels| summed, and |2 zeta lse|"""
    spread: FloatArray
    """(N, C) |w_j|"""
    mean_spread: FloatArray
    """(N,) s.|w|"""
    mean: FloatArray
    """(N,) s.|v|"""


def sizes_of(problem: Problem, reference: Reference, direction: FloatArray) -> Sizes:
    """Of the product along a direction, after its softcap."""
    rows, capped = reference.rows, reference.capped
    mass = np.ones(len(rows.scale)) if problem.gradient_rule != "true" else rows.magnitude.mass
    v = direction if capped is None else direction * capped.slope
    index, top = np.arange(len(v)), rows.values.argmax(axis=1)
    spread = np.abs(v - v[index, top][:, None])
    softmax = rows.softmax
    return Sizes(
        softmax,
        mass + np.abs(rows.pull),
        spread,
        sums_of_rows(softmax * spread),
        sums_of_rows(softmax * np.abs(v)),
    )


def _oracle_error(problem: Problem, reference: Reference, direction: FloatArray, tier: Tier) -> FloatArray:
    sizes, rows = sizes_of(problem, reference, direction), reference.rows
    terms = OracleTerms(problem, rows, tier)
    scale = np.abs(rows.scale)[:, None]
    # s_j and s.w err by the softmax's error each, the products by a few u
    relative = 1.5 * terms.softmax_error(slice(None), rows.nll)
    size = sizes.spread + sizes.mean_spread[:, None]
    error = sizes.mass[:, None] * (relative * size + sums_of_rows(sizes.softmax * relative * sizes.spread)[:, None])
    if problem.z_loss:
        pull = 2.0 * problem.z_loss * (terms.log_sum_exp + 4.0 * terms.u * np.abs(rows.log_sum_exp))
        error += pull[:, None] * size + relative * (2.0 * problem.z_loss * sizes.mean)[:, None]
    error = error * sizes.softmax * scale
    capped = reference.capped
    if capped is not None:
        y = np.minimum(np.abs(problem.logits) / (problem.softcap or 1.0), 400.0)
        slope_error = terms.u * (2.0 * y + 16.0)
        # the slopes that the direction and the product are multiplied with, and the bend's gradient and factors
        bent = np.abs(capped.bend * direction)
        to_capped = sizes.softmax * sizes.mass[:, None] * (relative + 2.0 * slope_error)
        rows.magnitude.add_to(to_capped, slice(None), terms.u * (4.0 + terms.roundings) + slope_error.max(axis=1))
        whole = scale * sizes.softmax * sizes.mass[:, None] * size
        error = capped.slope * (error + 2.0 * whole * slope_error.max(axis=1, keepdims=True)) + bent * to_capped * scale
    # What underflows in a softmax, a slope or a product is multiplied by everything that comes after it.
    after = (1.0 + scale * (1.0 + sizes.mass + 2.0 * problem.z_loss * sizes.mean)[:, None]) * (1.0 + size)
    return np.asarray(error + terms.floor * after * (1.0 + np.abs(direction)))


def _part(values: FloatArray | float, part: slice) -> FloatArray | float:
    return values if isinstance(values, float) else values[part]
