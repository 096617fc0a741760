"""EQ-4: another door to the same code."""

from __future__ import annotations

from xentcheck.bench import Bench
from xentcheck.cases import Case
from xentcheck.clauses.clause import Clause
from xentcheck.clauses.equivalence import agree, bounds_added
from xentcheck.strategies import Scope
from xentcheck.verdict import Measurement
from xentcheck_adapters import Subject

_REGIMES = ("integers", "normal", "confident", "wrong", "offset")


def _is_a_variant(subject: Subject) -> str | None:
    return None if subject.variant_of else "is no other door to a subject"


def _regimes(scope: Scope) -> tuple[Case, ...]:
    return tuple(
        Case(dtype=scope.dtype, rows=4, classes=7, regime=regime, seed=seed, upstream="random", labels=kind)
        for kind in scope.kinds
        for seed, regime in enumerate(_REGIMES)
    )


def _answers_alike(case: Case, bench: Bench) -> Measurement:
    call, main = bench.call(case), bench.of(bench.subject.variant_of or "")
    return agree(bench.answer(call), main.answer(call), bounds_added(bench.expect(call), main.expect(call)), case.token)


CLAUSES = (
    Clause(
        "EQ-4",
        "another door to the same function, a functional form, a raw kernel or an idiom, answers as its main one does",
        ("One function: both are as far from the truth as their precisions allow, and no further from each other.",),
        _is_a_variant,
        None,
        _answers_alike,
        _regimes,
    ),
)
