"""SHP: a class axis that is not the subject's, and an empty batch that is refused, are seen for what they are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from xentcheck.bench import Bench, Target
from xentcheck.contract import CONTRACT
from xentcheck.divergence import Ledger
from xentcheck.judge import Assignment, judge
from xentcheck.levels import LEVELS
from xentcheck.selection import missing_modules
from xentcheck.workers import WorkerPool
from xentcheck_adapters import Subject, built_in_subjects
from xentcheck_reports import Record, Status


def torch_said_to_have(pool: WorkerPool, clause: str, class_axes: tuple[int, ...]) -> Record:
    """The record of torch.eager, whose classes are at axis 1, under another declaration."""
    subjects = built_in_subjects()
    torch = replace(subjects["torch.eager"], class_axes=class_axes)
    missing = missing_modules(torch)
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    bench = Bench(Target(torch, "cpu", "float32"), pool, subjects)
    return judge(Assignment(CONTRACT[clause], bench, replace(LEVELS["quick"], shrink_seconds=0), Ledger(()), 1, None))


@pytest.mark.frameworks
@pytest.mark.parametrize(("clause", "axes"), [("SHP-1", (-1,)), ("SHP-2", (1, -1)), ("SHP-2", (1, 0))])
def test_an_axis_that_is_not_the_classes_is_seen(pool: WorkerPool, clause: str, axes: tuple[int, ...]) -> None:
    assert torch_said_to_have(pool, clause, axes).status is Status.FAIL


@pytest.mark.frameworks
def test_the_documented_axis_passes(pool: WorkerPool) -> None:
    assert torch_said_to_have(pool, "SHP-1", (1,)).status is Status.PASS


def test_an_empty_batch_may_be_refused_by_a_function_that_nobody_described(judged: Callable[..., Record]) -> None:
    assert judged("SHP-4", "losses.py:refuses").status is Status.PASS


def test_an_empty_batch_is_not_refused_by_a_subject_that_is_described(
    pool: WorkerPool, subject: Callable[[str], Subject]
) -> None:
    described = replace(subject("losses.py:refuses"), described=True)
    bench = Bench(Target(described, "cpu", "float32"), pool, {described.name: described})
    record = judge(Assignment(CONTRACT["SHP-4"], bench, LEVELS["quick"], Ledger(()), 1, None))
    assert record.status is Status.FAIL
