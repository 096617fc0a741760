"""What an honest subject may answer: the oracle's value and the largest error that the subject's precision explains."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xentcheck_reference as reference

from xentcheck.randomness import Array
from xentcheck_adapters import Call, Precision, Subject


@dataclass(frozen=True)
class Expected:
    """A value and the error allowed at each element."""

    value: Array
    bound: Array


@dataclass(frozen=True)
class Expectation:
    """Loss and gradients of a call, as expected of one subject."""

    dtype: str
    loss: Expected
    grad_logits: Expected | None
    grad_labels: Expected | None = None

    def items(self) -> Iterator[tuple[str, Expected]]:
        """Names of an outcome's arrays with what is expected of them."""
        yield "loss", self.loss
        for name in ("grad_logits", "grad_labels"):
            expected = getattr(self, name)
            if expected is not None:
                yield name, expected


def expect(call: Call, subject: Subject, dtype: str, rules: Mapping[str, Any] | None = None) -> Expectation:
    """The expectation of a call. `rules` overrides the subject's declared choices (a known divergence's claim)."""
    profile = _profile(subject.precision[dtype], dtype, call.layout)
    if "multi-hot" in subject.labels:
        binary = _binary_problem(call)
        of_probabilities = subject.inputs == "probabilities"
        evaluate = reference.binary_cross_entropy_of_probabilities if of_probabilities else reference.binary_cross_entropy
        answer = evaluate(binary)
        bound = reference.binary_error_bound(binary, answer, profile)
    else:
        problem = _problem(call, subject, rules or {})
        if subject.inputs == "probabilities":
            answer = reference.cross_entropy_of_probabilities(problem)
        else:
            answer = reference.cross_entropy(problem, exact_arguments=dtype == "float64")
        bound = reference.error_bound(problem, answer, profile)
    grad_labels = Expected(answer.grad_labels, bound.grad_labels) if call.want_grad_labels else None
    return Expectation(
        dtype, Expected(answer.loss, bound.loss), Expected(answer.grad_logits, bound.grad_logits), grad_labels
    )


def _problem(call: Call, subject: Subject, rules: Mapping[str, Any]) -> reference.Problem:
    kind = "dense" if call.has_dense_labels else "index"
    options = {
        "mean_divides_by": subject.mean_divides_by.get(kind, "rows"),
        "empty_mean": subject.empty_mean,
        "zero_times_inf": "zero" if subject.zero_times_inf == "any" else subject.zero_times_inf,
        **rules,
    }
    return reference.Problem(
        logits=_wide(call.logits),
        labels=_wide(call.labels) if kind == "dense" else call.labels,
        weight=None if call.weight is None else _wide(call.weight),
        ignore_index=call.ignore_index,
        label_smoothing=call.label_smoothing,
        reduction=call.reduction,
        upstream=None if call.upstream is None else _wide(call.upstream),
        **options,
    )


def _binary_problem(call: Call) -> reference.BinaryProblem:
    return reference.BinaryProblem(
        logits=_wide(call.logits),
        labels=_wide(call.labels),
        label_smoothing=call.label_smoothing,
        reduction=call.reduction,
        upstream=None if call.upstream is None else _wide(call.upstream),
    )


def _profile(precision: Precision, dtype: str, layout: str) -> reference.Profile:
    sums = precision.sums if precision.sums == "pairwise" else (precision.sums, precision.width)
    if layout == "transposed":
        sums = ("lane", 1)  # along a strided axis NumPy adds one element after another, and so may anybody
    return reference.Profile(dtype, storage=precision.storage, sum_model=sums, offset=precision.offset)


def _wide(array: Array) -> Array:
    return np.asarray(array).astype(np.float64)
