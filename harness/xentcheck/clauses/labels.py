"""LAB: labels outside [0, C)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from xentcheck.bench import Bench
from xentcheck.cases import Case
from xentcheck.clauses.clause import Clause, takes
from xentcheck.strategies import Scope, cases
from xentcheck.verdict import Deviation, Measurement, conform, no_answer, returned, well_formed
from xentcheck_adapters import Refused, Returned

_TF = "https://www.tensorflow.org/api_docs/python/tf/nn/sparse_softmax_cross_entropy_with_logits"


# torch, and whoever follows it, ignores this label unless told otherwise
_COMMON_IGNORE_INDEX = -100

_OUTSIDE: dict[str, Callable[[int], int]] = {
    "-1": lambda classes: -1,
    "C": lambda classes: classes,
    "-C": lambda classes: -classes,
    "-C-1": lambda classes: -classes - 1,
    "2**31": lambda classes: 2**31,
    "2**32+1": lambda classes: 2**32 + 1,
}


def _out_of_range(scope: Scope) -> SearchStrategy[Case]:
    plain = cases(scope, regimes=("integers", "normal"), layouts=("contiguous",), upstreams=("ones",))
    strategy = st.builds(_with_bad_label, plain, st.sampled_from(list(_OUTSIDE)), st.integers(0, 7))
    return strategy.filter(lambda case: case.bad_label != _COMMON_IGNORE_INDEX)


def _with_bad_label(case: Case, kind: str, row: int) -> Case:
    label = _OUTSIDE[kind](case.classes)
    info = np.iinfo(case.label_dtype)
    return replace(case, bad_label=label if info.min <= label <= info.max else case.classes, bad_row=row % case.rows)


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
    answer = well_formed(returned(outcome), call, bench.target.dtype)
    row = case.bad_row
    loss, gradient = float(answer.loss[row]), answer.grad_logits[row].astype(np.float64)
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
    keep = np.arange(case.rows) != case.bad_row
    rest = replace(call, logits=call.logits[keep], labels=call.labels[keep])
    return conform(Returned(answer.loss[keep], answer.grad_logits[keep]), bench.expect(rest), case.token)


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
