"""Policies: questions that the mathematics leaves open, and that frameworks answer differently.

A policy is a clause whose cases are questions. Its check names the subject's answer and holds it against the answer
that the adapter declares; what each answer is worth (equal to the usual one, a documented difference, against its own
documentation, undocumented) goes into the record.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from xentcheck.bench import Bench
from xentcheck.cases import Case
from xentcheck.choices import UNDEFINED, Declared, measured_choice
from xentcheck.clauses.clause import Clause
from xentcheck.strategies import Scope
from xentcheck.verdict import Deviation, Measurement
from xentcheck_adapters import Call, Crashed, Outcome, Refused, Returned, Subject

REFUSES, DIES, NO_ANSWER, MISSHAPEN = "refuses", "process dies", "no answer", "another shape"
_COMMON = {
    UNDEFINED: "its documents leave it undefined, so it is not asked: that might write to memory which is not its own",
    REFUSES: "raises an exception",
    DIES: "ends its process",
    NO_ANSWER: "runs out of time or memory",
    MISSHAPEN: "returns a loss or a gradient that does not fit the call",
}

Observe = Callable[[Case, Bench], str]


def policy(
    id: str,
    title: str,
    sources: tuple[str, ...],
    lacks: Callable[[Subject], str | None],
    *,
    cells: Callable[[Scope], Mapping[str, Case]],
    answers: Mapping[str, str],
    usual: Callable[[Case], str],
    observe: Observe,
    options: bool = False,
    programs: bool = False,
    processes: bool = False,
) -> Clause:
    """A policy as a clause.

    cells    the questions of a subject by name, each a case
    answers  name and meaning of every answer that `observe` can give, beside refusals and crashes
    usual    the answer that a person expects who has read only the contract; what it tells after ", gradient " is not
             expected of a subject that has none
    observe  names the subject's answer to a case; see `answer_of`
    """
    named = {**answers, **_COMMON}

    def check(case: Case, bench: Bench) -> Measurement:
        declared = _declared(id, case, bench)
        answer = UNDEFINED if declared and declared.answer == UNDEFINED else observe(case, bench)
        if answer not in named:
            raise LookupError(f"{id} names no answer {answer!r}; its answers are {', '.join(named)}")
        expected = usual(case)
        if not bench.subject.differentiable:
            expected = expected.partition(", gradient ")[0]
        return _judged(case, bench, declared, answer, expected)

    return Clause(
        id,
        title,
        sources,
        lacks,
        None,
        check,
        always=lambda scope: tuple(replace(case, cell=name) for name, case in cells(scope).items()),
        options=options,
        programs=programs,
        processes=processes,
        answers=named,
    )


def asked(scope: Scope, cells: Mapping[str, Case], few: tuple[str, ...]) -> Mapping[str, Case]:
    """The cells; only `few` of them for a compiled mode, to which each is a compilation of its own."""
    if scope.subject.retraces and scope.subject.mode != "eager":
        return {name: case for name, case in cells.items() if name in few}
    return cells


def _judged(case: Case, bench: Bench, declared: Declared | None, answer: str, usual: str) -> Measurement:
    """The measurement of an answer; raises Deviation if the adapter declares another one. An adapter that declares
    nothing declares the usual answer."""
    subject = bench.subject
    seen = Measurement(values=1, choices=(measured_choice(case.cell, answer, usual, declared, case.token),))
    if subject.described and declared is None and answer != usual:
        expected = f"an answer to {case.cell!r} declared in {subject.adapter}.choices.toml"
        raise Deviation("undeclared answer", expected=expected, got=answer, measurement=seen)
    if declared and declared.answer != answer:
        expected = f"{declared.answer} for {case.cell!r}, as declared"
        raise Deviation("changed answer", expected=expected, got=answer, measurement=seen)
    return seen


def _declared(id: str, case: Case, bench: Bench) -> Declared | None:
    subject, dtype = bench.subject, bench.target.dtype
    versions = bench.pool.open(subject, bench.target.device, dtype).versions
    return bench.choices.of(id, case.cell, subject.known_as, dtype, versions)


def answer_of(outcome: Outcome, name: Callable[[Returned], str], call: Call | None = None) -> str:
    """The name of an outcome, of which `name` knows the arrays: arrays that fit the call, if there is one."""
    if isinstance(outcome, Returned):
        return name(outcome) if call is None or _fits(outcome, call) else MISSHAPEN
    return {Refused: REFUSES, Crashed: DIES}.get(type(outcome), NO_ANSWER)


def _fits(answer: Returned, call: Call) -> bool:
    loss = call.logits.shape[:-1] if call.reduction == "none" else ()
    gradients = (answer.grad_logits, answer.hvp)
    return answer.loss.shape == loss and all(g is None or g.shape == call.logits.shape for g in gradients)
