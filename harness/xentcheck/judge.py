"""The judge: one clause, one target, one record."""

from __future__ import annotations

import random
import re
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
from hypothesis.database import DirectoryBasedExampleDatabase

from xentcheck import evidence
from xentcheck.bench import Bench
from xentcheck.cases import Case
from xentcheck.clauses import Clause
from xentcheck.divergence import Divergence, Ledger
from xentcheck.levels import Level
from xentcheck.minimise import minimise
from xentcheck.precedents import precedents
from xentcheck.strategies import Scope
from xentcheck.verdict import Deviation, Measurement
from xentcheck.workers import Opened
from xentcheck_adapters import Unavailable
from xentcheck_reports import Record, Status


@dataclass(frozen=True)
class Assignment:
    """What is to be judged, how deeply, and where earlier failures are remembered."""

    clause: Clause
    bench: Bench
    level: Level
    ledger: Ledger
    seed: int
    memory: Path | None


@dataclass
class _Tally:
    """What the cases of one assignment have shown so far."""

    measurement: Measurement = field(default_factory=Measurement)
    examples: int = 0
    diverged: list[Divergence] = field(default_factory=list)
    crashed: list[Divergence] = field(default_factory=list)
    failures: dict[Case, Deviation] = field(default_factory=dict)
    last_failure: Case | None = None
    shrinking_since: float | None = None


def judge(assignment: Assignment) -> Record:
    """Check a clause on a target and return the record; every kind of trouble becomes a status."""
    started = time.monotonic()
    target = assignment.bench.target
    try:
        opened = assignment.bench.pool.open(target.subject, target.device, target.dtype)
    except Unavailable as error:
        return evidence.absence(assignment.clause, target, error)
    record = _judge(assignment, opened)
    told = {"versions": dict(opened.versions), "probe": opened.line}
    return record.model_copy(update={**told, "seconds": round(time.monotonic() - started, 3)})


def _judge(assignment: Assignment, opened: Opened) -> Record:
    clause, bench = assignment.clause, assignment.bench
    target = bench.target
    subject = opened.narrow(target.subject)
    lacking = clause.lacks(subject)
    if lacking:
        return evidence.record(clause, target, Status.UNSUPPORTED, reason=f"{subject.name} {lacking}")
    assignment = replace(assignment, bench=replace(bench, target=replace(target, subject=subject)))
    known = _known(assignment, opened.versions)
    tally = _Tally()
    draw = _run_fixed if clause.draw is None else _draw
    try:
        for entry in known:
            if entry.clause != clause.id:
                continue
            healed = _healed(assignment, entry, tally)
            if healed:
                return healed
        draw(assignment, known, tally)
    except Deviation:
        pass
    except Unavailable as error:
        return evidence.record(
            clause, target, Status.HARNESS_ERROR, reason=f"the subject could not be reopened: {error}"
        )
    except Exception as error:  # Hypothesis' own verdicts on the test (flaky, unsatisfiable), or a fault of ours
        if not tally.failures:
            failure = evidence.harness_failure(error, traceback.format_exc())
            return evidence.record(clause, target, Status.HARNESS_ERROR, failure=failure)
    if tally.last_failure:
        return _failed(assignment, known, tally, tally.last_failure)
    shown = [entry for entry in known if entry.clause == clause.id or entry in tally.diverged]
    differs = shown or evidence.contradictions(tally.measurement)
    status = Status.KNOWN_DIVERGENCE if differs else Status.PASS
    return evidence.record(
        clause,
        target,
        status,
        measurement=tally.measurement,
        examples=tally.examples,
        divergences=[evidence.divergence(entry) for entry in shown],
    )


def _known(assignment: Assignment, versions: Mapping[str, str]) -> Sequence[Divergence]:
    """The ledger's entries about this clause and target; none about policies, whose answers are declared one by one."""
    clause, target = assignment.clause, assignment.bench.target
    if clause.kind == "policy":
        return ()
    return assignment.ledger.concerning(clause.id, target.subject.known_as, target.dtype, versions)


def _examples(assignment: Assignment, known: Sequence[Divergence]) -> list[Case]:
    """The examples of the clause's own entries, which every run checks."""
    dtype = assignment.bench.target.dtype
    return [entry.example_case(dtype) for entry in known if entry.clause == assignment.clause.id]


def _scope(assignment: Assignment) -> Scope:
    return Scope(assignment.bench.subject, assignment.bench.target.dtype, assignment.level)


def _draw(assignment: Assignment, known: Sequence[Divergence], tally: _Tally) -> None:
    scope = _scope(assignment)

    def check(case: Case) -> None:
        _check(assignment, known, tally, case)

    for case in _shuffled((*assignment.clause.fixed(scope), *_examples(assignment, known)), assignment.seed):
        try:
            check(case)
        except Deviation:
            break  # kept in the tally; Hypothesis, which does not shrink explicit examples, may find a smaller one
    assert assignment.clause.draw is not None
    cases = assignment.clause.draw(scope)
    if cases is None:
        return
    test = seed(assignment.seed)(given(case=cases)(check))
    _settings(assignment)(test)()  # after `seed`, which would switch the database off


def _shuffled(cases: Sequence[Case], seed: int) -> list[Case]:
    """The cases in another order for each seed, so that nobody passes thanks to what came before. The first one stays:
    what it leaves behind may show in any other."""
    return [*cases[:1], *random.Random(seed).sample(cases[1:], len(cases[1:]))]


def _run_fixed(assignment: Assignment, known: Sequence[Divergence], tally: _Tally) -> None:
    """All fixed cases, also after a wrong answer: a survey is about all of its regimes. The first failure is told, and
    measurements are kept, in the order of the cases."""

    def check(cases: Sequence[Case]) -> Measurement:
        measured: dict[Case, Measurement] = {}
        for case in _shuffled(cases, assignment.seed):
            tally.measurement = Measurement()
            try:
                _check(assignment, known, tally, case)
            except Deviation as deviation:
                if deviation.status is not Status.FAIL:
                    break
            finally:
                measured[case] = tally.measurement
        return sum((measured[case] for case in cases if case in measured), Measurement())

    fixed, examples = assignment.clause.fixed(_scope(assignment)), _examples(assignment, known)
    surveyed = check(fixed)
    tally.measurement = _with_survey(surveyed + check(examples), surveyed)
    if tally.failures:
        tally.last_failure = min(tally.failures, key=(*fixed, *examples).index)


def _check(assignment: Assignment, known: Sequence[Divergence], tally: _Tally, case: Case) -> None:
    if _out_of_shrinking_time(assignment.level, tally) and case not in tally.failures:
        return
    if any(entry.covers(case) for entry in tally.crashed):
        return  # it is known to kill the process and has been seen to; each time costs seconds
    tally.examples += 1
    try:
        tally.measurement += assignment.clause.check(case, assignment.bench)
    except Deviation as deviation:
        entry = _predicted(assignment, known, case, deviation)
        if entry:
            tally.diverged.append(entry)
            tally.measurement += deviation.measurement.without_verdict(known=True)
            if deviation.status is Status.CRASH:
                tally.crashed.append(entry)
            return
        tally.failures[case] = deviation
        tally.measurement += deviation.measurement.without_verdict(known=False)
        tally.last_failure = case
        tally.shrinking_since = tally.shrinking_since or time.monotonic()
        raise


def _out_of_shrinking_time(level: Level, tally: _Tally) -> bool:
    """A crash costs seconds to reproduce: after a while, only cases that are known to fail are run again."""
    return tally.shrinking_since is not None and time.monotonic() - tally.shrinking_since > level.shrink_seconds


def _predicted(
    assignment: Assignment, known: Sequence[Divergence], case: Case, deviation: Deviation
) -> Divergence | None:
    """The entry that predicts the deviation and whose rule, if it claims one, holds exactly."""
    for entry in known:
        if entry.predicts(case, deviation) and _claim_holds(assignment, entry, case):
            return entry
    return None


def _claim_holds(assignment: Assignment, entry: Divergence, case: Case) -> bool:
    if not entry.rules:
        return True
    bench = replace(assignment.bench, rules=entry.rules)
    try:
        assignment.clause.check(case, bench)
    except Deviation:
        return False
    return True


def _healed(assignment: Assignment, entry: Divergence, tally: _Tally) -> Record | None:
    """An unexpected pass if the entry's example no longer deviates."""
    case = entry.example_case(assignment.bench.target.dtype)
    tally.examples += 1
    try:
        measurement = assignment.clause.check(case, assignment.bench)
    except Deviation as deviation:
        if deviation.status is Status.CRASH:
            tally.crashed.append(entry)
        return None
    return evidence.record(
        assignment.clause,
        assignment.bench.target,
        Status.UNEXPECTED_PASS,
        measurement=measurement,
        reason=f"a known divergence no longer shows; remove it or narrow its versions: {entry.reason}",
        divergences=[evidence.divergence(entry)],
    )


def _failed(assignment: Assignment, known: Sequence[Divergence], tally: _Tally, case: Case) -> Record:
    clause, bench, level = assignment.clause, assignment.bench, assignment.level

    def is_known(case: Case, deviation: Deviation) -> bool:
        return _predicted(assignment, known, case, deviation) is not None

    case, deviation = minimise(
        clause, bench, case, tally.failures[case], is_known=is_known, seconds=level.shrink_seconds
    )
    seen_before = precedents(clause, bench, level, deviation, is_known)
    return evidence.record(
        clause,
        bench.target,
        deviation.status,
        measurement=_with_survey(
            deviation.measurement if deviation.measurement.worst else tally.measurement, tally.measurement
        ),
        examples=tally.examples,
        failure=evidence.failure(clause, bench, case, deviation, seen_before),
    )


def _with_survey(measurement: Measurement, survey: Measurement) -> Measurement:
    """A measurement with the errors of a survey's rows instead of its own."""
    return replace(measurement, errors=survey.errors, grades=survey.grades, longest_sum=survey.longest_sum)


def _settings(assignment: Assignment) -> settings:
    """Everything explicit: Hypothesis' `ci` profile would repeat the same examples every night and remember none."""
    target = assignment.bench.target
    memory = assignment.memory
    # A folder per clause and target: in a shared one a passing subject deletes what another one failed on.
    folder = re.sub(r"[^\w.@-]+", "-", target.id)  # it may hold a path, even one that leads elsewhere
    database = DirectoryBasedExampleDatabase(memory / assignment.clause.id / folder) if memory else None
    return settings(
        max_examples=assignment.level.examples(target.subject),
        database=database,
        phases=(Phase.reuse, Phase.generate, Phase.shrink),
        deadline=None,
        derandomize=False,
        print_blob=False,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
        verbosity=Verbosity.quiet,
    )
