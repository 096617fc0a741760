"""No subject passes by accident: not with a constant, a remembered answer, unwritten memory, or a lucky order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from xentcheck.bench import Bench, Target
from xentcheck.cases import Case
from xentcheck.clauses import CLAUSES
from xentcheck.contract import CONTRACT
from xentcheck.divergence import Ledger
from xentcheck.faults import load_registry
from xentcheck.judge import Assignment, judge
from xentcheck.levels import Level
from xentcheck.strategies import Scope
from xentcheck.verdict import Measurement
from xentcheck.workers import WorkerPool
from xentcheck_adapters import Subject, subject_from_spec
from xentcheck_reports import Record, Status

Judged = Callable[..., Record]
REMEMBERS = [fault.spec for fault in load_registry().faults if "answers are remembered" in fault.about]
# It asks for anything but an ordinary number where there is no softmax.
NO_NUMBER_IS_DUE = {"NUM-4"}


@pytest.mark.parametrize("clause", ["VAL-1", "VAL-2", "SOFT-1"])
@pytest.mark.parametrize("constant", ["zeros", "ones"])
def test_a_constant_has_not_the_value_of_a_loss(judged: Judged, brief: Level, constant: str, clause: str) -> None:
    few = replace(brief, unknown_examples=10, shrink_seconds=0)
    assert judged(clause, f"lucky.py:{constant}", level=few).status is Status.FAIL


@pytest.mark.parametrize("constant", ["not_a_number", "infinity"])
def test_laws_that_need_no_oracle_are_not_met_without_a_number(
    judged: Judged, subject: Callable[[str], Subject], brief: Level, constant: str
) -> None:
    few = replace(brief, unknown_examples=2, shrink_seconds=0)
    lacking = subject(f"lucky.py:{constant}")
    laws = [c for c in CLAUSES.values() if c.family in ("EQ", "MET", "DET", "NUM") and c.kind == "law"]
    records = [judged(law.id, f"lucky.py:{constant}", level=few) for law in laws if law.lacks(lacking) is None]
    passed = {record.clause for record in records if record.status is Status.PASS and record.examples}
    assert passed == NO_NUMBER_IS_DUE


@pytest.mark.parametrize("spec", REMEMBERS)
def test_a_subject_that_remembers_answers_fails_for_it(pool: WorkerPool, brief: Level, spec: str) -> None:
    subject = subject_from_spec(spec)
    bench = Bench(Target(subject, "cpu", "float32"), pool, {subject.name: subject})
    level = replace(brief, unknown_examples=100, shrink_seconds=0, cells=1 << 10)
    assert judge(Assignment(CONTRACT["DET-1"], bench, level, Ledger(()), 1, None)).status is Status.FAIL


def test_rows_left_unwritten_are_not_taken_for_zeros(bench: Callable[..., Bench]) -> None:
    unwritten = bench("lucky.py:ignored_rows_unwritten")
    fresh_from_the_system = Case(rows=2100, classes=4100, ignore_index=-100, ignored="all")
    gradient = unwritten.answer(unwritten.call(fresh_from_the_system)).grad_logits
    assert gradient is not None
    assert gradient.all()


@pytest.mark.parametrize("clause", ["VAL-1", "NUM-6"])
def test_fixed_cases_come_in_another_order_for_another_seed(
    bench: Callable[..., Bench], brief: Level, clause: str
) -> None:
    def order(seed: int) -> list[Case]:
        seen: list[Case] = []

        def look(case: Case, bench: Bench) -> Measurement:
            seen.append(case)
            return Measurement()

        asked = replace(CONTRACT[clause], check=look)
        judge(Assignment(asked, bench("losses.py:honest"), brief, Ledger(()), seed, None))
        return seen[:count]

    fixed = CONTRACT[clause].fixed(Scope(bench("losses.py:honest").subject, "float32", brief))
    count = len(fixed)
    assert order(1) == order(1) != order(2)
    assert set(order(1)) == set(order(2)) == set(fixed)


def test_a_policy_tells_its_answers_in_the_order_of_its_questions(bench: Callable[..., Bench], brief: Level) -> None:
    asked, honest = CONTRACT["LAB-2"], bench("losses.py:honest")
    records = [judge(Assignment(asked, honest, brief, Ledger(()), seed, None)) for seed in (1, 2)]
    cells = [case.cell for case in asked.fixed(Scope(honest.subject, "float32", brief))]
    assert [[choice.cell for choice in record.choices] for record in records] == [cells, cells]
