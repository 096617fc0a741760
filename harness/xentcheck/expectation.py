"""What an honest subject may answer: the oracle's value and the largest error that the subject's precision explains."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import nan
from typing import Any, Literal, cast

import numpy as np

import xentcheck_reference as reference
from xentcheck.randomness import Array
from xentcheck_adapters import WEIGHTED_MEAN, Call, Precision, Subject

_TANGENTS = ("jvp", "two backward passes")


@dataclass(frozen=True)
class Expected:
    """A value, the error allowed at each element, and where infinity is an honest answer: an intermediate of the
    declared precision overflows there."""

    value: Array
    bound: Array
    may_be_infinite: Array
    low: Array | float = 0.0
    """What `value` leaves out of the answer, in the double-word tier"""


@dataclass(frozen=True)
class Expectation:
    """What is expected of an outcome's arrays, by the names of the fields of `Returned`."""

    dtype: str
    parts: Mapping[str, Expected]
    explain: Callable[[int], str] | None = None
    """Names the dominant term of a row's bound."""


def expect(call: Call, subject: Subject, dtype: str, rules: Mapping[str, Any] | None = None) -> Expectation:
    """The expectation of a call. `rules` overrides the subject's declared choices (a known divergence's claim)."""
    profile = declared_profile(subject.precision[dtype], dtype, call.layout)
    make = _binary if "multi-hot" in subject.labels else _softmax
    return make(call, subject, profile, rules or {})


def _softmax(call: Call, subject: Subject, profile: reference.Profile, rules: Mapping[str, Any]) -> Expectation:
    return _results_of(subject, expect_of(call, *softmax_reference(call, subject, profile.dtype, rules), profile))


def _results_of(subject: Subject, expectation: Expectation) -> Expectation:
    """Without the gradients of a subject that has none."""
    return expectation if subject.differentiable else replace(expectation, parts={"loss": expectation.parts["loss"]})


def softmax_reference(
    call: Call, subject: Subject, dtype: str, rules: Mapping[str, Any] | None = None
) -> tuple[reference.Problem, reference.Reference]:
    """The problem that a call poses to a softmax form, and its answer."""
    problem = _problem(call, subject, rules or {})
    if subject.inputs == "probabilities":
        return problem, reference.cross_entropy_of_probabilities(problem)
    return problem, reference.cross_entropy(problem, tier="double-word" if dtype == "float64" else "float64")


def expect_of(
    call: Call, problem: reference.Problem, answer: reference.Reference, profile: reference.Profile
) -> Expectation:
    """What an honest subject of any profile may answer."""
    bound = reference.error_bound(problem, answer, profile)
    parts = _parts(call, answer, bound, profile)
    if call.vector is not None:
        parts |= _along_vector(call, problem, answer, profile)
    return Expectation(profile.dtype, parts, lambda row: reference.dominant_term(problem, answer, profile, row))


def _along_vector(
    call: Call, problem: reference.Problem, answer: reference.Reference, profile: reference.Profile
) -> dict[str, Expected]:
    """What the call's procedure answers with about its vector."""
    vector = _wide(np.asarray(call.vector))
    if call.procedure not in (*_TANGENTS, "mixed"):
        product = reference.hessian_vector_product(problem, vector, tier=answer.tier)
        bound = reference.hessian_error_bound(problem, answer, vector, product, profile)
        if call.procedure == "hessian":  # each of its elements underflows by itself before it meets the vector
            bound = np.where(bound > 0.0, bound + profile.eta * np.abs(vector).sum(axis=1, keepdims=True), 0.0)
        return {"hvp": _fits(product.value, bound, profile, product.low)}
    derivatives = reference.directional_derivatives(problem, vector)
    arguments = (problem, answer, vector, derivatives, profile)
    if call.procedure in _TANGENTS:
        return {"tangent": _fits(derivatives.tangent, reference.tangent_error_bound(*arguments), profile)}
    assert derivatives.mixed is not None
    return {"mixed": _fits(derivatives.mixed, reference.mixed_error_bound(*arguments), profile)}


def _fits(value: Array, bound: Array, profile: reference.Profile, low: Array | None = None) -> Expected:
    """Infinite where the value is past the dtype's range, give or take its bound."""
    return Expected(value, bound, np.abs(value) + bound > profile.largest, 0.0 if low is None else low)


def _binary(call: Call, subject: Subject, profile: reference.Profile, _: Mapping[str, Any]) -> Expectation:
    problem = _binary_problem(call, subject)
    if subject.inputs == "probabilities":
        answer = reference.binary_cross_entropy_of_probabilities(problem)
    else:
        answer = reference.binary_cross_entropy(problem)
    bound = reference.binary_error_bound(problem, answer, profile)
    return _results_of(subject, Expectation(profile.dtype, _parts(call, answer, bound, profile)))


def _parts(
    call: Call,
    answer: reference.Reference | reference.BinaryReference,
    bound: reference.Bound,
    profile: reference.Profile,
) -> dict[str, Expected]:
    infinite = np.asarray(bound.loss_may_be_infinite)
    parts = {"loss": Expected(answer.loss, bound.loss, infinite, _low(answer, "loss"))}
    for name in ("grad_logits", *(("grad_labels",) if call.want_grad_labels else ())):
        value, allowed = np.asarray(getattr(answer, name)), np.asarray(getattr(bound, name))
        parts[name] = Expected(value, allowed, np.abs(value) + allowed > profile.largest, _low(answer, name))
    return parts


def _low(answer: reference.Reference | reference.BinaryReference, name: str) -> Array | float:
    low = getattr(answer, f"{name}_low", None)  # the binary oracle has one tier
    return 0.0 if low is None else low


def _problem(call: Call, subject: Subject, rules: Mapping[str, Any]) -> reference.Problem:
    kind = "dense" if call.has_dense_labels else "index"
    options = {
        "mean_divides_by": _divisor(call, subject, kind),
        "empty_mean": nan if subject.empty_mean is None else subject.empty_mean,
        "zero_times_inf": "zero" if subject.zero_times_inf == "any" else subject.zero_times_inf,
        **rules,
    }
    return reference.Problem(
        logits=_wide(call.logits),
        labels=_wide(call.labels) if kind == "dense" else call.labels,
        weight=None if call.weight is None else _wide(call.weight),
        sample_weight=None if call.sample_weight is None else _wide(call.sample_weight),
        ignore_index=call.ignore_index,
        label_smoothing=call.label_smoothing,
        reduction=_reduction(call),
        upstream=None if call.upstream is None else _wide(call.upstream),
        z_loss=call.z_loss,
        softcap=call.softcap,
        **options,
    )


def _reduction(call: Call) -> Literal["none", "sum", "mean"]:
    return "mean" if call.reduction == WEIGHTED_MEAN else cast(Literal["none", "sum", "mean"], call.reduction)


def _divisor(call: Call, subject: Subject, kind: str) -> Any:
    return "sample_weights" if call.reduction == WEIGHTED_MEAN else subject.mean_divides_by.get(kind, "rows")


def _binary_problem(call: Call, subject: Subject) -> reference.BinaryProblem:
    return reference.BinaryProblem(
        logits=_wide(call.logits),
        labels=_wide(call.labels),
        sample_weight=None if call.sample_weight is None else _wide(call.sample_weight),
        label_smoothing=call.label_smoothing,
        reduction=_reduction(call),
        mean_divides_by=_divisor(call, subject, "multi-hot"),
        upstream=None if call.upstream is None else _wide(call.upstream),
    )


def declared_profile(precision: Precision, dtype: str, layout: str) -> reference.Profile:
    """The profile of a declared precision, for arrays of a memory layout."""
    sums: Any = precision.sums if precision.sums == "pairwise" else (precision.sums, precision.width)
    if layout == "transposed":
        sums = ("lane", 1)  # along a strided axis NumPy adds one element after another, and so may anybody
    return reference.Profile(
        dtype,
        storage=cast(Literal["wide", "stored", "uniform"], precision.storage),
        sum_model=sums,
        offset=precision.offset,
        row_sums=cast(Literal["io", "wide"], precision.row_sums),
        underflow=precision.underflow,
        elementwise=precision.elementwise,
        accumulator=precision.accumulator,
        output=precision.output,
    )


def _wide(array: Array) -> Array:
    return np.asarray(array).astype(np.float64)
