"""A plan: what a run judges, and how deeply. The pytest plugin and the loop of `run.py` both carry one out."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from xentcheck import evidence
from xentcheck.bench import Bench, Target, at
from xentcheck.clauses import Clause
from xentcheck.contract import CONTRACT
from xentcheck.divergence import Ledger
from xentcheck.judge import Assignment, judge
from xentcheck.known import known_subjects, load_ledger
from xentcheck.levels import LEVELS, Level
from xentcheck.panel import CLAUSE as PANEL
from xentcheck.panel import PanelAnswer, answer_panel
from xentcheck.repro import with_script
from xentcheck.selection import (
    SelectionError,
    asks_for_all,
    install_hint,
    missing_modules,
    select_clauses,
    select_subjects,
    select_targets,
)
from xentcheck.workers import WorkerPool
from xentcheck.workers.pool import State, state_of
from xentcheck_adapters import Subject
from xentcheck_reports import Record, Status

_DTYPE_OF_PROCESSES = "float32"


@dataclass(frozen=True, eq=False)
class Plan:
    """
    targets       subjects on devices in dtypes
    clauses       ids, in the order of the contract
    seed          of the cases
    subjects      those of the targets and their twins, by name
    named         those that a person names, group by group, rather than asking for all there are
    asked_dtypes  dtypes that a person names, which are judged whatever the level
    memory        where earlier failures are remembered; None for nowhere
    scripts       whether a failure is told with a script that shows it
    """

    targets: Sequence[Target]
    clauses: Sequence[str]
    level: Level
    ledger: Ledger
    seed: int
    subjects: Mapping[str, Subject]
    named: Sequence[frozenset[str]] = ()
    asked_dtypes: frozenset[str] = frozenset()
    memory: Path | None = None
    scripts: bool = True

    def bench(self, target: Target, pool: WorkerPool) -> Bench:
        """Where the target is put to the test."""
        return Bench(target, pool, self.subjects)

    def why_not(self, clause: Clause, target: Target) -> tuple[Status, str] | None:
        """Why a clause is not judged on a target, known before anything runs; None if it is."""
        subject = target.subject
        if missing := _missing(subject):
            return Status.NOT_RUN, f"not installed: {install_hint(missing, subject.interpreter)}"
        if lacking := clause.lacks(subject):
            return Status.UNSUPPORTED, f"{subject.name} {lacking}"
        policy = clause.kind == "policy"
        judged = self.level.dtypes(subject, policy=policy)
        if target.dtype not in judged and target.dtype not in self.asked_dtypes:
            reason = (
                f"level {self.level.name}: judged in {', '.join(judged)}; a deeper level or --dtype runs the others"
            )
            return Status.NOT_RUN, reason
        if clause.processes and (self.level.name == "quick" or target.dtype != _DTYPE_OF_PROCESSES):
            reason = f"it starts a process of its own: {_DTYPE_OF_PROCESSES} at --level=standard runs it"
            return Status.NOT_RUN, reason
        if why := self.level.postpones(subject, options=clause.options, programs=clause.programs, policy=policy):
            return Status.NOT_RUN, f"level {self.level.name}: {why}; --level=standard runs it"
        return None

    def names(self, subject: str) -> bool:
        """Whether a person named the subject, or a group that it is of."""
        return any(subject in group for group in self.named)

    def asks(self, clause: str, target: Target) -> bool:
        """Whether the clause is judged on the target."""
        return self.why_not(CONTRACT[clause], target) is None

    def absences(self) -> Iterator[Record]:
        """The records of what is not judged."""
        for target, clause in itertools.product(self.targets, map(CONTRACT.__getitem__, self.clauses)):
            if absent := self.why_not(clause, target):
                status, reason = absent
                yield evidence.record(clause, target, status, reason=reason)

    def judge(self, clause: str, target: Target, pool: WorkerPool) -> Record | PanelAnswer:
        """The record of a clause on a target; the target's answers, if the clause compares several of them."""
        asked, bench = CONTRACT[clause], self.bench(target, pool)
        if asked is PANEL:
            answer = answer_panel(bench, self.ledger)
            if isinstance(answer, PanelAnswer):
                return answer
            record = answer
        else:
            record = judge(Assignment(asked, bench, self.level, self.ledger, self.seed, self.memory))
        return with_script(record, asked, bench) if self.scripts else record

    def states(self, target: Target) -> set[State]:
        """The workers that a target and its twins need."""
        twins = [name for name in (target.subject.mode_twin, target.subject.form_twin) if name]
        used = [target.subject, *(at(self.subjects[name], target.subject.interpreter) for name in twins)]
        return {state_of(subject, target.device, target.dtype) for subject in used}

    def ordered_targets(self) -> list[Target]:
        """Targets by worker: each framework is loaded once, and its worker is stopped when it is done. What compiles
        anew for each shape takes longest and comes first, lest a process be left with it when the others are done."""
        states = {target: state_of(target.subject, target.device, target.dtype) for target in self.targets}
        first = {state: index for index, state in reversed(list(enumerate(states.values())))}
        compiling = Counter(target.subject.framework for target in self.targets if target.subject.retraces)
        return sorted(self.targets, key=lambda t: (-compiling[t.subject.framework], first[states[t]]))

    def in_order(self, records: Sequence[Record]) -> list[Record]:
        """Subjects in the order of the plan, clauses in the order of the contract, however they were dealt out."""
        names = list(dict.fromkeys(target.subject.name for target in self.targets))
        subjects = {name: place for place, name in enumerate(names)}
        clauses = {clause: place for place, clause in enumerate(CONTRACT)}
        return sorted(records, key=lambda record: (subjects[record.subject], clauses[record.clause]))


@cache
def _missing(subject: Subject) -> list[str]:
    """As of the first time it is asked: it is asked once for each clause."""
    return missing_modules(subject)


def plan_of(
    backends: Sequence[str],
    *,
    devices: Sequence[str] = (),
    dtypes: Sequence[str] = (),
    clauses: Sequence[str] = (),
    level: str,
    seed: int,
    memory: Path | None = None,
) -> Plan:
    """The plan that names describe: cpu, all dtypes and all clauses where none is named.

    Raises SelectionError for a name that nobody knows, and LedgerError.
    """
    if level not in LEVELS:
        raise SelectionError(f"unknown level {level!r}; known: {', '.join(LEVELS)}")
    subjects = select_subjects(backends)
    targets = select_targets(subjects, devices or ["cpu"], dtypes)
    if not targets:
        raise SelectionError("no subject has the wanted device and dtype; see `xentcheck list`")
    explicit = [name for name in backends if not asks_for_all(name)]
    return Plan(
        targets=targets,
        clauses=select_clauses(clauses, CONTRACT),
        level=LEVELS[level],
        ledger=load_ledger(),
        seed=seed,
        subjects={**known_subjects(), **{subject.name: subject for subject in subjects}},
        named=[frozenset(subject.name for subject in select_subjects([name])) for name in explicit],
        asked_dtypes=frozenset(dtypes),
        memory=memory,
    )
