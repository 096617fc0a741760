"""Trials of faults, and hearings of honest functions: clauses look at one function, and so does a conventional test."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from xentcheck.bench import Bench, Target
from xentcheck.bugs import load_bugs
from xentcheck.cases import Case, case_from_token
from xentcheck.clauses import CLAUSES, Clause
from xentcheck.contract import CONTRACT
from xentcheck.divergence import Ledger
from xentcheck.faults import Fault
from xentcheck.judge import Assignment, judge
from xentcheck.levels import LEVELS, Level
from xentcheck.selection import SelectionError, select_subjects
from xentcheck.selftest.conventional import DTYPES, notices
from xentcheck.verdict import Deviation, Measurement
from xentcheck.workers import WorkerPool
from xentcheck_adapters import FLOAT_DTYPES, Subject, Unavailable
from xentcheck_reports import Accusation, Bug, Example, Failure, Hearing, Kill, Record, Status, Trial

TARGETED = LEVELS["quick"]
# A kill is a kill before it is shrunk.
EVERYWHERE = replace(LEVELS["quick"], unknown_examples=40, shrink_seconds=0)
# Trouble of the harness itself is no kill.
_KILLS = (Status.FAIL, Status.CRASH, Status.TIMEOUT, Status.OUT_OF_MEMORY)
_INNOCENT = (Status.PASS, Status.UNSUPPORTED, Status.NOT_RUN)


@dataclass(frozen=True)
class Court:
    """What all trials share: worker processes, and the seed of the cases."""

    pool: WorkerPool
    seed: int

    def summon(self, spec: str, dtype: str) -> Subject:
        """The subject of a spec as it is offered here. Raises SelectionError if something must be installed for it, and
        Unavailable if it cannot be opened all the same."""
        (subject,) = select_subjects([spec])
        return self.pool.open(subject, "cpu", dtype).narrow(subject)

    def judge(self, clause: Clause, subject: Subject, dtype: str, level: Level) -> tuple[Record, float]:
        """The record of a clause on a subject, and the seconds to the first deviation; those mean nothing if there is
        none. Raises Unavailable if the subject cannot be opened."""
        self.pool.open(subject, "cpu", dtype)  # its loading is not the clause's time
        watch = _Watch(clause)
        bench = Bench(Target(subject, "cpu", dtype), self.pool, {subject.name: subject})
        record = judge(Assignment(replace(clause, check=watch.check), bench, level, Ledger(()), self.seed, None))
        return record, watch.first - watch.started


class _Watch:
    """A clause's check that remembers when a case first deviated."""

    def __init__(self, clause: Clause) -> None:
        self._check = clause.check
        self.started = self.first = time.monotonic()

    def check(self, case: Case, bench: Bench) -> Measurement:
        try:
            return self._check(case, bench)
        except Deviation:
            if self.first == self.started:
                self.first = time.monotonic()
            raise


def try_fault(fault: Fault, court: Court, *, everywhere: bool = False) -> Trial:
    """Let the targeted clause look for a fault, in the dtype that shows it, and a conventional test; with `everywhere`
    every law, in one dtype after the other until it sees the fault."""
    told = Trial(
        fault=fault.spec,
        about=fault.about,
        clause=fault.clause,
        dtype=fault.dtype,
        bugs=[Bug(id=id, url=load_bugs()[id].url) for id in fault.bugs],
        large=fault.large,
    )
    try:
        subject = court.summon(fault.spec, fault.dtype)
        targeted, example = _targeted(fault, subject, court)
        others = _elsewhere(fault, subject, court) if everywhere else {}
        conventional = notices(subject, court.pool, dict.fromkeys((fault.dtype, *DTYPES)))
    except SelectionError as error:
        return told.model_copy(update={"not_judged": str(error)})
    except Unavailable as error:
        return told.model_copy(update={"trouble": str(error)})
    seen = {fault.clause: targeted, **others}
    kills = [seen[clause] for clause in CONTRACT if seen.get(clause)]
    return told.model_copy(
        update={"looked": list(seen), "kills": kills, "example": example, "conventional": conventional}
    )


def _targeted(fault: Fault, subject: Subject, court: Court) -> tuple[Kill | None, Example | None]:
    record, seconds = court.judge(CONTRACT[fault.clause], subject, fault.dtype, TARGETED)
    if record.status not in _KILLS or not record.failure:
        return None, None
    return Kill(clause=fault.clause, dtype=fault.dtype, seconds=round(seconds, 4)), _example(record.failure)


def _elsewhere(fault: Fault, subject: Subject, court: Court) -> dict[str, Kill | None]:
    """What the other laws see."""
    laws = [clause for clause in CLAUSES.values() if clause.kind == "law" and clause.lacks(subject) is None]
    dtypes = [dtype for dtype in dict.fromkeys((fault.dtype, *FLOAT_DTYPES)) if dtype in subject.dtypes]
    return {law.id: _first_kill(law, subject, dtypes, court) for law in laws if law.id != fault.clause}


def _first_kill(clause: Clause, subject: Subject, dtypes: Sequence[str], court: Court) -> Kill | None:
    for dtype in dtypes:
        record, seconds = court.judge(clause, subject, dtype, EVERYWHERE)
        if record.status in _KILLS:
            return Kill(clause=clause.id, dtype=dtype, seconds=round(seconds, 4))
    return None


def _example(failure: Failure) -> Example:
    """The shrunk case with its size, which its token tells."""
    assert failure.token
    case = case_from_token(failure.token)
    return Example(rows=case.rows, classes=case.classes, failure=failure)


def hear(function: str, dtype: str, court: Court, level: Level) -> Hearing:
    """Let every clause look at an honest function, and a conventional test; whoever sees something accuses it."""
    told = Hearing(function=function, dtype=dtype)
    try:
        subject = court.summon(function, dtype)
        clauses = [clause for clause in CLAUSES.values() if clause.lacks(subject) is None]
        records = [court.judge(clause, subject, dtype, level)[0] for clause in clauses]
        conventional = notices(subject, court.pool, [dtype])
    except SelectionError as error:
        return told.model_copy(update={"not_judged": str(error)})
    except Unavailable as error:
        return told.model_copy(update={"trouble": str(error)})
    blamed = [record for record in records if record.status not in _INNOCENT]
    return told.model_copy(
        update={"looked": len(records), "accusations": list(map(_accusation, blamed)), "conventional": conventional}
    )


def _accusation(record: Record) -> Accusation:
    failure = record.failure
    return Accusation(
        clause=record.clause,
        dtype=record.dtype,
        summary=failure.summary if failure else record.reason or record.status.label,
        replay=failure.replay if failure else "",
    )
