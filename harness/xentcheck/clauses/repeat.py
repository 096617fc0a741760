"""DET: the same call again, and the same rows in other company."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from hypothesis.strategies import SearchStrategy

from xentcheck.bench import Bench
from xentcheck.cases import Case
from xentcheck.clauses.clause import Clause, softmax_of_logits
from xentcheck.estimate import agree, ask
from xentcheck.regimes import FINITE_REGIMES
from xentcheck.strategies import Scope, cases, with_options
from xentcheck.verdict import Deviation, Measurement, conform
from xentcheck_adapters import Array, Call, Subject


def _draw(scope: Scope) -> SearchStrategy[Case] | None:
    if scope.brief:
        return None
    return cases(scope, labels=scope.kinds, regimes=FINITE_REGIMES, options=True, reductions=scope.subject.reductions)


def _first_calls(scope: Scope) -> tuple[Case, ...]:
    """First of all a call without an upstream gradient, on which nothing later may depend; then one with all arguments,
    and what is added up in an order of its own: many rows, and many classes."""
    plain = Case(dtype=scope.dtype, rows=4, classes=7, regime="normal", seed=3)
    if scope.subject.retraces:
        return (replace(plain, labels=scope.kinds[0]),)
    few = [replace(plain, labels=kind) for kind in scope.kinds]
    first = replace(few[0], upstream="random")
    many = (replace(few[0], rows=257, reduction=reduction) for reduction in ("sum", "mean"))
    return (*few, with_options(first, scope), replace(first, classes=1025), *many)


def _repeats(case: Case, bench: Bench) -> Measurement:
    """A, then calls that differ from A in one argument, and A again after each: each has its own answer, and A its
    first."""
    call = bench.call(case)
    first, between = bench.answer(call), Measurement()
    for other in _others(call, bench.subject.retraces):
        between += conform(bench.answer(other), bench.expect(other), case.token)
        repeated = bench.answer(call).results
        for what, array in first.results.items():
            if not _same_bits(array, repeated[what]):
                once = "bitwise the same answer to the same call"
                raise Deviation(what, expected=once, got="another one", repeated=True)
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


_SIZES = (1, 2, 3)


def _batches(scope: Scope) -> tuple[Case, ...]:
    sizes = (17,) if scope.brief or scope.subject.retraces else (17, 1024)
    return tuple(
        Case(dtype=scope.dtype, rows=rows, classes=7, regime="normal", labels=kind, seed=17, upstream="random")
        for rows in sizes
        for kind in _row_labels(scope)
    )


def _row_labels(scope: Scope) -> tuple[str, ...]:
    return scope.kinds[:1] if scope.subject.retraces else scope.kinds


def _ignores_the_batch(case: Case, bench: Bench) -> Measurement:
    """The first rows alone, in small batches and in a large one."""
    call, seen = bench.call(case), Measurement()
    whole = ask(bench, call)
    for size in _SIZES:
        part = ask(bench, _rows(call, np.arange(size)))
        seen += agree(part, whole.rows(slice(size)), bench, case.token)
    return seen


def _orders(scope: Scope) -> tuple[Case, ...]:
    return tuple(
        Case(dtype=scope.dtype, rows=4, classes=7, regime=regime, labels=kind, seed=4, upstream="random")
        for regime in (("normal",) if scope.brief else ("normal", "wrong"))
        for kind in _row_labels(scope)
    )


def _ignores_the_order(case: Case, bench: Bench) -> Measurement:
    call, back = bench.call(case), np.arange(case.rows)[::-1]
    return agree(ask(bench, _rows(call, back)).rows(back), ask(bench, call), bench, case.token)


def _rows(call: Call, which: Array) -> Call:
    upstream = None if call.upstream is None else call.upstream[which]
    return replace(call, logits=call.logits[which], labels=call.labels[which], upstream=upstream)


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
        _first_calls,
    ),
    Clause(
        "DET-2",
        "a row has the same loss and gradient alone and in any batch, within its bounds; the record counts how often "
        "bitwise",
        ("Rows are independent.", "https://docs.pytorch.org/docs/stable/notes/numerical_accuracy.html"),
        softmax_of_logits,
        None,
        _ignores_the_batch,
        _batches,
        programs=True,
    ),
    Clause(
        "DET-3",
        "reordering the rows reorders loss and gradient, within their bounds; the record counts how often bitwise",
        ("Rows are independent.",),
        softmax_of_logits,
        None,
        _ignores_the_order,
        _orders,
    ),
)
