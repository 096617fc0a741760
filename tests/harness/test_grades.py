"""Grades: ordered, measured with a margin, and a ratchet: better is welcome, worse is a regression."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise

import numpy as np
import pytest

from xentcheck import grades
from xentcheck.aggregate import Aggregate, BatchStatistics, Limits, Thresholds
from xentcheck.bench import Target
from xentcheck.calibrate import Learned, learn_from, learned_thresholds, merged_grades
from xentcheck.divergence import Ledger
from xentcheck.grades import FAILED, grade_profile, grades_of, is_drop, margin, measured_grade
from xentcheck.workers import WorkerPool
from xentcheck_adapters import FLOAT_DTYPES, Subject
from xentcheck_reports import Record, Status

Judged = Callable[..., Record]
Recorded = Callable[[str, str], None]


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch, spec: Callable[[str], str]) -> Iterator[Recorded]:
    """Puts a grade of a subject of this folder on record, for float32."""

    def put(name: str, grade: str) -> None:
        table = {spec(name): {"float32": grade}}
        monkeypatch.setattr(grades, "recorded_grades", lambda: table)

    return put


@pytest.mark.parametrize("dtype", FLOAT_DTYPES)
def test_every_grade_but_the_best_is_a_drop_from_the_one_before(dtype: str) -> None:
    for better, worse in pairwise((*grades_of(dtype), FAILED)):
        assert is_drop(better, worse, dtype)
        assert not is_drop(worse, better, dtype)
        assert not is_drop(better, better, dtype)


@pytest.mark.parametrize("dtype", FLOAT_DTYPES)
def test_every_grade_is_a_grade_profile_its_dtype(dtype: str) -> None:
    profiles = [grade_profile(grade, dtype) for grade in grades_of(dtype) if not grade.startswith("A")]
    assert len(set(profiles)) == len(profiles)


def test_a_grade_is_measured_with_a_margin() -> None:
    just = 1 / margin("float32")
    hardly = just + 1e-9
    ratios = dict.fromkeys(grades_of("float32"), hardly)
    assert measured_grade(ratios, "float32") == FAILED
    assert measured_grade(ratios | {"B-L": just, "C-L": just}, "float32") == "B-L"


def test_a_subject_without_a_record_is_measured(judged: Judged) -> None:
    record = judged("ACC-2", "losses.py:honest")
    assert record.status is Status.PASS
    assert record.grade is not None
    assert record.grade.recorded is None
    assert record.grade.measured == "B-P"


def test_a_grade_may_not_drop(judged: Judged, recorded: Recorded) -> None:
    recorded("losses.py:log_sum_exp_minus_logit", "B-P")
    record = judged("ACC-2", "losses.py:log_sum_exp_minus_logit")
    assert record.status is Status.FAIL
    assert record.failure is not None
    assert "grade dropped from B-P to C-P" in record.failure.summary


def test_a_better_grade_passes_with_a_remark(judged: Judged, recorded: Recorded) -> None:
    recorded("losses.py:honest", "C-L")
    record = judged("ACC-2", "losses.py:honest")
    assert record.status is Status.PASS
    assert record.grade is not None
    assert (record.grade.recorded, record.grade.measured) == ("C-L", "B-P")
    assert record.reason is not None
    assert "better than C-L on record" in record.reason


def test_the_grade_on_record_passes_without_a_remark(judged: Judged, recorded: Recorded) -> None:
    recorded("losses.py:honest", "B-P")
    record = judged("ACC-2", "losses.py:honest")
    assert (record.status, record.reason) == (Status.PASS, None)


def test_recording_names_what_changed_and_what_dropped() -> None:
    for grade, dropped in (("B-P", 0), ("A-P", 0), ("B-L", 1)):
        table, changes, drops = merged_grades({"mine": {"float32": "B-P"}}, {("mine", "float32"): grade})
        assert table == {"mine": {"float32": grade}}
        assert len(changes) == (grade != "B-P")
        assert len(drops) == dropped


def test_a_function_nobody_described_teaches_only_what_unknown_kernels_reach(
    pool: WorkerPool, subject: Callable[[str], Subject]
) -> None:
    honest = subject("losses.py:honest")
    learned = learn_from(Target(honest, "cpu", "float32"), pool, {honest.name: honest}, Ledger(()))
    assert learned is not None
    assert {knowledge for knowledge, _, _ in learned.statistics} == {"unknown"}
    assert learned.grade is None


def test_thresholds_of_a_part_of_the_subjects_are_not_lowered() -> None:
    high = Thresholds(declared={"float32": {"normal": Limits(loss=(0.3, 0.05), grad_logits=(0.2, 0.1))}})
    seen = BatchStatistics(Aggregate(0.1, 0.09), Aggregate(0.4, 0.0))
    taught = [Learned({("declared", "float32", "normal"): [seen]}, "B-P")]
    kept = learned_thresholds(taught, high).declared["float32"]["normal"]
    alone = learned_thresholds(taught, Thresholds()).declared["float32"]["normal"]
    assert kept == Limits(loss=(0.3, 0.09), grad_logits=(0.4, 0.1))
    assert alone == Limits(loss=(0.1, 0.09), grad_logits=(0.4, 0.0))
    assert np.isfinite([*(kept.loss or ()), *(kept.grad_logits or ())]).all()
