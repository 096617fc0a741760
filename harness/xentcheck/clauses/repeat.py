"""DET: the same call again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from hypothesis.strategies import SearchStrategy

from xentcheck.bench import Bench
from xentcheck.cases import Case
from xentcheck.clauses.clause import Clause
from xentcheck.regimes import FINITE_REGIMES
from xentcheck.strategies import Scope, cases
from xentcheck.verdict import Deviation, Measurement, conform
from xentcheck_adapters import Array, Call, Subject


def _draw(scope: Scope) -> SearchStrategy[Case]:
    labels = {"index": "index", "dense": "soft", "multi-hot": "multi-hot"}
    kinds = [labels[kind] for kind in scope.subject.labels]
    return cases(scope, labels=kinds, regimes=FINITE_REGIMES, options=True, reductions=scope.subject.reductions)


def _repeats(case: Case, bench: Bench) -> Measurement:
    """A, then calls that differ from A in one argument, then A again: each has its own answer, and A its first."""
    call = bench.call(case)
    first, between = bench.answer(call), Measurement()
    for other in _others(call, bench.subject.retraces):
        between += conform(bench.answer(other), bench.expect(other), case.token)
    again = bench.answer(call)
    repeated = again.results
    for what, array in first.results.items():
        if not _same_bits(array, repeated[what]):
            raise Deviation(what, expected="bitwise the same answer to the same call", got="another one")
    return between


def _others(call: Call, retraces: bool) -> Iterator[Call]:
    """The call with one argument changed: what is remembered by less than all of them answers wrongly."""
    yield replace(call, logits=call.logits[::-1, ::-1].copy())
    yield replace(call, labels=call.labels[::-1].copy())
    yield replace(call, upstream=-call.cotangent())
    if call.weight is not None:
        yield replace(call, weight=call.weight + call.weight.dtype.type(1))
    if call.label_smoothing and not retraces:
        yield replace(call, label_smoothing=call.label_smoothing / 2)


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
