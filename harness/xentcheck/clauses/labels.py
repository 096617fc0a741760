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


OUTSIDE: dict[str, Callable[[int], int]] = {
    "-1": lambda classes: -1,
    "C": lambda classes: classes,
    "-C": lambda classes: -classes,
    "-C-1": lambda classes: -classes - 1,
    "-100": lambda classes: -100,
    "255": lambda classes: max(255, classes),
    "2**31": lambda classes: 2**31,
    "2**32+1": lambda classes: 2**32 + 1,
}


def _out_of_range(scope: Scope) -> SearchStrategy[Case]:
    plain = cases(
        scope,
        regimes=("integers", "normal"),
        reductions=("none", "mean", "sum"),
        layouts=("contiguous",),
        upstreams=("ones",),
        options=not scope.subject.retraces,
    )
    ignored = (None, 0, 2**15) if scope.subject.offers("ignore_index") and not scope.subject.retraces else (None,)
    return st.builds(
        _with_bad_label, plain, st.sampled_from(list(OUTSIDE)), st.integers(0, 7), st.sampled_from(ignored)
    ).filter(lambda case: case.bad_label != _ignored_label(case))


def _with_bad_label(case: Case, kind: str, row: int, ignore_index: int | None) -> Case:
    label = OUTSIDE[kind](case.classes)
    info = np.iinfo(case.label_dtype)
    label = label if info.min <= label <= info.max else case.classes
    return replace(case, bad_label=label, bad_row=row, ignore_index=ignore_index, ignored="some")


def _ignored_label(case: Case) -> int:
    """torch, and whoever follows it, ignores -100 unless told otherwise."""
    return -100 if case.ignore_index is None else case.ignore_index


def _landmarks(scope: Scope) -> tuple[Case, ...]:
    small = Case(dtype=scope.dtype, rows=4, classes=7)
    # Only a parallel kernel shows what an unchecked index does to the process.
    large = replace(small, rows=512, classes=1000)
    compiled = (replace(large, bad_label=-1),) if scope.subject.slow_traces else ()
    bad = (-1, 7) if scope.subject.retraces else (-1, 7, 2**32 + 1)  # the last is class 1 to whoever reads 32 bits
    fits = [label for label in bad if label <= np.iinfo(scope.subject.label_dtypes[0]).max]
    return (*(replace(small, bad_label=label, bad_row=1) for label in fits), *compiled)


def refused_or_poisoned(case: Case, bench: Bench) -> Measurement:
    """Refuses, or returns NaN in the bad row's loss and nothing finite but zero in its gradient."""
    call = bench.call(case)
    outcome = bench.run(call)
    if isinstance(outcome, Refused):
        return Measurement()
    if not isinstance(outcome, Returned):
        raise no_answer(outcome, expected=f"label {case.bad_label} refused, or NaN")
    answer = well_formed(returned(outcome), call, bench.target.dtype)
    row = case.bad_row % case.rows
    loss = float(answer.loss[row] if answer.loss.ndim else answer.loss)
    if not np.isnan(loss):
        raise Deviation(
            "silent loss", expected=f"label {case.bad_label} refused, or its loss NaN", got=f"loss {loss!r}"
        )
    gradient = np.zeros(0) if answer.grad_logits is None else answer.grad_logits[row].astype(np.float64)
    finite = gradient[np.isfinite(gradient) & (gradient != 0)]
    if finite.size:
        raise Deviation(
            "silent gradient",
            expected=f"with loss NaN for label {case.bad_label}, a gradient row that is NaN or zero",
            got=f"gradient {gradient!s:.120}",
        )
    return Measurement(values=1 + gradient.size) + _other_rows(case, bench, answer)


def _other_rows(case: Case, bench: Bench, answer: Returned) -> Measurement:
    if case.rows == 1 or case.reduction != "none":
        return Measurement()
    call = bench.call(case)
    keep = np.arange(case.rows) != case.bad_row % case.rows
    rest = replace(call, logits=call.logits[keep], labels=call.labels[keep])
    return conform(answer.rows(keep), bench.expect(rest), case.token)


CLAUSES = (
    Clause(
        "LAB-1",
        "a label outside [0, C) is refused or poisons its own row, and is never read as another class",
        (_TF,),
        takes("index", inputs="logits"),
        _out_of_range,
        refused_or_poisoned,
        _landmarks,
    ),
)
