"""The loop that carries out a plan: each clause on each target, and a record for each as it comes."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial

from xentcheck.bench import Target
from xentcheck.clauses import OTHER_DOORS
from xentcheck.panel import PanelAnswer, compare_panels
from xentcheck.plan import Plan
from xentcheck.processes import dealt_out
from xentcheck.workers import WorkerPool
from xentcheck_reports import Record

Answer = Record | PanelAnswer

_SECONDS_IN_BRIEF = 1
_PLAINEST = "float32"


def judged(plan: Plan, pool: WorkerPool) -> Generator[Record, None, None]:
    """The records of what is judged, as they come, by workers of this process."""
    failed: set[str] = set()
    return _records(plan, failed, (answer for task in _tasks(plan, failed) for answer in task.answers(pool)))


def judged_side_by_side(plan: Plan, processes: int) -> Generator[Record, None, None]:
    """The same, dealt out to processes. To close the generator stops them.

    Raises concurrent.futures.process.BrokenProcessPool if one of them was killed.
    """
    failed: set[str] = set()
    todo = (partial(_answers, task) for task in _tasks(plan, failed))
    with closing(dealt_out(todo, processes)) as coming:
        yield from _records(plan, failed, (answer for answers in coming for answer in answers))


@dataclass(frozen=True)
class _Task:
    """A clause on a subject and device, in all of its dtypes."""

    plan: Plan
    clause: str
    targets: tuple[Target, ...]

    def answers(self, pool: WorkerPool) -> Iterator[Answer]:
        """One for each dtype. A clause that fails in one is shrunk, and proved by a script, there only."""
        plan = self.plan
        pool.keep_only({state for target in self.targets for state in plan.states(target)})
        for target in self.targets:
            answer = plan.judge(self.clause, target, pool)
            yield answer
            if isinstance(answer, Record) and answer.status.is_failure:
                plan = _in_brief(plan, 0)


def _answers(task: _Task, pool: WorkerPool) -> Sequence[Answer]:
    return list(task.answers(pool))


def _tasks(plan: Plan, failed: set[str]) -> Iterator[_Task]:
    """By subject and device, so that each framework is loaded once. What is the plainest to read comes first, clauses
    and dtypes, for of many failures only the first are told in full."""
    clauses = sorted(plan.clauses, key=lambda clause: clause.startswith(OTHER_DOORS))
    in_full = plan.level.failures_in_full
    for targets in _groups(plan.ordered_targets()):
        for clause in clauses:
            if asked := tuple(target for target in targets if plan.asks(clause, target)):
                patient = in_full is None or len(failed) < in_full
                yield _Task(plan if patient else _in_brief(plan, _SECONDS_IN_BRIEF), clause, asked)


def _in_brief(plan: Plan, shrink_seconds: float) -> Plan:
    shorter = min(shrink_seconds, plan.level.shrink_seconds)
    return replace(plan, level=replace(plan.level, shrink_seconds=shorter), scripts=False)


def _groups(targets: Sequence[Target]) -> Iterable[list[Target]]:
    groups: dict[tuple[str, str], list[Target]] = {}
    for target in sorted(targets, key=lambda target: target.dtype != _PLAINEST):
        groups.setdefault((target.subject.name, target.device), []).append(target)
    return groups.values()


def _records(plan: Plan, failed: set[str], answers: Iterable[Answer]) -> Generator[Record, None, None]:
    """Records, and those of the panel at the end; clauses that fail are noted."""
    panels = []
    for answer in answers:
        if isinstance(answer, PanelAnswer):
            panels.append(answer)
            continue
        if answer.status.is_failure:
            failed.add(answer.clause)
        yield answer
    yield from compare_panels(panels, plan.subjects.__getitem__)
