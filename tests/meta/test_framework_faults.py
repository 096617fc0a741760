"""Faults that only automatic differentiation, memory or a mode of a framework shows: each is seen by the clause that is
about it, in a worker, as any other subject is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from xentcheck.bench import Bench, Target
from xentcheck.cases import Case
from xentcheck.clauses import CLAUSES
from xentcheck.divergence import Ledger
from xentcheck.faults import Fault, load_registry
from xentcheck.judge import Assignment, judge
from xentcheck.levels import LEVELS
from xentcheck.selection import missing_modules
from xentcheck.verdict import conform
from xentcheck.workers import WorkerPool
from xentcheck_adapters import subject_from_spec
from xentcheck_reports import Record, Status

pytestmark = pytest.mark.frameworks

FAULTS = [fault for fault in load_registry().faults if not fault.spec.startswith("numpy:")]
QUICK = replace(LEVELS["quick"], shrink_seconds=0, unknown_examples=16)
# One of each way to ask that costs no compilation; the others need minutes.
SAMPLE = {
    "torch": (
        "second_derivative_halved",
        "tangents_dropped",
        "mapped_over_one_label",
        "labels_forgotten_by_the_gradient",
        "stride_zero_taken_for_a_mean",
        "gradient_in_logits_that_are_results",
        "gradient_added_and_returned",
        "row_pitch_ignored",
        "raises_for_constant_logits",
        "rounded_under_autocast",
        "softmax_over_the_last_axis",
    ),
    "jax": ("logits_donated",),
}
# What an ordinary test sees as well: one forward and one backward pass, an upstream gradient for each row.
PLAIN = {"VAL-1", "VAL-2", "SOFT-1", "IGN-1", "LAY-1"}


@pytest.fixture(scope="module")
def pool() -> Iterator[WorkerPool]:
    with WorkerPool() as workers:
        yield workers


def bench(pool: WorkerPool, spec: str, dtype: str = "float32") -> Bench:
    subject = subject_from_spec(spec)
    if missing := missing_modules(subject):
        pytest.skip(f"not installed: {', '.join(missing)}")
    narrowed = pool.open(subject, "cpu", dtype).narrow(subject)
    return Bench(Target(narrowed, "cpu", dtype), pool, {subject.name: narrowed})


def verdict(there: Bench, clause: str) -> Record:
    return judge(Assignment(CLAUSES[clause], there, QUICK, Ledger(()), seed=1, memory=None))


def chosen(*, sampled: bool) -> list[Any]:
    return [
        pytest.param(fault, id=f"{flavour}-{fault.name}")
        for fault in FAULTS
        for flavour in [fault.spec.split(":")[0]]
        if (fault.name in SAMPLE[flavour]) is sampled
    ]


def check(pool: WorkerPool, fault: Fault) -> None:
    record = verdict(bench(pool, fault.spec, fault.dtype), fault.clause)
    assert record.status is Status.FAIL, record.reason or record.failure


@pytest.mark.parametrize("fault", chosen(sampled=True))
def test_a_fault_is_seen_by_its_clause(pool: WorkerPool, fault: Fault) -> None:
    check(pool, fault)


@pytest.mark.slow
@pytest.mark.parametrize("fault", chosen(sampled=False))
def test_every_fault_is_seen_by_its_clause(pool: WorkerPool, fault: Fault) -> None:
    check(pool, fault)


@pytest.mark.parametrize(
    "fault", [pytest.param(f, id=f.name) for f in FAULTS if f.spec.startswith("torch:") and f.clause not in PLAIN]
)
def test_one_forward_and_one_backward_pass_do_not_show_it(pool: WorkerPool, fault: Fault) -> None:
    there = bench(pool, fault.spec)
    kind = {"index": "index", "dense": "soft"}[there.subject.labels[0]]
    case = Case(rows=4, classes=7, regime="normal", labels=kind, seed=1, upstream="negative")
    call = there.call(case)
    assert conform(there.answer(call), there.expect(call), case.token).values


@pytest.mark.parametrize("clause", ["AD-1", "AD-3", "AD-4", "AD-5", "AD-6", "AD-8", "AD-13", "EQ-6"])
def test_the_framework_itself_is_not_accused(pool: WorkerPool, clause: str) -> None:
    there = bench(pool, "torch:torch.nn.functional:cross_entropy")
    assert verdict(there, clause).status is Status.PASS
