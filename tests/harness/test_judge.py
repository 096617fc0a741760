"""One clause on one subject gives one record, whatever the subject, the framework or the harness does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from xentcheck.bench import Bench, Target
from xentcheck.cases import Case, case_from_token
from xentcheck.clauses import CLAUSES
from xentcheck.contract import CONTRACT
from xentcheck.divergence import Ledger
from xentcheck.judge import Assignment, judge
from xentcheck.levels import Level
from xentcheck.verdict import Deviation, Measurement
from xentcheck.workers import WorkerPool
from xentcheck_adapters import Subject, built_in_subjects
from xentcheck_reports import Record, Status

Judged = Callable[..., Record]
NOTHING_KNOWN = Ledger(())


def case_of(record: Record) -> Case:
    """The case that a failure's replay command names."""
    assert record.failure is not None
    return case_from_token(record.failure.replay.split()[4])


def test_an_honest_subject_passes_with_its_worst_error(judged: Judged) -> None:
    record = judged("VAL-1", "losses.py:honest")
    assert record.status is Status.PASS
    assert record.examples >= 30
    assert record.worst is not None
    assert 0 < record.worst.ratio <= 1
    assert record.values > 0
    assert record.seconds > 0


def test_a_failure_is_shrunk_to_what_a_person_can_read(judged: Judged, bench: Callable[..., Bench]) -> None:
    record = judged("VAL-1", "losses.py:doubled_gradient")
    assert record.status is Status.FAIL
    case = case_of(record)
    assert case.rows <= 4
    assert case.classes <= 4
    assert record.failure is not None
    assert "logits = [[" in record.failure.case
    assert record.worst is not None
    assert record.worst.what == "grad_logits"
    with pytest.raises(Deviation):
        CONTRACT["VAL-1"].check(case, bench("losses.py:doubled_gradient"))


def test_a_crash_is_shrunk_like_any_failure(judged: Judged, brief: Level) -> None:
    # each crash costs a new worker, so only small cases are drawn: they need few steps
    small = replace(brief, classes=(4,), rows=(1,), shrink_seconds=5)
    record = judged("VAL-1", "losses.py:crashes_from_4_classes", level=small)
    assert record.status is Status.CRASH
    case = case_of(record)
    assert case.rows <= 4
    assert 4 <= case.classes <= 12
    assert record.failure is not None
    assert "SIGSEGV" in record.failure.got
    assert record.failure.detail is not None
    assert "crashes_from_4_classes" in record.failure.detail


def test_shrinking_stops_when_its_time_is_up(judged: Judged, brief: Level) -> None:
    at_once, in_time = (
        judged("VAL-1", "losses.py:doubled_gradient", level=replace(brief, shrink_seconds=seconds))
        for seconds in (0, 60)
    )
    assert at_once.status is in_time.status is Status.FAIL
    # what is known to fail is run again, nothing else
    assert at_once.examples <= 5 < in_time.examples


def test_a_subject_that_changes_its_mind_fails(judged: Judged) -> None:
    assert judged("VAL-1", "losses.py:wrong_every_other_time").status is Status.FAIL
    assert judged("DET-1", "losses.py:wrong_every_other_time").status is Status.FAIL


@pytest.mark.parametrize(
    "function",
    ["mean_of_everything", "flat_gradient", "zeroes_its_input", "refuses"],
)
def test_a_malformed_answer_is_never_a_fault_of_the_harness(
    judged: Judged, subject: Callable[[str], Subject], brief: Level, function: str
) -> None:
    name = f"losses.py:{function}"
    clauses = [clause for clause in CLAUSES.values() if clause.lacks(subject(name)) is None]
    few = replace(brief, unknown_examples=3, shrink_seconds=0.05)
    records = {clause.id: judged(clause.id, name, level=few) for clause in clauses}
    assert {record.status for record in records.values()} <= {Status.FAIL, Status.PASS}
    assert records["VAL-1"].failure is not None
    assert "\n" not in records["VAL-1"].failure.summary


def test_a_fault_of_the_harness_is_told_as_one(bench: Callable[..., Bench], brief: Level) -> None:
    def broken(case: Case, bench: Bench) -> Measurement:
        raise ZeroDivisionError("our own")

    clause = replace(CONTRACT["VAL-1"], check=broken)
    record = judge(Assignment(clause, bench("losses.py:honest"), brief, NOTHING_KNOWN, 1, None))
    assert record.status is Status.HARNESS_ERROR
    assert record.failure is not None
    assert "ZeroDivisionError: our own" in record.failure.summary
    assert record.failure.detail is not None
    assert "test_judge.py" in record.failure.detail


def test_a_framework_that_is_not_there_is_not_run(pool: WorkerPool, elsewhere: Path, brief: Level) -> None:
    subjects = built_in_subjects()
    subject = subjects["jax.log_softmax.eager"].at(str(elsewhere))
    bench = Bench(Target(subject, "cpu", "float32"), pool, subjects)
    record = judge(Assignment(CONTRACT["VAL-1"], bench, brief, NOTHING_KNOWN, 1, None))
    assert record.status is Status.NOT_RUN
    assert record.reason is not None
    assert "jax" in record.reason


def test_what_a_version_does_not_have_is_unsupported(judged: Judged) -> None:
    record = judged("VAL-1", "too_old.py:loss")
    assert (record.status, record.reason) == (Status.UNSUPPORTED, "framework 1.0 has no such loss: 2.0 is the first")


def test_a_file_that_is_not_there_is_not_run_by_name(judged: Judged) -> None:
    record = judged("VAL-1", "nowhere.py:loss")
    assert record.status is Status.NOT_RUN
    assert record.reason is not None
    assert "nowhere.py" in record.reason


def test_a_failure_is_remembered_for_its_own_target_only(
    bench: Callable[..., Bench], brief: Level, tmp_path: Path
) -> None:
    name = "losses.py:wrong_from_100_classes"
    plain = replace(CONTRACT["VAL-1"], id="VAL-99", always=lambda _: ())  # no landmark or known bug may find it

    def run(examples: int, seed: int, dtype: str = "float32") -> Status:
        level = replace(brief, unknown_examples=examples)
        return judge(Assignment(plain, bench(name, dtype), level, NOTHING_KNOWN, seed, tmp_path)).status

    assert run(1, seed=1) is Status.PASS
    assert run(100, seed=2) is Status.FAIL
    assert run(1, seed=1, dtype="float64") is Status.PASS
    assert run(1, seed=1) is Status.FAIL


def test_the_seed_decides_what_is_drawn(bench: Callable[..., Bench], brief: Level) -> None:
    def tokens(seed: int) -> list[str]:
        seen: list[str] = []

        def look(case: Case, bench: Bench) -> Measurement:
            seen.append(case.token)
            return Measurement()

        clause = replace(CONTRACT["VAL-1"], check=look)
        judge(Assignment(clause, bench("losses.py:honest"), brief, NOTHING_KNOWN, seed, None))
        return seen

    assert tokens(1) == tokens(1) != tokens(2)
