"""EXC: classes are exclusive for the sparse form; rows with several classes belong to binary cross-entropy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from xentcheck.bench import Bench
from xentcheck.cases import Case
from xentcheck.clauses.clause import Clause, takes
from xentcheck.expectation import expect
from xentcheck.malformed import SOFT, WRONG_DTYPES, WRONG_SHAPES
from xentcheck.regimes import FINITE_REGIMES
from xentcheck.strategies import Scope, cases
from xentcheck.verdict import Deviation, Measurement, describe, no_answer
from xentcheck_adapters import Refused, Returned, Subject

_CUSTOMARY = ("fractional", "one column (N, 1)", *WRONG_DTYPES)
_TF_SPARSE = "https://www.tensorflow.org/api_docs/python/tf/nn/sparse_softmax_cross_entropy_with_logits"
_KERAS_BINARY = "https://keras.io/api/losses/probabilistic_losses/#binarycrossentropy-class"


def _malformed(kinds: tuple[str, ...]) -> Callable[[Scope], SearchStrategy[Case]]:
    def draw(scope: Scope) -> SearchStrategy[Case]:
        plain = cases(
            scope,
            regimes=("integers",),
            layouts=("contiguous",),
            upstreams=("ones",),
            min_rows=2,
            min_classes=2,
            few_shapes=True,
        )
        return st.builds(
            lambda case, kind: replace(case, malformed=kind), plain, st.sampled_from(refusable(scope.subject, kinds))
        )

    return draw


def refusable(subject: Subject, kinds: tuple[str, ...]) -> tuple[str, ...]:
    """The malformations a subject has to refuse: one that also takes dense labels may read rows as those, and one that
    casts its labels what its framework's custom takes for indices."""
    dense, casts = "dense" in subject.labels, subject.keras_customs
    return tuple(kind for kind in kinds if not (dense and kind.endswith("rows")) and not (casts and kind in _CUSTOMARY))


def _refused(case: Case, bench: Bench) -> Measurement:
    outcome = bench.run(bench.call(case))
    if isinstance(outcome, Refused):
        return Measurement()
    expected = f"labels refused: {case.malformed}"
    if isinstance(outcome, Returned):
        raise Deviation("accepted", expected=expected, got=describe(outcome))
    raise no_answer(outcome, expected=expected)


def _every_kind(kinds: tuple[str, ...]) -> Callable[[Scope], tuple[Case, ...]]:
    return lambda scope: tuple(
        Case(dtype=scope.dtype, rows=4, classes=7, seed=1, malformed=kind) for kind in refusable(scope.subject, kinds)
    )


def _every_shape(scope: Scope) -> tuple[Case, ...]:
    """A loss that is returned row by row must have the shape of its labels; one that is reduced shows no shape."""
    cases = _every_kind(WRONG_SHAPES)(scope)
    reduced = () if scope.subject.retraces else (replace(cases[-1], reduction="mean"),)
    return cases + reduced


def _multi_hot(scope: Scope) -> SearchStrategy[Case]:
    return cases(scope, labels=("multi-hot",), regimes=FINITE_REGIMES, reductions=("none", "mean", "sum"), options=True)


def _binary(case: Case, bench: Bench) -> Measurement:
    """Matches the sigmoid reference; remarks how far the softmax cross-entropy of the same rows is from it."""
    call = bench.call(case)
    answer, measurement = bench.conforms(call, case)
    as_softmax = replace(bench.subject, labels=("dense",), precision=bench.subject.precision)
    softmax = np.atleast_1d(expect(call, as_softmax, case.dtype).parts["loss"].value)
    sigmoid = np.atleast_1d(answer.loss.astype(np.float64))
    apart = float(np.max(np.abs(softmax - sigmoid), initial=0.0))
    return measurement + Measurement(
        remark=f"softmax cross-entropy of the same multi-hot rows is up to {apart:.3g} away"
    )


_SPARSE = takes("index", inputs="logits")


def _must_refuse(kinds: tuple[str, ...]) -> Callable[[Subject], str | None]:
    def lacks(subject: Subject) -> str | None:
        return _SPARSE(subject) or (None if refusable(subject, kinds) else "casts labels of any dtype to indices")

    return lacks


CLAUSES = (
    Clause(
        "EXC-1",
        "the sparse form refuses soft labels: its classes are exclusive",
        (_TF_SPARSE,),
        _must_refuse(SOFT),
        _malformed(SOFT),
        _refused,
        _every_kind(SOFT),
    ),
    Clause(
        "EXC-2",
        "the sparse form refuses labels that are not integers",
        (_TF_SPARSE,),
        _must_refuse(WRONG_DTYPES),
        _malformed(WRONG_DTYPES),
        _refused,
        _every_kind(WRONG_DTYPES),
    ),
    Clause(
        "EXC-3",
        "the sparse form refuses labels of another shape than (N,)",
        (_TF_SPARSE,),
        _SPARSE,
        _malformed(WRONG_SHAPES),
        _refused,
        _every_shape,
        programs=True,
    ),
    Clause(
        "EXC-4",
        "multi-hot rows go to binary cross-entropy, which matches the sigmoid reference and is not the softmax loss",
        (_KERAS_BINARY,),
        takes("multi-hot", inputs="logits"),
        _multi_hot,
        _binary,
    ),
)
