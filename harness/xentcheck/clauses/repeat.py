"""DET: the same call again."""

from __future__ import annotations

from dataclasses import replace

from hypothesis.strategies import SearchStrategy

from xentcheck.bench import Bench
from xentcheck.cases import Case
from xentcheck.clauses.clause import Clause
from xentcheck.regimes import FINITE_REGIMES
from xentcheck.strategies import Scope, cases
from xentcheck.verdict import Deviation, Measurement, conform
from xentcheck_adapters import Array, Subject


def _draw(scope: Scope) -> SearchStrategy[Case]:
    labels = {"index": "index", "dense": "soft", "multi-hot": "multi-hot"}
    kinds = [labels[kind] for kind in scope.subject.labels]
    return cases(scope, labels=kinds, regimes=FINITE_REGIMES, options=True, reductions=scope.subject.reductions)


def _repeats(case: Case, bench: Bench) -> Measurement:
    """A, then B, then A again: bitwise the first answer, and B's own answer in between."""
    call = bench.call(case)
    other = replace(call, logits=call.logits[::-1, ::-1].copy())
    first = bench.answer(call)
    between = conform(bench.answer(other), bench.expect(other), case.token)
    again = bench.answer(call)
    for what in ("loss", "grad_logits"):
        if not _same_bits(getattr(first, what), getattr(again, what)):
            raise Deviation(what, expected="bitwise the same answer to the same call", got="another one")
    return between


def _same_bits(a: Array, b: Array) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def _takes_logits(subject: Subject) -> str | None:
    return (
        None if subject.inputs == "logits" else "takes probabilities: the reversed call of a pair would be another one"
    )


CLAUSES = (
    Clause(
        "DET-1",
        "the same call gives bitwise the same answer, whatever was asked in between",
        ("A pure function of its arguments; no reduction here needs an order chosen at run time.",),
        _takes_logits,
        _draw,
        _repeats,
    ),
)
