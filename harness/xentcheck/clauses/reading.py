"""Reading an answer: which question did the subject really answer? For policies, which name what they see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from xentcheck.bench import Bench
from xentcheck.verdict import error_ratio
from xentcheck_adapters import Array, Call, Returned


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


def is_softmax(gradient: Array, call: Call, bench: Bench, row: int) -> bool:
    """Whether a gradient row (C,) is the row's softmax: that of a true gradient with the label's one added back."""
    part = bench.expect(replace(call, **with_label(call, row, 0), upstream=None)).parts["grad_logits"]
    softmax = part.value[row].copy()
    softmax[0] += 1
    return bool(np.all(np.abs(gradient - softmax) <= part.bound[row]))


def reads_as(got: Array | None, what: str, call: Call, bench: Bench, rules: Mapping[str, Any] | None = None) -> bool:
    """Whether a result is, in all rows, what the reference makes of the call under these rules."""
    expected = replace(bench, rules=rules or {}).expect(call).parts[what]
    if got is None or got.shape != expected.value.shape:
        return False
    return bool(np.all(error_ratio(got, expected, bench.target.dtype) <= 1))
