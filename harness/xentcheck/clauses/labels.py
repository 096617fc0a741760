"""LAB: labels outside [0, C)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import strategies as st

from xentcheck.bench import Bench
from xentcheck.cases import Case
from xentcheck.clauses.clause import Clause, takes
from xentcheck.strategies import Scope, cases
from xentcheck.verdict import Deviation, Measurement, conform, no_answer, returned
from xentcheck_adapters import Refused, Returned

_TF = "https://www.tensorflow.org/api_docs/python/tf/nn/sparse_softmax_cross_entropy_with_logits"


@st.composite
def _out_of_range(draw: st.DrawFn, scope: Scope) -> Case:
    case = draw(cases(scope, regimes=("integers", "normal"), layouts=("contiguous",), upstreams=("ones",)))
    far = (-1, case.classes, -case.classes, 2**31, 2**32 + 1, -5)
    bad = [label for label in far if _fits(label, case.label_dtype) and label != _COMMON_IGNORE_INDEX]
    return replace(case, bad_label=draw(st.sampled_from(bad)))


# torch, and whoever follows it, ignores this label unless told otherwise
_COMMON_IGNORE_INDEX = -100


def _fits(label: int, dtype: str) -> bool:
    info = np.iinfo(dtype)
    return bool(info.min <= label <= info.max)


def _landmarks(scope: Scope) -> tuple[Case, ...]:
    small = Case(dtype=scope.dtype, rows=4, classes=7)
    # Only a parallel kernel shows what an unchecked index does to the process.
    large = replace(small, rows=512, classes=1000)
    compiled = (replace(large, bad_label=-1),) if scope.subject.slow_traces else ()
    return (replace(small, bad_label=-1), replace(small, bad_label=7), *compiled)


def _refused_or_poisoned(case: Case, bench: Bench) -> Measurement:
    """Refuses, or returns NaN in the bad row's loss and nothing finite but zero in its gradient."""
    call = bench.call(case)
    outcome = bench.run(call)
    if isinstance(outcome, Refused):
        return Measurement()
    if not isinstance(outcome, Returned):
        raise no_answer(outcome, expected=f"label {case.bad_label} refused, or NaN")
    answer = returned(outcome)
    loss, gradient = float(answer.loss[0]), answer.grad_logits[0].astype(np.float64)
    if not np.isnan(loss):
        raise Deviation(
            "silent loss", expected=f"label {case.bad_label} refused, or its loss NaN", got=f"loss {loss!r}"
        )
    finite = gradient[np.isfinite(gradient) & (gradient != 0)]
    if finite.size:
        raise Deviation(
            "silent gradient",
            expected=f"with loss NaN for label {case.bad_label}, a gradient row that is NaN or zero",
            got=f"gradient {gradient!s:.120}",
        )
    return Measurement(values=1 + gradient.size) + _other_rows(case, bench, answer)


def _other_rows(case: Case, bench: Bench, answer: Returned) -> Measurement:
    if case.rows == 1:
        return Measurement()
    call = bench.call(case)
    rest = replace(call, logits=call.logits[1:], labels=call.labels[1:])
    return conform(Returned(answer.loss[1:], answer.grad_logits[1:]), bench.expect(rest), case.token)


CLAUSES = (
    Clause(
        "LAB-1",
        "a label outside [0, C) is refused or poisons its own row, and is never read as another class",
        (_TF,),
        takes("index", inputs="logits"),
        _out_of_range,
        _refused_or_poisoned,
        _landmarks,
    ),
)
