"""Precedents of a failure: the known bugs whose triggers the subject fails as well."""

from __future__ import annotations

from collections.abc import Callable

from xentcheck.bench import Bench
from xentcheck.bugs import Bug
from xentcheck.cases import Case
from xentcheck.clauses import Clause
from xentcheck.corpus import bugs_triggered_by, corpus_cases
from xentcheck.levels import Level
from xentcheck.strategies import Scope
from xentcheck.verdict import Deviation
from xentcheck_reports import Status

_MOST = 5  # of a gross mistake everybody's trigger is one


def precedents(
    clause: Clause, bench: Bench, level: Level, failed: Deviation, is_known: Callable[[Case, Deviation], bool]
) -> list[Bug]:
    """The bugs whose triggers deviate too, up to five; what is a known divergence of the subject is none. Of a process
    that died nobody asks, for each time costs seconds."""
    found, last = dict[str, Bug](), failed
    for case in corpus_cases(clause.id, Scope(bench.subject, bench.target.dtype, level)):
        if last.status is not Status.FAIL or len(found) >= _MOST:
            break
        try:
            clause.check(case, bench)
        except Deviation as deviation:
            last = deviation
            if not is_known(case, deviation):
                found |= {bug.id: bug for bug in bugs_triggered_by(clause.id, case)}
    return [*found.values()][:_MOST]
