"""AD: forward mode and second derivatives where a class is masked."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from xentcheck.bench import Bench
from xentcheck.build import VECTORS
from xentcheck.cases import Case, Edit
from xentcheck.clauses.clause import Clause, softmax_of_logits
from xentcheck.strategies import Scope
from xentcheck.verdict import Measurement, conform, describe, returned
from xentcheck_adapters import Refused, Subject

_PART = {
    "jvp": "tangent",
    "two backward passes": "tangent",
    "reverse": "hvp",
    "forward-over-reverse": "hvp",
    "reverse-over-reverse": "hvp",
    "hessian": "hvp",
}
_KINDS = {"index": "index", "dense": "one-hot"}
# Seed 1 draws the labels 2, 6, 5 and 0.
_SEED, _MASKED = 1, (3, 4, 1, 3)


def _asked(subject: Subject) -> list[str]:
    twice = ["reverse"] if subject.offers("hvp") else []
    return twice + [procedure for procedure in _PART if procedure in subject.procedures]


def _has_any(subject: Subject) -> str | None:
    lacking = softmax_of_logits(subject)
    return lacking or (None if _asked(subject) else "is asked for no derivative but the first one")


def _masked(scope: Scope) -> tuple[Case, ...]:
    """Another class in each row, never the label's: the loss is finite, and so is every derivative."""
    edits = tuple(Edit(row, column, "-inf") for row, column in enumerate(_MASKED))
    plain = Case(dtype=scope.dtype, rows=4, classes=7, regime="normal", seed=_SEED, upstream="negative", edits=edits)
    return tuple(
        replace(plain, labels=_KINDS[kind], procedure=procedure, vector=vector)
        for kind in scope.subject.labels
        for procedure in _asked(scope.subject)
        for vector in VECTORS[: 1 if scope.subject.retraces else None]
    )


def _right_or_refused(case: Case, bench: Bench) -> Measurement:
    call = bench.call(case)
    outcome = bench.run(call)
    if isinstance(outcome, Refused):
        return Measurement(remark=f"refused: {describe(outcome)}")
    answer, expectation, part = returned(outcome), bench.expect(call), _PART[case.procedure]
    if np.isnan(answer.loss.astype(np.float64)).any():
        return Measurement(remark="the loss is NaN: 0 times infinity, which has no derivative")
    return conform(answer, replace(expectation, parts={part: expectation.parts[part]}), case.token)


CLAUSES = (
    Clause(
        "AD-13",
        "where a class is masked and the loss is finite, tangents and second derivatives are those of the other "
        "classes, or are refused",
        (
            "softmax is 0 there, and so is every derivative along it",
            "https://github.com/google-deepmind/optax/pull/1762",
        ),
        _has_any,
        None,
        _right_or_refused,
        _masked,
        options=True,
        programs=True,
    ),
)
