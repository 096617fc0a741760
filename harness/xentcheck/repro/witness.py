"""Which one call shows a failure, and what is right about it.

A clause may ask a subject several times and compare its answers with each other. Here every call that it makes is held
against the reference by itself: if one of them is wrong, that one tells it all.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from xentcheck.bench import Bench
from xentcheck.cases import Case
from xentcheck.clauses import Clause
from xentcheck.repro.claims import Answers, Between, Claim, Fulfils, HasShape, Refuses, Repeats, Survives, Untouched
from xentcheck.verdict import Deviation
from xentcheck_adapters import Call, Crashed, Outcome, Refused, Returned, Subject
from xentcheck_reports import Worst

# Families that compare answers with each other: what they expect is another answer, right or wrong.
_RELATIONS = ("EQ", "MET", "DET")


@dataclass(frozen=True)
class Seen:
    """A call of a clause, and what came of it."""

    subject: Subject
    call: Call
    outcome: Outcome


@dataclass(frozen=True)
class _Recording(Bench):
    seen: list[Seen] = field(default_factory=list)

    def run(self, call: Call) -> Outcome:
        outcome = super().run(call)
        self.seen.append(Seen(self.subject, call, outcome))
        return outcome


@dataclass(frozen=True)
class _Replaying(Bench):
    outcome: Outcome | None = None

    def run(self, call: Call) -> Outcome:
        assert self.outcome is not None
        return self.outcome


@dataclass(frozen=True)
class Witness:
    """A call that is answered wrongly, what is right about it, and the calls that came before it."""

    call: Call
    claim: Claim
    before: tuple[Call, ...]


def witnesses(clause: Clause, bench: Bench, case: Case) -> tuple[Deviation | None, list[Witness]]:
    """The deviation of a case, None if there is none any more, and the calls that show it, the most telling first."""
    recording = _Recording(**vars(bench))
    try:
        clause.check(case, recording)
    except Deviation as deviation:
        return deviation, list(_telling(clause, recording, case, deviation))
    return None, []


def _gave(outcome: Outcome, worst: Worst) -> bool:
    """Whether the value of a comparison is one of the outcome's."""
    array = getattr(outcome, worst.what, None)
    place = tuple(index for index in (worst.row, worst.column) if index is not None)
    return array is not None and array.ndim == len(place) and repr(float(array[place])) == repr(worst.got)


def _telling(clause: Clause, bench: _Recording, case: Case, deviation: Deviation) -> Iterator[Witness]:
    own = [seen for seen in bench.seen if seen.subject.name == bench.subject.name]
    if not own:
        return
    calls = tuple(seen.call for seen in own)
    if deviation.what in ("accepted", "answer where eager refuses"):
        yield Witness(calls[-1], Refuses(), calls[:-1])
        return
    if deviation.what in ("silent loss", "silent gradient"):
        claim = _silent(own[-1], case, deviation.what)
        if claim:
            yield Witness(calls[-1], claim, calls[:-1])
        return
    if deviation.due:
        yield Witness(calls[0], Fulfils(*deviation.due), ())
        return
    found = [(claim, number) for number, seen in enumerate(own) for claim in _claims(bench, case, seen)]
    same = [pair for pair in found if getattr(pair[0], "what", deviation.what) == deviation.what.split(" ")[0]]
    for claim, number in [*same, *(pair for pair in found if pair not in same)]:
        yield Witness(calls[number], claim, calls[:number])
    worst = deviation.measurement.worst
    if worst and clause.family not in _RELATIONS and _gave(own[0].outcome, worst):
        yield Witness(calls[0], Between.of(worst, bench.target.dtype), ())  # a stricter bound than that of the subject
    if deviation.repeated:
        yield Witness(calls[0], Repeats(deviation.what), ())


def _silent(seen: Seen, case: Case, what: str) -> Claim | None:
    """A label out of range that is answered: refused or NaN is right, and no gradient where the loss is NaN."""
    if not isinstance(seen.outcome, Returned):
        return None
    row = case.bad_row % case.rows
    if what == "silent loss":
        return Refuses("loss", (row,) if seen.outcome.loss.ndim else (), "np.isnan(got)")
    gradient = seen.outcome.grad_logits
    assert gradient is not None
    ordinary = np.isfinite(gradient[row].astype(np.float64)) & (gradient[row] != 0)
    return Refuses("grad_logits", (row, int(ordinary.argmax())), "not np.isfinite(got) or got == 0")


def _claims(bench: Bench, case: Case, seen: Seen) -> Iterator[Claim]:
    """What is right about an outcome that is not."""
    if isinstance(seen.outcome, Refused):
        yield Answers()
    elif isinstance(seen.outcome, Crashed):
        yield Survives()
    elif isinstance(seen.outcome, Returned):
        if seen.outcome.mutated:
            yield Untouched(seen.outcome.mutated)
            seen = replace(seen, outcome=replace(seen.outcome, mutated=()))
        yield from _beside_the_reference(_Replaying(**vars(bench_of(bench)), outcome=seen.outcome), case, seen.call)


def bench_of(bench: Bench) -> Bench:
    """The plain bench of a recording one."""
    return Bench(bench.target, bench.pool, bench.subjects, bench.rules, bench.choices)


def _beside_the_reference(bench: Bench, case: Case, call: Call) -> Iterator[Claim]:
    dtype = bench.target.dtype
    try:
        bench.conforms(call, case)
    except Deviation as deviation:
        what, _, form = deviation.what.partition(" ")
        worst = deviation.measurement.worst
        if form == "shape":
            loss = call.logits.shape[:1] if call.reduction == "none" else ()
            yield HasShape(what, shape=loss if what == "loss" else call.logits.shape)
        elif form == "dtype":
            yield HasShape(what, dtype=dtype)
        elif worst:
            claim = Between.of(worst, dtype)
            if claim.excludes(float(worst.got)):
                yield claim
    except Exception:  # the reference has no answer to such a call
        return
