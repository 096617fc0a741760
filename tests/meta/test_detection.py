"""The suite catches every faulty implementation we could think of and accuses no honest one, at level quick."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from operator import attrgetter

import numpy as np
import pytest

from xentcheck.bench import Bench, Target
from xentcheck.clauses import CLAUSES
from xentcheck.divergence import Ledger
from xentcheck.faults import Fault, load_registry
from xentcheck.judge import Assignment, judge
from xentcheck.levels import LEVELS, Level
from xentcheck.workers import WorkerPool
from xentcheck_adapters import subject_from_spec
from xentcheck_adapters.numpy_callable import load_function
from xentcheck_faults.on_numpy.kernel import Array
from xentcheck_reports import Record, Status

REGISTRY = load_registry()
SEED = 1
# A kill is a kill before it is shrunk.
QUICK = replace(LEVELS["quick"], shrink_seconds=0)
# float32 first: most faults show there, and a table stops at the first clause that sees the fault.
DTYPES = ("float32", "float64", "float16", "bfloat16")
# A fault of each family, so that every run sees each part of the contract at work; the others need minutes.
SAMPLE = (
    "Softmax.tail_1024_not_rescaled",
    "Softmax.clipped",
    "Precision.table_exp_fine",
    "Gradient.label_slightly_off",
    "Rows.only_256",
    "Memory.strides_ignored",
    "Form.squeezed",
    "Labels.wrap",
    "Dense.renormalised",
    "Smoothing.only_in_gradient",
    "Mean.unweighted_in_gradient",
    "Ignore.by_multiplication",
    "Upstream.mean_only",
    "Weight.of_the_largest_logit",
    "SampleWeight.over_rows_in_gradient",
    "ZLoss.not_doubled",
    "Softcap.without_derivative",
)


@pytest.fixture(scope="session")
def pool() -> Iterator[WorkerPool]:
    with WorkerPool() as pool:
        yield pool


def records(pool: WorkerPool, spec: str, level: Level = QUICK) -> Iterator[Record]:
    """Verdicts of all clauses on a function."""
    subject = subject_from_spec(spec)
    for dtype in DTYPES:
        bench = Bench(Target(subject, "cpu", dtype), pool, {subject.name: subject})
        for clause in CLAUSES.values():
            if clause.lacks(subject) is None:
                yield judge(Assignment(clause, bench, level, Ledger(()), SEED, None))


def killer(pool: WorkerPool, fault: Fault) -> str | None:
    """The first clause and dtype that sees a fault; trouble of the harness itself is no kill."""
    for record in records(pool, fault.spec):
        assert record.status is not Status.HARNESS_ERROR, record.failure
        if record.status.is_failure:
            return f"{record.clause} in {record.dtype}"
    return None


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_every_fault_answers_ordinary_calls(reduction: str) -> None:
    """Else it would be caught for raising, and not for what it is about."""
    logits = np.linspace(-3, 3, 35, dtype=np.float32).reshape(5, 7)
    kinds: tuple[Array, ...] = (np.arange(5), np.full((5, 7), 1 / 7, np.float32))
    on_numpy = [fault for fault in REGISTRY.faults if fault.spec.startswith("numpy:")]
    for fault, labels in product(on_numpy, kinds):
        function = load_function(fault.spec)
        assert len(function(logits.copy(), labels.copy(), reduction=reduction, grad_output=None)) == 2


@pytest.mark.parametrize("fault", [fault for fault in REGISTRY.faults if fault.name in SAMPLE], ids=attrgetter("name"))
def test_a_fault_is_caught(pool: WorkerPool, fault: Fault) -> None:
    assert killer(pool, fault)


@pytest.mark.slow
@pytest.mark.parametrize(
    "fault", [fault for fault in REGISTRY.faults if fault.name not in SAMPLE], ids=attrgetter("name")
)
def test_every_fault_is_caught(pool: WorkerPool, fault: Fault) -> None:
    assert killer(pool, fault)


def accusations(pool: WorkerPool, spec: str, level: Level = QUICK) -> list[str]:
    """What an honest function is blamed for; a clause about an option it lacks does not apply to it."""
    blamed = [r for r in records(pool, spec, level) if r.status not in (Status.PASS, Status.UNSUPPORTED)]
    return [f"{r.clause} in {r.dtype}: {r.failure.summary if r.failure else r.reason}" for r in blamed]


@pytest.mark.parametrize("name", ["every_operation_rounded", "log_sum_exp_minus_logit"])
def test_an_honest_implementation_is_not_accused_by_a_few_cases(pool: WorkerPool, name: str) -> None:
    assert (
        accusations(pool, f"numpy:xentcheck_faults.on_numpy.honest:{name}", replace(QUICK, unknown_examples=10)) == []
    )


@pytest.mark.slow
@pytest.mark.parametrize("spec", REGISTRY.honest)
def test_an_honest_implementation_is_not_accused(pool: WorkerPool, spec: str) -> None:
    assert accusations(pool, spec) == []
