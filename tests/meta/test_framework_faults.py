"""Faults that only automatic differentiation, memory or a mode of a framework shows: each is seen by the clause that is
about it, in a worker, as any other subject is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from xentcheck.bench import Bench, Target
from xentcheck.cases import Case
from xentcheck.clauses import CLAUSES
from xentcheck.faults import Fault, load_registry
from xentcheck.levels import LEVELS
from xentcheck.selection import SelectionError
from xentcheck.selftest.trial import Court
from xentcheck.verdict import conform
from xentcheck_adapters import Subject
from xentcheck_reports import Status

pytestmark = pytest.mark.frameworks

FAULTS = [fault for fault in load_registry().faults if not fault.spec.startswith("numpy:")]
QUICK = replace(LEVELS["quick"], shrink_seconds=0, unknown_examples=16)
# One of each way to ask that costs no compilation; the others need minutes (test_detection.py).
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


def summon(court: Court, spec: str, dtype: str = "float32") -> Subject:
    try:
        return court.summon(spec, dtype)
    except SelectionError as missing:
        pytest.skip(str(missing))


def sampled() -> list[Any]:
    flavours = [(fault, fault.spec.split(":")[0]) for fault in FAULTS]
    return [pytest.param(fault, id=f"{of}-{fault.name}") for fault, of in flavours if fault.name in SAMPLE[of]]


@pytest.mark.parametrize("fault", sampled())
def test_a_fault_is_seen_by_its_clause(court: Court, fault: Fault) -> None:
    subject = summon(court, fault.spec, fault.dtype)
    record, _ = court.judge(CLAUSES[fault.clause], subject, fault.dtype, QUICK)
    assert record.status is Status.FAIL, record.reason or record.failure


@pytest.mark.parametrize(
    "fault", [pytest.param(f, id=f.name) for f in FAULTS if f.spec.startswith("torch:") and f.clause not in PLAIN]
)
def test_one_forward_and_one_backward_pass_do_not_show_it(court: Court, fault: Fault) -> None:
    subject = summon(court, fault.spec)
    there = Bench(Target(subject, "cpu", "float32"), court.pool, {subject.name: subject})
    kind = {"index": "index", "dense": "soft"}[subject.labels[0]]
    case = Case(rows=4, classes=7, regime="normal", labels=kind, seed=1, upstream="negative")
    call = there.call(case)
    assert conform(there.answer(call), there.expect(call), case.token).values


@pytest.mark.parametrize("clause", ["AD-1", "AD-3", "AD-4", "AD-5", "AD-6", "AD-8", "AD-13", "EQ-6"])
def test_the_framework_itself_is_not_accused(court: Court, clause: str) -> None:
    subject = summon(court, "torch:torch.nn.functional:cross_entropy")
    record, _ = court.judge(CLAUSES[clause], subject, "float32", QUICK)
    assert record.status is Status.PASS
