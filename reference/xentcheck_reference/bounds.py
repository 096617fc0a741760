"""The largest error an honest softmax cross-entropy can make on *this* input: first-order analysis, elementwise.

Units are relative or absolute errors built from the profile's unit roundoffs; there is no rtol or atol anywhere.
Each entry of `log_sum_terms` and `loss_terms` is one rounding an implementation performs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .oracle_error import OracleTerms
from .overflow import largest_intermediate
from .rows import RowStatistics, of_probabilities, row_blocks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .problem import FloatArray, Problem
    from .profile import Profile
    from .softmax import Reference

# Error of one exp or log, in unit roundoffs of its dtype. Seen in the libraries under test: exp 1.0 to 3.4, log 1.0 to
# 3.9, log1p 1.0 to 4.3 (where log1p is used the relative error acts on a value the bound charges in full elsewhere).
E_EXP = 4.0
E_LOG = 4.0
E_TANH = 4.0
# Of a sample weight: rescaled by N over the kept rows, as Keras has it (a quotient and a product), and multiplied in.
SAMPLE_WEIGHT_ROUNDINGS = 3.0
# An upstream gradient above this is a loss scale, which exists lest gradients underflow: one that has done so before it
# meets its scale is wrong.
LOSS_SCALE = 4.0
# What first-order analysis drops: products of two roundings, at most a few u of each other for u <= 2^-8.
SAFETY = 1.02
U64 = 2.0**-53


@dataclass(frozen=True, eq=False)
class Bound:
    """Largest honest absolute error of each reference value, same shapes.

    0 where the reference is not finite (the subject must return the same infinity, or NaN) and on ignored rows (which
    must be exactly 0). A gradient with |reference| + bound > `Profile.largest` may honestly be infinite as well.
    """

    loss: FloatArray
    grad_logits: FloatArray
    grad_labels: FloatArray | None
    loss_may_be_infinite: NDArray[np.bool_]
    """Shape of the loss: whether the loss, or a sum on the way to it that the subject keeps in its dtype, overflows"""


def error_bound(problem: Problem, reference: Reference, profile: Profile) -> Bound:
    """Bound of a subject with this profile, the oracle's own a-priori error included.

    `reference` comes from `cross_entropy` or `cross_entropy_of_probabilities` of the same problem.
    """
    with np.errstate(all="ignore"):
        roundings = Roundings(problem, reference, profile)
        grad_labels = None if reference.grad_labels is None else roundings.grad_labels(reference.grad_labels)
        loss = roundings.loss(reference.loss)
        overflow = (
            np.abs(reference.loss) + loss + largest_intermediate(problem, reference.rows, profile) > profile.largest
        )
        return Bound(loss, roundings.grad_logits(reference.grad_logits), grad_labels, overflow)


def dominant_term(problem: Problem, reference: Reference, profile: Profile, row: int) -> str:
    """Name and share of the largest term in the bound of one row's loss, e.g. "sum over classes 62 %"."""
    with np.errstate(all="ignore"):
        values = Roundings(problem, reference, profile).loss_terms
    terms = {name: float(value[row]) for name, value in values.items()}
    name = max(terms, key=lambda key: terms[key])
    total = sum(terms.values())
    return f"{name} {100.0 * terms[name] / total:.0f} %" if 0.0 < total < np.inf else name


class Roundings:
    """The roundings of one subject on one problem, shared by the bounds of its results."""

    def __init__(self, problem: Problem, reference: Reference, profile: Profile, *, common: bool = True) -> None:
        """`common=False` leaves out what every class of a row shares: the error of the sum over the classes."""
        rows: RowStatistics = reference.rows
        self.common = common
        self.problem, self.rows, self.profile, self.capped = problem, rows, profile, reference.capped
        self.oracle = OracleTerms(problem, rows, reference.tier)
        classes = problem.logits.shape[1]
        self.class_sum = profile.class_sum(classes) * profile.u_sum
        self.mass = rows.magnitude.mass
        self.probabilities = rows.differences is of_probabilities
        top = np.log(rows.maximum) if self.probabilities else rows.maximum
        self.top = np.abs(top)
        self.offset = profile.u_elementwise * np.abs(top + rows.log_tail) if profile.offset else np.zeros(len(top))
        self.log_sum = sum(self.log_sum_terms.values()) if common else np.zeros(len(top))
        # Of a z-loss: log-sum-exp is the maximum plus the log, rounded, and stored like a log-softmax
        size = np.abs(top + rows.log_tail)
        self.log_sum_exp = self.log_sum + (profile.u_elementwise + profile.u_log_softmax) * size
        self.row_sum = profile.row_sum(int(rows.kept.sum()))
        self.scale_error = self._scale_error()
        # A factor of q_j that underflows, before or after the weights are multiplied in
        largest_weight, self.largest_sample_weight = _largest(problem.weight), _largest(problem.sample_weight)
        factors = (1.0 + largest_weight) * (1.0 + self.largest_sample_weight)
        self.option_underflow = profile.eta * factors * (self.scale_error > 0.0)
        # A gradient that is stored at once underflows before the upstream gradient multiplies it
        self.stored_underflow = profile.eta * (1.0 + np.broadcast_to(ordinary_upstream(problem.upstream), len(top)))

    @property
    def log_sum_terms(self) -> dict[str, FloatArray]:
        """(N,) absolute errors of log sum exp(x - max): relative errors of the sum, then the log's own."""
        p, rows = self.profile, self.rows
        ones = np.ones(len(rows.tail))
        classes = self.problem.logits.shape[1]
        terms = {
            # exp(d (1 + u)) = exp(d) (1 + |d| u), weighted by each class's share of the sum
            "x - max": p.u_elementwise * rows.argument,
            "exp": p.u_elementwise * E_EXP * ones,
            "sum over classes": self.class_sum * ones + classes * p.eta_elementwise / (1.0 + rows.tail),
            "stored sum": p.u_stored_sum * ones,
            "log": (E_LOG * p.u_elementwise + p.u_stored_sum) * rows.log_tail,
        }
        if self.problem.softcap is not None:
            # c tanh(x/c): the quotient, tanh and the product err by u each, at class j and at the maximum
            finite = np.where(np.isfinite(rows.values), np.abs(rows.values), 0.0)
            terms["softcap"] = 2.0 * (E_TANH + 2.0) * p.u_elementwise * finite.max(axis=1)
        if self.probabilities:
            # log p_j errs by (E_LOG + 1) u |log p_j| <= (E_LOG + 1) u (|log max p| + |d_j|), averaged with softmax; the
            # normalised form divides by sum(p) instead: one sum, its storage, a division. Each is an op of its own, so
            # it rounds to the dtype whatever the storage level.
            terms["log p"] = (E_LOG + 1.0) * p.u * (2.0 * self.top + rows.argument) + self.class_sum + 3.0 * p.u
        return terms

    @property
    def loss_terms(self) -> dict[str, FloatArray]:
        """(N,) errors of the row loss sum_j q_j (-d_j + log sum)."""
        p, rows, u_e = self.profile, self.rows, self.profile.u_elementwise
        weighted = rows.gap + self.mass * rows.log_tail  # sum_j |q_j| nll_j
        terms = {name: self.mass * value for name, value in self.log_sum_terms.items()}
        terms["label gap"] = u_e * rows.gap
        terms["log-softmax"] = (u_e + p.u_log_softmax) * weighted
        # weight: one product; smoothing: the two paths' factors and their sum
        options = (self.problem.weight is not None) + 3.0 * (self.problem.label_smoothing > 0.0)
        terms["options"] = options * p.u * weighted
        if p.dtype == "float16" and self.problem.label_smoothing > 0.0:
            # eps/C, stored as a label, is subnormal from C = 1639 on (eps = 0.1): each of its C uses errs by eta
            terms["underflow"] = self.option_underflow * np.where(np.isfinite(rows.nll), rows.nll, 0.0).sum(axis=1)
        if rows.target.mixed:
            terms["sum over labels"] = (2.0 * u_e + p.u_product + self.class_sum) * weighted
        if self.probabilities:
            terms["log p"] += (E_LOG + 1.0) * p.u * rows.gap
        if p.offset:
            terms["max + log sum"] = self.mass * self.offset
        if self.problem.z_loss:
            size = np.abs(rows.log_sum_exp)
            # the square's derivative; zeta itself, two products, the sum with the loss
            terms["z-loss"] = self.problem.z_loss * size * (2.0 * self.log_sum_exp + 4.0 * p.u * size)
        if self.problem.sample_weight is not None:
            terms = {name: np.abs(self.problem.sample_weight) * value for name, value in terms.items()}
            terms["sample weight"] = SAMPLE_WEIGHT_ROUNDINGS * p.u * np.abs(rows.loss)
        terms["output"] = p.u * np.abs(rows.loss)
        terms["oracle"] = self.oracle.row_loss()
        return terms

    def loss(self, expected: FloatArray) -> FloatArray:
        p, rows = self.profile, self.rows
        row = SAFETY * sum(self.loss_terms.values()) + p.eta * (1.0 + self.mass) * (1.0 + self.largest_sample_weight)
        row = np.where(rows.kept, row, 0.0)
        if self.problem.reduction == "none":
            return _of_finite(row, expected)
        total = row.sum() + SAFETY * (self.row_sum + self.profile.u) * np.abs(rows.loss).sum()
        bound = total / abs(rows.denominator) + p.eta
        if self.problem.reduction == "mean":  # storing the denominator (a sum of weights itself) and dividing by it
            bound += SAFETY * (2.0 * p.u + self._weight_sum()) * np.abs(expected)
        return _of_finite(bound, expected)

    def grad_logits(self, expected: FloatArray) -> FloatArray:
        bound = np.zeros(expected.shape)
        for rows in row_blocks(expected.shape):
            bound[rows] = self._grad_block(rows, np.abs(expected[rows]))
        if self.probabilities:
            bound /= self.problem.logits
        bound[~self.rows.kept] = 0.0
        return _of_finite(bound, expected)

    def _grad_block(self, rows: slice, magnitude: FloatArray) -> FloatArray:
        """scale (S s_j - q_j): softmax error, mass error, scale error, output rounding, underflow."""
        p, stats = self.profile, self.rows
        softmax, nll = stats.softmax_and_nll(rows)
        scale, mass_of_labels = np.abs(stats.scale[rows]), self.mass[rows]
        if self.problem.gradient_rule == "assume_normalised":
            mass, mass_error = np.ones(len(scale)), np.zeros(len(scale))
        else:
            stored = 0.0 if p.narrow and p.storage == "wide" else p.u
            mass = np.abs(stats.target.mass[rows])
            mass_error = (self.class_sum + stored) * mass_of_labels * stats.target.mixed
        pull = pull_error = np.zeros(len(scale))
        if self.problem.z_loss:  # 2 zeta lse, with its products and its sum with the mass
            size = np.abs(stats.log_sum_exp[rows])
            pull_error = 2.0 * self.problem.z_loss * (self.log_sum_exp[rows] + 4.0 * p.u * size)
            pull = 2.0 * self.problem.z_loss * size
            mass = mass + pull
        # The cap only keeps a class that underflows (nll > 10^4, softmax 0) from giving 0 * inf.
        r = np.expm1(np.minimum(SAFETY * self.softmax_error(rows, np.minimum(nll, 1e4)), 50.0))
        r *= (scale * (mass + mass_error + pull_error))[:, None]
        # Where the scaled labels underflow, all C of them do, and their sum is what the softmax is multiplied by.
        underflow = self.option_underflow * (1.0 + scale)
        sum_underflow = underflow * (nll.shape[1] if stats.target.mixed else 1)
        scale_error = self.scale_error * scale
        r += (scale * (mass_error + pull_error) + scale_error * mass_of_labels + sum_underflow)[:, None]
        r *= softmax
        stats.magnitude.add_to(r, rows, scale_error)
        r += self.oracle.grad_logits(rows, softmax, nll)
        if self.capped is not None:
            r = self._through_softcap(rows, r, softmax, mass) + self.oracle.slope_error(rows, magnitude)
        given = float(self.problem.upstream is not None) + 2.0 * (self.capped is not None)
        given += SAMPLE_WEIGHT_ROUNDINGS * (self.problem.sample_weight is not None)
        if self.probabilities:
            magnitude = magnitude * self.problem.logits[rows]
        r += (p.u + p.u_elementwise + given * p.u) * magnitude
        # A softmax that underflows is multiplied by the labels' sum and the pull of the z-loss, a product by the scale.
        underflow += self.stored_underflow[rows] + p.eta * scale * (1.0 + mass_of_labels + pull)
        return r + underflow[:, None]

    def _through_softcap(self, rows: slice, bound: FloatArray, softmax: FloatArray, mass: FloatArray) -> FloatArray:
        """(n, C) of the gradient to the logits, from that to the capped ones.

        Implementations form the slope as 1 - t^2 with t = tanh(x/c), which errs by u (2 (E_TANH + 1) + 2) absolutely,
        however small it is; it multiplies a gradient of at most scale (mass softmax + q).
        """
        assert self.capped is not None
        scale = np.abs(self.rows.scale[rows])
        slope_error = (2.0 * (E_TANH + 1.0) + 2.0) * self.profile.u_elementwise
        to_capped = softmax * (scale * mass)[:, None]
        self.rows.magnitude.add_to(to_capped, rows, scale)
        return bound * (self.capped.slope[rows] + slope_error) + SAFETY * slope_error * to_capped

    def grad_labels(self, expected: FloatArray) -> FloatArray:
        """scale (1 - eps) w_j nll_j."""
        p, rows, problem = self.profile, self.rows, self.problem
        weight = np.ones(problem.logits.shape[1]) if problem.weight is None else np.abs(problem.weight)
        factor = (np.abs(rows.scale) * (1.0 - problem.label_smoothing))[:, None] * weight
        nll = rows.nll
        error = self._log_softmax_error(slice(None), nll) + (p.u_elementwise + p.u + self.scale_error) * nll
        underflow = p.eta * (1.0 + factor) + self.option_underflow * nll
        return _of_finite(SAFETY * factor * error + self.oracle.grad_labels() + underflow, expected)

    def softmax_error(self, rows: slice, nll: FloatArray) -> FloatArray:
        """(n, C) relative error of softmax_j: exp of a log-softmax, a division, two products."""
        return self._log_softmax_error(rows, nll) + self.profile.u_elementwise * (E_EXP + 3.0)

    def _log_softmax_error(self, rows: slice, nll: FloatArray) -> FloatArray:
        """(n, C) absolute error of -log softmax_j: u nll_j for x - max and for storing it, and the log of the sum."""
        p = self.profile
        slope = p.u_elementwise + p.u_log_softmax
        if self.probabilities:
            slope += (E_LOG + 1.0) * p.u
        return slope * nll + (self.log_sum + self.offset)[rows, None]

    def _weight_sum(self) -> float:
        problem = self.problem
        if problem.reduction != "mean" or problem.mean_divides_by not in ("weights", "sample_weights"):
            return 0.0
        weighted = problem.mean_divides_by == "weights" and problem.weight is not None
        if problem.sample_weight is None:
            return self.row_sum if weighted else 0.0
        return self.row_sum + self.profile.u * weighted  # and the product of the two weights

    def _scale_error(self) -> float:
        """Relative error of scale * q_j before the cancelling subtraction: it acts on S s_j and on q_j separately.

        Each of these is an op of its own in every framework, so it rounds to the dtype whatever the storage level.
        """
        problem, u = self.problem, self.profile.u
        mean, given = problem.reduction == "mean", problem.upstream is not None
        sampled = problem.sample_weight is not None
        roundings = (
            2.0 * mean  # the denominator, and 1 / denominator
            + given
            + SAMPLE_WEIGHT_ROUNDINGS * sampled
            + (problem.soft and (mean or given or sampled))  # q_j * scale is a product only where scale is not 1
            + (problem.weight is not None)
            + 3.0 * (problem.label_smoothing > 0.0)  # each path's factor, and their sum
            + 5.0 * self.probabilities  # division by p, by sum(p), and the sum's storage
        )
        return float(roundings * u + self._weight_sum() + self.class_sum * self.probabilities)


def ordinary_upstream(upstream: FloatArray | None) -> FloatArray:
    """Its size, but no more than `LOSS_SCALE`; 0 where there is none, and nothing is multiplied."""
    return np.zeros(()) if upstream is None else np.minimum(np.abs(upstream), LOSS_SCALE)


def _largest(weights: FloatArray | None) -> float:
    return 0.0 if weights is None else float(np.abs(weights).max(initial=0.0))


def _of_finite(bound: FloatArray, expected: FloatArray) -> FloatArray:
    return np.where(np.isfinite(expected), bound, 0.0)
