"""EQ-2: every pair of frameworks on one shared panel of cases.

Each subject answers the panel in its own worker; the answers, a few kilobytes, travel to the controlling process and
are compared there. So no process ever needs two frameworks, and answers of other devices can be compared as well.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from hypothesis import strategies as st
from pydantic import BaseModel

from xentcheck.bench import Bench, Target
from xentcheck.build import build_call
from xentcheck.cases import Case
from xentcheck.clauses.clause import Clause, softmax_of_logits
from xentcheck.clauses.equivalence import agree, bounds_added, one_hot
from xentcheck.divergence import Ledger
from xentcheck.evidence import absence, divergence, failure, record
from xentcheck.expectation import Expectation, Expected, expect
from xentcheck.randomness import Array
from xentcheck.regimes import FINITE_REGIMES
from xentcheck.verdict import Deviation, Measurement, exceeded
from xentcheck_adapters import Call, Returned, Subject, Unavailable
from xentcheck_reports import Bitwise, Failure, Record, Status

_ROWS, _CLASSES = 4, 7


def panel_cases(dtype: str) -> tuple[Case, ...]:
    """One case per finite regime, in one shape, with class-index labels and a random upstream gradient."""
    return tuple(
        Case(dtype=dtype, rows=_ROWS, classes=_CLASSES, regime=regime, seed=seed, upstream="random")
        for seed, regime in enumerate(FINITE_REGIMES)
    )


def panel_call(case: Case, subject: Subject) -> Call:
    """A panel case in the form the subject takes: class indices, or the same labels as one-hot rows."""
    call = build_call(case)
    return call if "index" in subject.labels else one_hot(call)


def _answers(case: Case, bench: Bench) -> Measurement:
    """One subject's share: alone, it can only be held against the reference."""
    return bench.conforms(panel_call(case, bench.subject), case)[1]


CLAUSE = Clause(
    "EQ-2",
    "every pair of frameworks agrees on one shared panel of cases, within the sum of their bounds",
    ("One function: each pair is compared directly, without the reference.",),
    softmax_of_logits,
    lambda scope: st.sampled_from(panel_cases(scope.dtype)),
    _answers,
)


class PanelAnswer(BaseModel):
    """A subject's answers to the panel, as float64 bytes: per case the losses, then the gradients if it has any; and
    the kinds of labels that it takes, which of a stranger only its worker knows."""

    subject: str
    labels: tuple[str, ...]
    device: str
    dtype: str
    data: str
    versions: dict[str, str]

    def rows(self) -> Returned:
        """The answers to all cases, as the rows of one call."""
        flat = np.frombuffer(base64.b64decode(self.data), np.float64).reshape(len(panel_cases(self.dtype)), -1)
        gradients = flat[:, _ROWS:]
        return Returned(flat[:, :_ROWS].ravel(), gradients.reshape(-1, _CLASSES) if gradients.size else None)


def answer_panel(bench: Bench, ledger: Ledger) -> PanelAnswer | Record:
    """The subject's answers to the panel, or the record of why there are none: it may be known to differ there, and
    then each pair with it would."""
    target = bench.target
    try:
        opened = bench.pool.open(target.subject, target.device, target.dtype)
    except Unavailable as error:
        return absence(CLAUSE, target, error)
    subject, versions = opened.narrow(target.subject), opened.versions
    entries = ledger.concerning(CLAUSE.id, subject.known_as, target.dtype, versions)
    known = [entry for entry in entries if any(map(entry.covers, panel_cases(target.dtype)))]
    if known:
        shown = [divergence(entry) for entry in known]
        return record(CLAUSE, target, Status.KNOWN_DIVERGENCE, divergences=shown, versions=versions)
    parts: list[Array] = []
    for case in panel_cases(target.dtype):
        try:
            answer = bench.answer(panel_call(case, subject))
        except Unavailable as error:
            return absence(CLAUSE, target, error)
        except Deviation as deviation:
            problem = failure(CLAUSE, bench, case, deviation)
            return record(CLAUSE, target, deviation.status, failure=problem, versions=versions)
        parts += [array.astype(np.float64).ravel() for array in answer.results.values()]
    data = base64.b64encode(np.concatenate(parts).tobytes()).decode()
    of = {"subject": subject.name, "device": target.device, "dtype": target.dtype}
    return PanelAnswer(**of, labels=subject.labels, data=data, versions=dict(versions))


@dataclass(frozen=True)
class _Seat:
    """A subject's answers to all cases of the panel, and what was expected of them, as the rows of one call."""

    target: Target
    answer: Returned
    expectation: Expectation
    versions: dict[str, str]


def _seat(given: PanelAnswer, subject: Subject) -> _Seat:
    expected = [expect(panel_call(case, subject), subject, given.dtype) for case in panel_cases(given.dtype)]
    parts = {name: _stacked([one.parts[name] for one in expected]) for name in expected[0].parts}
    return _Seat(
        Target(subject, given.device, given.dtype), given.rows(), Expectation(given.dtype, parts), given.versions
    )


def _stacked(parts: Sequence[Expected]) -> Expected:
    return Expected(
        np.concatenate([part.value for part in parts]),
        np.concatenate([part.bound for part in parts]),
        np.concatenate([np.broadcast_to(part.may_be_infinite, part.value.shape) for part in parts]),
        np.concatenate([np.broadcast_to(part.low, part.value.shape) for part in parts]),
    )


def compare_panels(answers: Sequence[PanelAnswer], subject_named: Callable[[str], Subject]) -> list[Record]:
    """One record per subject, device and dtype: its agreement with every subject of another framework."""
    seats = [_seat(answer, replace(subject_named(answer.subject), labels=answer.labels)) for answer in answers]
    return [_compare_with_others(seat, seats) for seat in seats]


def _compare_with_others(seat: _Seat, seats: Sequence[_Seat]) -> Record:
    others = [
        other
        for other in seats
        if other.target.dtype == seat.target.dtype and other.target.subject.framework != seat.target.subject.framework
    ]
    total, rates, problem = Measurement(), [], None
    for other in others:
        seen, deviation = _compare(seat, other)
        total += seen
        rates.append(Bitwise(equal=seen.bitwise_equal, of=seen.bitwise_of, against=other.target.subject.name))
        if deviation and problem is None:
            problem = _disagreement(seat, other, deviation)
    status = Status.FAIL if problem else Status.PASS
    reason = None if others else "no second framework took part in this run"
    made = record(
        CLAUSE,
        seat.target,
        status if others else Status.NOT_RUN,
        measurement=total,
        examples=len(panel_cases(seat.target.dtype)),
        reason=reason,
        failure=problem,
        versions=seat.versions,
    )
    return made.model_copy(update={"bitwise": rates})


def _compare(a: _Seat, b: _Seat) -> tuple[Measurement, Deviation | None]:
    try:
        seen = agree(a.answer, b.answer, bounds_added(a.expectation, b.expectation), "")
    except Deviation as deviation:
        seen = deviation.measurement
    worst = seen.worst
    if worst is None or worst.row is None:
        return seen, None
    case, row = divmod(worst.row, _ROWS)
    token = panel_cases(a.target.dtype)[case].token
    seen = replace(seen, worst=worst.model_copy(update={"row": row, "token": token}))
    return seen, exceeded(seen) if not worst.ratio <= 1 else None


def _disagreement(seat: _Seat, other: _Seat, deviation: Deviation) -> Failure:
    worst = deviation.measurement.worst
    assert worst is not None
    return Failure(
        summary=f"{seat.target.id} and {other.target.id} disagree: {deviation}",
        case=f"panel case {worst.token}",
        expected=f"{deviation.expected}, as {other.target.subject.name} answers",
        got=deviation.got,
        replay=f"xentcheck replay {CLAUSE.id} {seat.target.subject.name} {worst.token}",
        note="no script: it would need two frameworks",
    )
