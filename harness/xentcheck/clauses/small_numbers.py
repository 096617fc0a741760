"""NUM: numbers that a dtype holds and arithmetic may lose: zeros with a sign, subnormals, losses next to nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from xentcheck.bench import Bench
from xentcheck.cases import Case, Explicit
from xentcheck.clauses.clause import softmax_of_logits
from xentcheck.clauses.policy import answer_of, policy
from xentcheck.soft_labels import one_hot_rows
from xentcheck.strategies import Scope
from xentcheck_adapters import Returned

# How far one class is ahead of the six others. `_CERTAIN`: the true loss is 0 in every dtype, whose sums are 1 + 0.
_CERTAIN = {"float16": 100.0, "bfloat16": 100.0, "float32": 200.0, "float64": 800.0}
# 6 exp(-gap), the true loss, is less than half the gap between 1 and the next number, and no subnormal.
_NEARLY_CERTAIN = {"float16": 10.0, "bfloat16": 9.0, "float32": 20.0, "float64": 40.0}
# exp(-gap), the softmax of the others, is a subnormal number of the dtype.
_SUBNORMAL = {"float16": 15.0, "bfloat16": 90.0, "float32": 100.0, "float64": 720.0}

_LABELS = np.array([0, 2, 3, 6])


def _ahead(gap: float, scope: Scope) -> Case:
    """The label's class of every row is ahead of the others by the gap."""
    rows = one_hot_rows(_LABELS, 7)
    labels = _LABELS if "index" in scope.subject.labels else rows
    return Case(dtype=scope.dtype, rows=4, classes=7, explicit=Explicit.of(rows * gap, labels))


def _signed_zero(scope: Scope) -> Mapping[str, Case]:
    return {"a certain class": _ahead(_CERTAIN[scope.dtype], scope)}


def _small(scope: Scope) -> Mapping[str, Case]:
    cells = {
        "a loss below the spacing of numbers at 1": _ahead(_NEARLY_CERTAIN[scope.dtype], scope),
        "a subnormal gradient": _ahead(_SUBNORMAL[scope.dtype], scope),
    }
    return cells if scope.subject.differentiable else {name: cells[name] for name in list(cells)[:1]}


def _sign(case: Case, bench: Bench) -> str:
    def name(answer: Returned) -> str:
        loss = np.atleast_1d(answer.loss.astype(np.float64))
        if np.isnan(loss).any():
            return "NaN"
        if loss.any():
            return "another number"
        return "-0" if np.signbit(loss).all() else "+0" if not np.signbit(loss).any() else "both"

    call = bench.call(case)
    return answer_of(bench.run(call), name, call)


def _kept(case: Case, bench: Bench) -> str:
    call = bench.call(case)
    what = "grad_logits" if "gradient" in case.cell else "loss"
    place: Callable[..., float] = lambda array: float(array[1, 0] if what == "grad_logits" else array[1])  # noqa: E731

    def name(answer: Returned) -> str:
        got, true = place(getattr(answer, what)), place(bench.expect(call).parts[what].value)
        if got == 0:
            return "0"
        return "kept" if abs(got - true) < abs(true) / 2 else "another number"

    return answer_of(bench.run(call), name, call)


CLAUSES = (
    policy(
        "NUM-12",
        "the sign of a loss that is zero",
        ("-log 1 is -0 in IEEE 754; log 1 - 0 is +0",),
        softmax_of_logits,
        cells=_signed_zero,
        answers={
            "+0": "a zero without a sign",
            "-0": "the negation of log 1: equal to 0, but 1 / loss is -inf",
            "both": "some rows have one and some the other",
            "NaN": "no loss",
            "another number": "not zero",
        },
        usual=lambda _: "+0",
        observe=_sign,
    ),
    policy(
        "NUM-13",
        "whether small numbers that the dtype holds survive",
        ("log(1 + t) is nearly t, log1p; gradual underflow of IEEE 754",),
        softmax_of_logits,
        cells=_small,
        answers={
            "kept": "nearer to the true value than to 0",
            "0": "lost: 1 + t is 1, or subnormal numbers are flushed to 0",
            "another number": "neither",
        },
        usual=lambda _: "kept",
        observe=_kept,
    ),
)
