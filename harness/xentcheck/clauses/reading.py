"""Reading an answer: which question did the subject really answer? For policies, which name what they see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, get_args

import numpy as np

from xentcheck.bench import Bench
from xentcheck.expectation import Expectation, expect
from xentcheck.verdict import error_ratio
from xentcheck_adapters import Array, Call, Precision, Returned
from xentcheck_reference import GradientRule

ANOTHER_NUMBER = "another number"


@dataclass(frozen=True)
class Reading:
    """A question that a subject may have answered instead: the call with these changes, under these rules of the
    oracle."""

    changes: Mapping[str, Any]
    rules: Mapping[str, Any] = field(default_factory=dict)


def labelled(labels: Array) -> Reading:
    """The reading of the call with these labels."""
    return Reading({"labels": labels})


def nearest_reading(answer: Returned, call: Call, bench: Bench, readings: Mapping[str, Reading]) -> str:
    """The name of the reading that a whole answer fits, loss and gradients, and fits best."""
    ratios = {name: _ratio(answer, call, bench, reading) for name, reading in readings.items()}
    best = min(ratios, key=lambda name: ratios[name])
    return best if ratios[best] <= 1 else ANOTHER_NUMBER


def _ratio(answer: Returned, call: Call, bench: Bench, reading: Reading) -> float:
    """The largest error relative to its bound. What the gradient does where labels do not sum to one is SOFT-2's
    question, not this one: either rule will do."""
    rules = [{**reading.rules, "gradient_rule": rule} for rule in get_args(GradientRule)]
    return min(_largest_ratio(answer, _expected(call, bench, replace(reading, rules=some)), bench) for some in rules)


def _largest_ratio(answer: Returned, expectation: Expectation, bench: Bench) -> float:
    largest = 0.0
    for what, part in expectation.parts.items():
        got = getattr(answer, what)
        if got.shape != part.value.shape:
            return np.inf
        largest = max(largest, float(error_ratio(got, part, _coarse(bench)).max(initial=0)))
    return largest


def _expected(call: Call, bench: Bench, reading: Reading) -> Expectation:
    dtype = _coarse(bench)
    subject = replace(bench.subject, precision={dtype: _LOOSEST})
    return expect(replace(call, **reading.changes), subject, dtype, {**bench.rules, **reading.rules})


# Readings are told apart, not digits: labels of the wrong kind may well take a path that is not the declared one. So
# every operation may round to the dtype, and in float64 the digits of float32 will do.
_LOOSEST = Precision("uniform", "lane", 1, offset=True)


def _coarse(bench: Bench) -> str:
    return {"float64": "float32"}.get(bench.target.dtype, bench.target.dtype)


def loss_of_row(answer: Returned, row: int) -> float:
    """A row's loss; the one there is where it is reduced."""
    return float(answer.loss[row] if answer.loss.ndim else answer.loss)


def gradient_of_row(answer: Returned, row: int) -> Array | None:
    """A row's gradient in float64 (C,); None of a subject that has none."""
    return None if answer.grad_logits is None else np.asarray(answer.grad_logits[row].astype(np.float64))


def answers_as(answer: Returned, call: Call, bench: Bench, row: int, what: str = "loss", **changes: Any) -> bool:
    """Whether a row's loss (or other result) is what an honest subject answers to the call with these changes."""
    expected = bench.expect(replace(call, **changes)).parts[what]
    got = getattr(answer, what)
    if got.shape != expected.value.shape:
        return False
    return bool(np.all(error_ratio(got, expected, bench.target.dtype)[row] <= 1))


def with_label(call: Call, row: int, label: int) -> dict[str, Any]:
    """The change that gives one row another label, for `answers_as`."""
    labels = np.array(call.labels)
    labels[row] = label
    return {"labels": labels}


def and_gradient(answer: Returned, call: Call, bench: Bench, row: int) -> str:
    """What kind of gradient a row has, to be told after its loss: ", gradient NaN", "0", "softmax" or "of another
    kind"; nothing of a subject that has none."""
    gradient = gradient_of_row(answer, row)
    if gradient is None:
        return ""
    if np.isnan(gradient).all():
        return ", gradient NaN"
    if not gradient.any():
        return ", gradient 0"
    return f", gradient {'softmax' if is_softmax(gradient, call, bench, row) else 'of another kind'}"


def is_softmax(gradient: Array, call: Call, bench: Bench, row: int) -> bool:
    """Whether a gradient row (C,) is the row's softmax: that of a true gradient with the label's one added back."""
    first = np.zeros(len(call.logits), np.int64)
    part = bench.expect(replace(call, labels=first, upstream=None)).parts["grad_logits"]
    softmax = part.value[row].copy()
    softmax[0] += 1
    return bool(np.all(np.abs(gradient - softmax) <= part.bound[row]))


def reads_as(got: Array | None, what: str, call: Call, bench: Bench, rules: Mapping[str, Any] | None = None) -> bool:
    """Whether a result is, in all rows, what the reference makes of the call under these rules."""
    expected = replace(bench, rules=rules or {}).expect(call).parts[what]
    if got is None or got.shape != expected.value.shape:
        return False
    return bool(np.all(error_ratio(got, expected, bench.target.dtype) <= 1))
